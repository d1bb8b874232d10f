"""Chat robots of a deployed stack: real functions report to strict robots over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aigc_cli.local_stack import local_stack
from tests.e2e.stack import Stack, wait_for
from tests.e2e.tasks import IMAGE
from tests.robots import ChatRobots, chat_robots

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "SEC-of-the-group"  # noqa: S105  of no real robot
ENDPOINT = "tencent-vod/v1/aigc-image"


@pytest.fixture
def group() -> Iterator[ChatRobots]:
    with chat_robots(SECRET, keyword="aigc") as robots:
        yield robots


@pytest.fixture
def stack(group: ChatRobots) -> Iterator[Stack]:
    robots = [
        {"kind": "feishu", "url": group.url("feishu"), "secret": SECRET, "jobs": "all"},
        {"kind": "dingtalk", "url": group.url("dingtalk"), "secret": SECRET, "jobs": "failed"},
        {"kind": "wecom", "url": group.url("wecom"), "jobs": "none"},
    ]
    lines: list[str] = []
    changes = {"robots": json.dumps(robots)}
    with local_stack(speed=30, timeout_s=10, on_log=lines.append, changes=changes) as started:
        yield Stack(started.connection, lines=lines)


def test_robots_report_the_jobs_that_they_are_set_to(stack: Stack, group: ChatRobots) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    failed = stack.call(ENDPOINT, IMAGE).json()["request_id"]
    succeeded = stack.call(ENDPOINT, IMAGE).json()["request_id"]

    # Sweeps that overlap on this fast clock may send a notice twice.
    wait_for(lambda: sum(failed in text for text in group.texts) >= 2)
    wait_for(lambda: any(succeeded in text for text in group.texts))
    wait_for(lambda: not [key for key in stack.leftovers() if key.startswith("notices/")])

    reports = [line for text in group.texts for line in text.splitlines()[1:]]
    assert all(line.startswith("failed") for line in reports if failed in line)
    assert all(line.startswith("succeeded") for line in reports if succeeded in line)
    assert group.refused == []
    assert any("notice_sent" in line for line in stack.log)
    assert not [line for line in stack.log if SECRET in line or "access_token" in line]
