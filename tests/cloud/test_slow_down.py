"""Only COS's own SlowDown proves that a request did nothing; another 503 may follow its effect."""

from __future__ import annotations

import time

import pytest
from qcloud_cos import CosServiceError

from aigc.cloud import cos
from aigc.errors import AmbiguousError, CloudError, ThrottledError

ERROR = (
    "<?xml version='1.0' encoding='utf-8' ?><Error><Code>{code}</Code><Message>wait</Message>"
    "<Resource>r</Resource><RequestId>i</RequestId><TraceId>t</TraceId></Error>"
)
PROXY = "<html><body>503 Service Temporarily Unavailable</body></html>"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def sent_times(body: str, status: int) -> tuple[int, type[CloudError]]:
    """Return how often a write is sent that gets this answer, and the error at the end."""
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        raise CosServiceError("PUT", body, status)

    with pytest.raises(CloudError) as caught, cos.cos_errors("put a key"):
        cos._retry_if_slowed_down(send)  # noqa: SLF001  what every write goes through
    return sent, caught.type


def test_a_write_that_cos_slows_down_is_repeated() -> None:
    assert sent_times(ERROR.format(code="SlowDown"), 503) == (
        cos.SLOW_DOWN_RETRIES + 1,
        ThrottledError,
    )
    assert sent_times(ERROR.format(code="TooManyRequests"), 429) == (
        cos.SLOW_DOWN_RETRIES + 1,
        ThrottledError,
    )


@pytest.mark.parametrize("body", [ERROR.format(code="ServiceUnavailable"), PROXY, ""])
def test_a_write_with_another_503_is_not_repeated(body: str) -> None:
    assert sent_times(body, 503) == (1, AmbiguousError)
