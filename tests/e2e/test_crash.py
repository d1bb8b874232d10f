"""A function is killed during its work, and the job still ends."""

from __future__ import annotations

from tests.e2e.stack import SAMPLES, SPEED, Stack, wait_for
from tests.e2e.tasks import ENDPOINTS, IMAGE

KILL_S = 2
"""Enough for a busy machine to get to the vendor's request."""
DELAY = f"delay:{2 * KILL_S * SPEED}"
"""A delay is cloud time, the wait before a kill is real time."""

PHOTO = (SAMPLES / "coffee.jpg").read_bytes()


ACTIONS = {
    "tencent-vod/v1/aigc-image": "vod.CreateAigcImageTask",
    "tencent-mps/v1/aigc-image": "mps.CreateAigcImageTask",
}
"""VOD recognises a task by its session, MPS by its folder in COS."""


def _kill_submit(stack: Stack, endpoint: str) -> str:
    known = {job["id"] for job in stack.jobs()}
    stack.get("/health")  # an instance is there: the time to the kill is not spent on its start
    stack.faults(
        {"where": ACTIONS[endpoint], "what": DELAY},
        {"where": "scf.gateway", "what": f"kill:{KILL_S}"},
    )

    answer = stack.call(endpoint, ENDPOINTS[endpoint])

    [job] = [job for job in stack.jobs() if job["id"] not in known]
    assert not answer.ok
    assert job["state"] == "submitting"
    return str(job["id"])


def test_jobs_of_killed_submits_succeed_and_are_paid_once(stack: Stack) -> None:
    # Both leases expire at the same time.
    killed = {endpoint: _kill_submit(stack, endpoint) for endpoint in ACTIONS}

    for endpoint, job_id in killed.items():
        ended = _wait_until_ended(stack, job_id)
        tasks = [f"{task['service']}.{task['action']}" for task in stack.tasks()]
        assert ended["state"] == "succeeded"
        assert tasks.count(ACTIONS[endpoint]) == 1


def test_platform_retries_a_killed_upload_function(stack: Stack) -> None:
    stack.fault("scf.upload", "kill:0")

    stack.upload("anime/killed.jpg", PHOTO, **{"x-cos-meta-aigc-prompt": "killed"})
    wait_for(lambda: "anime/killed.jpg.json" in stack.results("anime/"))

    assert len([task for task in stack.tasks() if task["prompt"] == "killed"]) == 1


def test_job_succeeds_after_a_function_was_killed_while_settling(stack: Stack) -> None:
    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    stack.faults(
        # Claim, record and image take a third of a second each, so the kill comes while storing.
        {"where": "cos.PutObject", "what": f"delay:{0.35 * SPEED}", "times": 3},
        {"where": "scf.gateway", "what": "kill:1"},
    )
    wait_for(lambda: [line for line in stack.log if "439" in line and "gateway" in line])
    [killed] = [job for job in stack.jobs() if job["id"] == answer["request_id"]]

    ended = _wait_until_ended(stack, answer["request_id"])

    assert killed["state"] in {"running", "storing"}
    assert ended["state"] == "succeeded"
    assert stack.get(answer["response_url"]).json()["images"]


def _wait_until_ended(stack: Stack, job_id: str) -> dict[str, str]:
    return dict(wait_for(lambda: _ended(stack, job_id)))


def _ended(stack: Stack, job_id: str) -> dict[str, str] | None:
    job = next(job for job in stack.jobs() if job["id"] == job_id)
    return job if job["state"] in {"succeeded", "failed", "cancelled"} else None
