"""An instance whose clock is an hour off uses the time of COS, and its signatures are valid."""

from __future__ import annotations

import time

import pytest

from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.signing_time import SIGNING, sign_by
from aigc.errors import AccountError
from aigc.jobs.clock import LedgerClock
from aigc.tasks.kind import ApiCall
from tests.cloud.conftest import BUCKET, REGION

pytestmark = pytest.mark.usefixtures("cloud")

HOUR_S = 3600.0
TOLERANCE_S = 30
"""For a busy machine; what is looked for is an hour."""


class Instance:
    """An instance whose wall clock is wrong, with its bucket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self.clock = LedgerClock(ask=lambda: self.bucket.get("no such key"), wall=self.wall)
        self.bucket = CosBucket(BUCKET, region=REGION, protocol="http", clock=self.clock)
        for module in SIGNING:
            monkeypatch.setattr(module, "time", time)
        sign_by(self.clock.unix_seconds)

    def wall(self) -> float:
        return time.time() + self.ahead_s

    def error_s(self) -> float:
        """Return how far the clock is from the time, at most."""
        moments = (self.clock.now(), self.clock.latest())
        return max(abs(moment.timestamp() - time.time()) for moment in moments)


@pytest.mark.parametrize("ahead_s", [-HOUR_S, HOUR_S])
def test_the_time_is_that_of_cos_whatever_the_wall_clock_says(
    monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    instance = Instance(monkeypatch, ahead_s)

    assert instance.error_s() < TOLERANCE_S


@pytest.mark.parametrize("ahead_s", [-2 * HOUR_S, HOUR_S])
def test_requests_to_cos_are_signed_with_the_time_by_cos(
    monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    instance = Instance(monkeypatch, ahead_s)

    instance.bucket.put("jobs/a.json", b"{}")

    assert instance.bucket.get("jobs/a.json") == b"{}"


def test_calls_of_the_api_are_signed_with_the_time_by_cos(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Instance(monkeypatch, HOUR_S)
    instance.bucket.get("jobs/a.json")
    call = ApiCall(
        service="vod",
        version="2018-07-17",
        action="DescribeTaskDetail",
        params={"TaskId": "1500000001-AigcImage-0", "SubAppId": 1500000001},
    )

    with pytest.raises(AccountError) as refused:
        CloudApi(site="cn", protocol="http").call(call)

    assert not refused.value.code.startswith("AuthFailure")


def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Instance(monkeypatch, 0)
    instance.bucket.get("jobs/a.json")

    instance.ahead_s = -HOUR_S

    assert instance.error_s() < TOLERANCE_S
    instance.bucket.put("jobs/a.json", b"{}")
