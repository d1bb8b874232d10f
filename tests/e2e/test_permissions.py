"""Each function's policy is held against what the function was seen to do, both ways.

The local cloud enforces the policies and keeps book. Nothing may be denied, and every grant must be
used: the run goes through everything that a function does in a way of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from tests.e2e.stack import SAMPLES, Stack, running, wait_for
from tests.e2e.test_main_job import ENDPOINTS, IMAGE, MPS

if TYPE_CHECKING:
    from collections.abc import Iterator

Grant = tuple[str, str]
FUNCTIONS = ("gateway", "upload", "sweep")
FOLDERS = ("anime", "product", "sketch")
PHOTO = (SAMPLES / "cat.jpg").read_bytes()

VOD = "vod.CreateAigcImageTask"
ROUNDS = 5


def permissions(stack: Stack) -> dict[str, dict[str, list[list[str]]]]:
    url = f"{stack.connection['cloud']}/_localcloud/permissions"
    return dict(requests.get(url, timeout=30).json())


def used(stack: Stack, function: str) -> set[Grant]:
    return {(action, on) for action, on in permissions(stack).get(function, {}).get("used", [])}


def granted(stack: Stack, function: str) -> set[Grant]:
    """Read the grants of a function's role, as the account's owner would."""
    attached = cam(stack, "ListAttachedRolePolicies", RoleName=function, Page=1, Rp=200)["List"]
    documents = [
        json.loads(cam(stack, "GetPolicy", PolicyId=one["PolicyId"])["PolicyDocument"])
        for one in attached
    ]
    return {
        (action, resource)
        for document in documents
        for statement in document["statement"]
        for action in statement["action"]
        for resource in statement["resource"]
    }


def cam(stack: Stack, action: str, **params: Any) -> dict[str, Any]:
    known = stack.connection
    profile = ClientProfile(
        httpProfile=HttpProfile(protocol="http", endpoint=known["cloud"].partition("//")[2])
    )
    credential = Credential(known["secret_id"], known["secret_key"])
    client = CommonClient("cam", "2019-01-16", credential, known["region"], profile)
    answer: dict[str, Any] = client.call_json(action, params)["Response"]
    return answer


@pytest.fixture(scope="module")
def worked() -> Iterator[Stack]:
    with running("--speed", "30", "--timeout", "10") as stack:
        calls_and_their_links(stack)
        uploads(stack)
        uploads_that_others_start(stack)
        what_the_sweep_finds(stack)
        yield stack


def calls_and_their_links(stack: Stack) -> None:
    stack.fault(VOD, "lost_reply")
    for endpoint, body in ENDPOINTS.items():
        answer = stack.call(endpoint, body).json()
        stack.ended(answer)
        [image] = stack.get(answer["response_url"]).json()["images"]
        assert requests.get(image["url"], timeout=30).ok
    cancellation = requests.put(
        stack.call("tencent-vod/v1/aigc-image", IMAGE).json()["cancel_url"],
        headers=stack.headers,
        timeout=30,
    )
    assert cancellation.status_code in {202, 400}
    # Without the bucket's event it is the status call that finds the pictures of MPS.
    stack.fault("cos.event", "drop", times=10)
    stack.ended(stack.call("tencent-mps/v1/aigc-image", MPS).json())
    stack.faults()


def uploads(stack: Stack) -> None:
    stack.fault(VOD, "lost_reply")
    for folder in FOLDERS:
        stack.upload(f"{folder}/one.jpg", PHOTO)
    wait_for(lambda: {f"{folder}/one.json" for folder in FOLDERS} <= stack.results().keys())


def uploads_that_others_start(stack: Stack) -> None:
    """Fill the lane with a call, so that its callback starts the upload that waits behind it."""
    stack.call("tencent-vod/v1/aigc-image", IMAGE)
    stack.upload("anime/waits.jpg", PHOTO)
    wait_for(lambda: "anime/waits.json" in stack.results("anime/"))


def what_the_sweep_finds(stack: Stack) -> None:
    """Leave work to the sweep until it has done all that it may: what falls to it is chance."""
    for attempt in range(ROUNDS):
        leave_work_to_the_sweep(stack, f"round-{attempt}")
        if used(stack, "sweep") >= granted(stack, "sweep"):
            return


def leave_work_to_the_sweep(stack: Stack, name: str) -> None:
    """Let no callback and no event arrive: the sweep settles, and starts what waits behind."""
    unreported = {"where": "vod.callback", "what": "drop", "rate": 1.0}
    stack.faults(unreported)
    known = len(stack.jobs())
    for number in (1, 2, 3):
        stack.upload(f"anime/{name}-{number}.jpg", PHOTO)
        stack.upload(f"product/{name}-{number}.jpg", PHOTO)
    wait_for(lambda: len(stack.jobs()) >= known + 6)
    stack.faults(
        unreported,
        {"where": "cos.event", "what": "drop", "rate": 1.0},
        {"where": VOD, "what": "lost_reply"},
    )
    for _ in range(6):
        stack.call("tencent-mps/v1/aigc-image", MPS)
    wait_for(lambda: {job["state"] for job in stack.jobs()} <= {"succeeded", "cancelled"})
    # A lease after a job has ended, its claims go.
    wait_for(lambda: any("DeleteMultiple" in action for action, _ in used(stack, "sweep")))
    stack.faults()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_was_denied_nothing(worked: Stack, function: str) -> None:
    assert permissions(worked)[function]["denied"] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_may_do_nothing_that_it_was_not_seen_to_do(worked: Stack, function: str) -> None:
    assert used(worked, function) == granted(worked, function)


def test_every_job_of_the_run_succeeded(worked: Stack) -> None:
    states = [job["state"] for job in worked.jobs()]

    assert states.count("cancelled") <= 1  # what was cancelled may have run already
    assert set(states) <= {"succeeded", "cancelled"}
