"""Each function's policy grants exactly the actions that the function uses.

The local cloud enforces the policies and records each use. The run covers everything that each
function does: no action may be denied, and every grant must be used.
"""

from __future__ import annotations

import base64
import hashlib
import json
from http import HTTPStatus
from typing import Any

import pytest
import requests
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from tests.e2e.stack import SAMPLES, Stack, wait_for
from tests.e2e.tasks import ENDPOINTS, IMAGE, MPS

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
    """Read the grants of a function's role with the owner's credentials."""
    attached = cam(stack, "ListAttachedRolePolicies", RoleName=function, Page=1, Rp=200)["List"]
    documents = [
        json.loads(cam(stack, "GetPolicy", PolicyId=policy["PolicyId"])["PolicyDocument"])
        for policy in attached
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


DENIED_BEFORE: dict[str, list[list[str]]] = {}
"""What was denied before the run: the doctor tries actions that a role lacks on purpose."""


@pytest.fixture(scope="module")
def finished_run(stack: Stack) -> Stack:
    DENIED_BEFORE.update({name: known["denied"] for name, known in permissions(stack).items()})
    run_calls(stack)
    run_link_into_the_inbox(stack)
    run_uploads(stack)
    run_upload_started_by_a_callback(stack)
    run_sweeps(stack)
    return stack


def run_calls(stack: Stack) -> None:
    stack.fault(VOD, "lost_reply")
    for endpoint, body in ENDPOINTS.items():
        answer = stack.call(endpoint, body).json()
        stack.ended(answer)
        [image] = stack.get(answer["response_url"]).json()["images"]
        assert requests.get(image["url"], timeout=30).ok
    assert stack.get("/v1/uploads").ok
    cancellation = requests.put(
        stack.call("tencent-vod/v1/aigc-image", IMAGE).json()["cancel_url"],
        headers=stack.headers,
        timeout=30,
    )
    assert cancellation.status_code in {202, 400}
    # Without the bucket's event and the sweep, the status call stores the images of MPS.
    stack.faults(*({"where": at, "what": "drop", "rate": 1} for at in ("cos.event", "scf.sweep")))
    stack.ended(stack.call("tencent-mps/v1/aigc-image", MPS).json())
    stack.faults()


def run_link_into_the_inbox(stack: Stack) -> None:
    """Upload by links of the gateway; COS refuses to replace an object by the same link."""
    wanted: dict[str, Any] = {
        "file_name": "linked.jpg",
        "content_type": "image/jpeg",
        "size": len(PHOTO),
    }
    digest = hashlib.md5(PHOTO, usedforsecurity=False).digest()
    wanted |= {"content_md5": base64.b64encode(digest).decode()}
    link = stack.call("v1/rules/anime/uploads", wanted).json()

    answers = [
        requests.put(link["upload_url"], data=data, headers=link["headers"], timeout=30)
        for data in (PHOTO[:-1] + b"x", PHOTO, PHOTO)
    ]

    assert [answer.status_code for answer in answers] == [400, 200, 409]
    assert ["BadDigest" in answers[0].text, "FileAlreadyExists" in answers[2].text] == [True, True]
    for rule in FOLDERS[1:]:
        link = stack.call(f"v1/rules/{rule}/uploads", wanted).json()
        answer = requests.put(link["upload_url"], PHOTO, headers=link["headers"], timeout=30)
        assert answer.status_code == HTTPStatus.OK
    expected = {f"{rule}/linked.jpg.json" for rule in FOLDERS}
    wait_for(lambda: expected <= stack.results().keys())


def run_uploads(stack: Stack) -> None:
    stack.fault(VOD, "lost_reply")
    stack.upload("anime/empty.jpg", b"")
    for folder in FOLDERS:
        stack.upload(f"{folder}/one.jpg", PHOTO)
    wait_for(lambda: {f"{folder}/one.jpg.json" for folder in FOLDERS} <= stack.results().keys())


def run_upload_started_by_a_callback(stack: Stack) -> None:
    """Fill the lane with a call, so that its callback starts the waiting upload."""
    stack.call("tencent-vod/v1/aigc-image", IMAGE)
    stack.upload("anime/waits.jpg", PHOTO)
    wait_for(lambda: "anime/waits.jpg.json" in stack.results("anime/"))


def run_sweeps(stack: Stack) -> None:
    """Leave work to the sweep until it has used all its grants; its share varies by chance."""
    for attempt in range(ROUNDS):
        leave_work_to_the_sweep(stack, f"round-{attempt}")
        if used(stack, "sweep") >= granted(stack, "sweep"):
            return


def leave_work_to_the_sweep(stack: Stack, name: str) -> None:
    """Drop all callbacks and events, so that the sweep settles jobs and starts waiting jobs."""
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
    stack.upload(f"anime/{name}-empty.jpg", b"")
    for _ in range(6):
        stack.call("tencent-mps/v1/aigc-image", MPS)
    wait_for(lambda: {job["state"] for job in stack.jobs()} <= {"succeeded", "cancelled"})
    # The claims of a job are removed a lease after its end.
    wait_for(lambda: any("DeleteMultiple" in action for action, _ in used(stack, "sweep")))
    stack.faults()


def test_no_action_of_a_function_was_denied(finished_run: Stack) -> None:
    known = permissions(finished_run)

    for function in FUNCTIONS:
        before = DENIED_BEFORE.get(function, [])
        assert [action for action in known[function]["denied"] if action not in before] == []


def test_every_grant_of_a_function_was_used(finished_run: Stack) -> None:
    for function in FUNCTIONS:
        assert used(finished_run, function) == granted(finished_run, function)


def test_every_job_of_the_run_succeeded(finished_run: Stack) -> None:
    states = [job["state"] for job in finished_run.jobs()]

    assert states.count("cancelled") <= 1  # the cancelled job may already have been running
    assert set(states) <= {"succeeded", "cancelled"}
