"""The vendor refuses the account: no job fails, and the lane resumes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.stack import Stack, wait_for
from tests.e2e.tasks import IMAGE, VOD_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

ARREARS = "FailedOperation.UserArrears"
DENIED = "UnauthorizedOperation"


@pytest.fixture
def refusing(stack: Stack) -> Iterator[Stack]:
    yield stack
    stack.faults()


def refuse(stack: Stack, action: str, code: str) -> None:
    stack.faults({"where": f"vod.{action}", "what": f"refuse:{code}", "rate": 1.0})


def lane(stack: Stack) -> dict[str, Any]:
    lanes = stack.get("/v1/lanes").json()["lanes"]
    return next(dict(lane) for lane in lanes if lane["name"] == "vod.image")


def submitted(stack: Stack, number: int, **headers: str) -> dict[str, Any]:
    body = IMAGE | {"prompt": f"refused {number}"}
    answer = stack.call(VOD_PATH, body, **headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_arrears_pause_the_lane_and_end_by_themselves(refusing: Stack) -> None:
    stack = refusing
    refuse(stack, "CreateAigcImageTask", ARREARS)

    first = submitted(stack, 1)
    wait_for(lambda: lane(stack)["paused"])  # an invocation without time leaves the call to others
    second = submitted(stack, 2, Prefer="wait=2")
    assert (second["status"], second["paused"]["code"]) == ("IN_QUEUE", ARREARS)

    paused = lane(stack)["paused"]
    assert (paused["action"], paused["code"]) == ("CreateAigcImageTask", ARREARS)
    assert paused["request_id"]
    assert paused["since"] < paused["next_probe"]
    for answer in (first, second):
        status = stack.get(answer["status_url"]).json()
        assert (status["status"], status["paused"]["code"]) == ("IN_QUEUE", ARREARS)
    wait_for(lambda: lane(stack)["paused"]["next_probe"] > paused["next_probe"])
    assert any('"event": "lane_paused"' in line for line in stack.log)

    stack.faults()
    for answer in (first, second):
        assert "error" not in stack.ended(answer)
    assert lane(stack)["paused"] is None


def test_a_denied_query_is_shown_in_the_status(refusing: Stack) -> None:
    stack = refusing
    refuse(stack, "DescribeTaskDetail", DENIED)
    answer = submitted(stack, 3)

    def is_paused() -> dict[str, Any] | None:
        paused: dict[str, Any] | None = stack.get(answer["status_url"]).json().get("paused")
        return paused

    paused = wait_for(is_paused)
    assert (paused["action"], paused["code"]) == ("DescribeTaskDetail", DENIED)
    waiting = submitted(stack, 4)
    assert stack.get(waiting["status_url"]).json()["status"] == "IN_QUEUE"

    stack.faults()
    for submission in (answer, waiting):
        assert "error" not in stack.ended(submission)
