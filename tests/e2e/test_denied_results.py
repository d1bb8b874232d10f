"""The functions lose the results bucket for a while: no image is lost, and none is paid twice."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.stack import SPEED, Stack, command, running, wait_for
from tests.e2e.tasks import IMAGE, MPS, MPS_PATH, VOD_PATH
from tests.e2e.test_permissions import FUNCTIONS, cam, granted

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run a system of its own: the local cloud remembers each denied call."""
    with running("--speed", str(SPEED), "--timeout", "10") as stack:
        yield stack


@contextlib.contextmanager
def results_denied(stack: Stack) -> Iterator[None]:
    """Take the permissions on the results bucket from all functions."""
    bucket = stack.connection["buckets"]["results"]
    denied = {
        grant for name in FUNCTIONS for grant in granted(stack, name) if f"{bucket}/" in grant[1]
    }
    statement = {
        "effect": "deny",
        "action": sorted({action for action, _ in denied}),
        "resource": sorted({resource for _, resource in denied}),
    }
    document = json.dumps({"version": "2.0", "statement": [statement]})
    policy = cam(stack, "CreatePolicy", PolicyName="no-results", PolicyDocument=document)
    for name in FUNCTIONS:
        cam(stack, "AttachRolePolicy", AttachRoleName=name, PolicyId=policy["PolicyId"])
    try:
        yield
    finally:
        for name in FUNCTIONS:
            cam(stack, "DetachRolePolicy", DetachRoleName=name, PolicyId=policy["PolicyId"])
        cam(stack, "DeletePolicy", PolicyId=[policy["PolicyId"]])


def record(stack: Stack, job_id: str) -> dict[str, object]:
    return next(job for job in stack.jobs() if job["id"] == job_id)


def tasks_of(stack: Stack, known: int) -> int:
    return len(stack.tasks()) - known


def test_images_are_stored_when_the_bucket_is_open_again(here: Stack) -> None:
    known = len(here.tasks())
    with results_denied(here):
        answer = here.call(VOD_PATH, IMAGE).json()
        delayed = wait_for(lambda: here.get(answer["status_url"]).json().get("delay"))
        lanes = here.get("/v1/lanes").json()["lanes"]

    ended = here.ended(answer)

    assert "AccessDenied" in delayed
    assert all(lane["in_use"] == 0 for lane in lanes)
    assert "error" not in ended
    assert tasks_of(here, known) == 1


def test_a_restore_stores_images_that_are_paid_for(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    known = len(here.tasks())
    bucket, cos = here.connection["buckets"]["results"], here.cos()
    with results_denied(here):
        answer = here.call(MPS_PATH, MPS).json()
        job_id = answer["request_id"]
        wait_for(lambda: record(here, job_id)["state"] == "storing")
        [staged] = wait_for(lambda: here.results(f".aigc/mps/{job_id}/"))
        image = here.result(staged)
        cos.put_object(Bucket=bucket, Key=staged, Body=b"<html>damaged</html>")
    assert here.ended(answer)["error_type"] == "result_unusable"
    cos.put_object(Bucket=bucket, Key=staged, Body=image)

    replayed = command(f"jobs replay {job_id}", capsys)
    restored = command(f"jobs restore {job_id}", capsys)

    assert (replayed[0], restored[0]) == (1, 0)
    assert "`aigc jobs restore` stores them for free" in replayed[1]
    wait_for(lambda: record(here, job_id)["state"] == "succeeded")
    assert tasks_of(here, known) == 1
    assert command(f"jobs restore {job_id}", capsys) == (1, f"job {job_id} has not failed\n")
