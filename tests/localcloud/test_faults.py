"""Faults: what goes wrong when it is told to, and how a wrong list is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from qcloud_cos import CosClientError, CosServiceError
from tencentcloud.common.exception import TencentCloudSDKException

from localcloud.faults import Faults
from tests.localcloud.clients import BUCKET, Api, control

if TYPE_CHECKING:
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud

CREATE = "vod.CreateAigcImageTask"


def test_a_lost_reply_leaves_a_task_that_the_session_finds(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": "lost_reply", "times": 1}])

    with pytest.raises(TencentCloudSDKException) as lost:
        api.image_task(app, SessionId="once")

    assert lost.value.code == "ClientNetworkError"
    repeated = api.refusal(
        "vod",
        "CreateAigcImageTask",
        SubAppId=app,
        ModelName="GG",
        ModelVersion="3.0",
        Prompt="x",
        SessionId="once",
    )
    assert repeated == "InvalidParameterValue.SessionId"
    [task] = control(cloud, "tasks")["tasks"]
    assert task["session_id"] == "once"


@pytest.mark.parametrize(
    ("what", "code"), [("throttle", "RequestLimitExceeded"), ("http_500", "ServerNetworkError")]
)
def test_a_call_that_breaks_before_its_effect_leaves_nothing(
    cloud: LocalCloud, api: Api, app: int, what: str, code: str
) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": what, "times": 2}])

    codes = []
    for _ in range(2):
        with pytest.raises(TencentCloudSDKException) as failed:
            api.image_task(app)
        codes.append(failed.value.code)

    assert codes == [code, code]
    assert control(cloud, "tasks")["tasks"] == []
    assert api.image_task(app)


def test_a_task_fails_as_it_is_told(cloud: LocalCloud, api: Api, app: int) -> None:
    what = "task_failure:InvalidParameter.VoilationContent"
    control(cloud, "faults", [{"where": CREATE, "what": what}])

    own = api.ended_task(app, api.image_task(app))["AigcImageTask"]

    assert (own["ErrCode"], own["ErrCodeExt"]) == (70000, "InvalidParameter.VoilationContent")
    assert "Input Prompt violates policy" in own["Message"]


def test_a_call_is_late_as_it_is_told(cloud: LocalCloud, api: Api, app: int) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": "delay:20"}])
    before = time.monotonic()

    api.image_task(app)

    assert time.monotonic() - before >= 20 / cloud.clock.speed


def test_cos_is_slow_down_and_out_of_order_as_told(cloud: LocalCloud, store: CosS3Client) -> None:
    control(
        cloud,
        "faults",
        [
            {"where": "cos.PutObject", "what": "throttle"},
            {"where": "cos.PutObject", "what": "http_500"},
            {"where": "cos.PutObject", "what": "lost_reply"},
        ],
    )

    codes = []
    for _ in range(2):
        with pytest.raises(CosServiceError) as refused:
            store.put_object(BUCKET, b"x", "early")
        codes.append((refused.value.get_status_code(), refused.value.get_error_code()))
    with pytest.raises(CosClientError):
        store.put_object(BUCKET, b"x", "late")

    assert codes == [(503, "SlowDown"), (500, "InternalError")]
    assert [one["Key"] for one in store.list_objects(BUCKET)["Contents"]] == ["late"]


def test_a_rate_hits_about_as_often_as_it_says() -> None:
    faults = Faults()
    faults.replace([{"where": "cos.event", "what": "repeat", "rate": 0.25}])

    hits = sum(faults.take("cos.event") is not None for _ in range(1000))

    assert 200 < hits < 300
    assert faults.left() == [{"where": "cos.event", "what": "repeat", "rate": 0.25}]


def test_a_fault_waits_for_who_can_do_it() -> None:
    faults = Faults()
    faults.replace([{"where": "scf.upload", "what": "kill:2", "times": 2}])

    taken = [faults.take("scf.upload", "drop"), faults.take("scf.upload", "kill")]

    assert taken == [None, "kill:2"]
    assert faults.left() == [{"where": "scf.upload", "what": "kill:2", "times": 1}]


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"where": "vod", "what": "throttle"}, "where"),
        ({"where": CREATE, "what": "explode"}, "what"),
        ({"where": "vod.callback", "what": "throttle"}, "what"),
        ({"where": CREATE, "what": "task_failure"}, "what"),
        ({"where": CREATE, "what": "delay:long"}, "what"),
        ({"where": CREATE, "what": "throttle", "times": 0}, "times"),
        ({"where": CREATE, "what": "throttle", "rate": 1.5}, "rate"),
        ({"where": CREATE, "what": "throttle", "rate": 1, "times": 1}, "times"),
        ({"where": CREATE, "what": "throttle", "when": "now"}, "when"),
    ],
)
def test_an_entry_that_could_never_come_true_is_refused(
    cloud: LocalCloud, entry: dict[str, Any], named: str
) -> None:
    good = {"where": CREATE, "what": "throttle", "times": 1}
    control(cloud, "faults", [good])

    answer = requests.put(f"{cloud.url}/_localcloud/faults", json=[good, entry], timeout=10)

    assert answer.status_code == 400
    assert "fault 1" in answer.json()["error"]
    assert named in answer.json()["error"]
    assert control(cloud, "faults") == [good]
