"""A short chaos run; and its audit, which must find each broken promise."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from PIL import Image

from aigc.jobs.job import Attempt, Job, JobError, OutputLocation, Source, StoredImage
from aigc.jobs.ledger.images import image_set
from localcloud.cos.errors import CosError
from localcloud.tasks import FINISH, Failure, Task
from tests.chaos import plan as chaos_plan
from tests.chaos import run as chaos
from tests.chaos.audit import Books, Findings, audit
from tests.chaos.clients import CallerLog, WebhookLog
from tests.chaos.plan import FAULTS, Plan, PlannedJob, Refusal
from tests.chaos.use import measure

THEN = datetime(2026, 11, 20, tzinfo=timezone.utc)
PLANNED = PlannedJob(number=1, kind="vod.image", is_upload=False, shape="16:9", wants_webhook=True)
LANES = {"vod.image": 1}
UNUSABLE = "results that are missing, unreadable or of another shape"
CERTAIN = (
    {"where": "scf.gateway", "what": "kill:0.1", "times": 2},
    {"where": "vod.CreateAigcImageTask", "what": "lost_reply", "times": 1},
    {"where": "cos.event", "what": "drop", "times": 2},
)
"""Faults that a short run always has; the seed decides the others."""


def test_twenty_jobs_keep_every_promise_while_functions_are_killed() -> None:
    progress: list[str] = []

    plan = chaos_plan.chaos(seed=3, jobs=20)
    refusal = Refusal(code="FailedOperation.UserArrears", begins_s=20, lasts_s=120)
    plan = replace(plan, faults=(*CERTAIN, *plan.faults), refusal=refusal)

    findings = chaos.run_plan(plan, chaos.Setting(speed=60, slots=4), progress=progress.append)

    figures = {row.what: row.figure for row in findings.rows}
    assert not findings.violations, "\n".join([findings.table(), *progress])
    assert figures["functions killed"] != "0"
    assert figures["replies lost"] != "0"
    assert figures["events of buckets lost; repeated"][0] != "0"
    assert "account refused" in figures


# The plan


def test_same_seed_draws_the_same_plan_and_another_seed_another_plan() -> None:
    first, again, other = (chaos_plan.chaos(seed, 50) for seed in (1, 1, 2))

    assert first == again
    assert (first.jobs, first.faults) != (other.jobs, other.faults)
    assert first.jobs != other.jobs


def test_plan_has_every_fault() -> None:
    plan = chaos_plan.chaos(seed=1, jobs=1)

    drawn = [(fault["where"], fault["what"]) for fault in plan.faults]

    assert drawn == [(where, what) for where, what, _ in FAULTS]
    assert all(0 < fault["rate"] < 1 for fault in plan.faults)


# The audit


def test_correct_records_have_no_violation() -> None:
    assert violations() == []


INCORRECT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"jobs": {}}, "accepted calls without a job"),
    ({"uploads": frozenset({"lost"})}, "uploads without a job"),
    ({"most_at_once": {"vod.CreateAigcImageTask": 2}}, "most tasks at once, vod.image"),
    ({"tasks": {}}, "jobs that succeeded without a bill"),
    ({"ledger": ["jobs/one.json"]}, "jobs that the index lacks"),
    ({"ledger": ["index/1-one-vod.image"]}, "jobs whose images are not listed once"),
    (
        {"ledger": ["index/1-one-vod.image", "lanes/vod.image/slots/0000"]},
        "objects of the ledger that nothing needs any more",
    ),
)


def test_incorrect_records_are_reported() -> None:
    for changes, violation in INCORRECT:
        assert violation in violations(**changes)


def test_job_billed_twice_is_reported_by_id_and_by_prompt() -> None:
    reported = violations(tasks={"one": [task(), task()]})

    assert reported == ["jobs billed twice", "calls billed twice, by their prompts"]


def test_failed_task_is_not_billed() -> None:
    failed = task(error=Failure(70000, "RequestLimitExceeded", "no room"))

    assert violations(tasks={"one": [failed, task()]}) == []


def test_billed_job_that_did_not_succeed_is_reported() -> None:
    reported = violations(jobs={"one": job(state="cancelled", images=())})

    assert reported == ["jobs billed that did not succeed"]


def test_job_that_failed_for_the_account_is_reported() -> None:
    error = JobError(type="refused", message="", code="FailedOperation.UserArrears")

    reported = violations(jobs={"one": job(state="failed", error=error, images=())}, tasks={})

    assert reported == ["jobs that failed since the account was refused"]


def test_job_that_has_not_ended_is_reported() -> None:
    reported = violations(jobs={"one": job(state="running", images=())}, tasks={})

    assert reported == ["jobs that have not ended"]


def test_incomplete_result_is_reported() -> None:
    for stored in (
        {"chaos/one.json": b"{}"},
        {"chaos/one.json": b"{}", "chaos/one-1.png": b"no image"},
        {"chaos/one-1.png": png(160, 90)},  # the JSON is missing
    ):
        assert violations(stored=stored) == [UNUSABLE]


def test_image_of_another_shape_is_reported() -> None:
    square = StoredImage(key="chaos/one-1.png", content_type="image/png", width=9, height=9, size=1)
    stored = {"chaos/one.json": b"{}", "chaos/one-1.png": png(9, 9)}

    reported = violations(jobs={"one": job(images=(square,))}, stored=stored)

    assert reported == [UNUSABLE]


def test_call_that_became_two_requests_is_reported() -> None:
    two = {"one": job(), "two": job(id="two", state="cancelled", images=(), webhook_url="")}
    ledger = ["index/1-one-vod.image", "index/2-two-vod.image", listed_images()]

    reported = violations(
        callers=CallerLog(request_ids={1: {"one", "two"}}), jobs=two, ledger=ledger
    )

    assert reported == ["calls with one Idempotency-Key that became several requests"]


def test_job_that_runs_on_after_its_cancel_was_confirmed_is_reported() -> None:
    reported = violations(callers=CallerLog(request_ids={1: {"one"}}, cancelled={"one"}))

    assert reported == ["requests answered to be cancelled that are not"]


def test_undelivered_and_ambiguous_webhooks_are_reported() -> None:
    assert violations(message_ids=[]) == ["webhooks that were not delivered"]
    several = violations(message_ids=["msg_one", "msg_other"])
    assert several == ["webhooks delivered under several ids"]


def test_webhook_may_arrive_twice_with_the_same_id() -> None:
    assert violations(message_ids=["msg_one", "msg_one"]) == []


# The use of a lane


def test_lane_is_in_use_while_the_vendor_has_a_task_for_each_slot() -> None:
    jobs = [job(id="first", sent_after_s=0), job(id="second", sent_after_s=10)]
    tasks = [task(created_at=after(0), finished_at=after(9)), task(created_at=after(10))]

    use = measure(jobs, tasks, slots=1)

    assert (use.waited_s, use.busy_s, use.share) == (10, 9, 0.9)


def test_use_of_a_lane_counts_from_a_given_moment() -> None:
    jobs = [job(sent_after_s=10)]
    tasks = [task(created_at=after(0), finished_at=after(6))]

    use = measure(jobs, tasks, slots=2, since=after(4))

    assert (use.waited_s, use.busy_s, use.share) == (6, 2, 2 / 12)


def test_lane_without_waiting_jobs_has_no_use() -> None:
    assert measure([], [], slots=1).share == 0


# The table


def test_table_says_of_each_figure_whether_it_meets_its_target() -> None:
    findings = Findings()
    findings.report("jobs", 7)
    findings.at_most("at once", 2, 1)
    findings.at_least("in use", 0.96, 0.95)

    assert findings.table().splitlines()[2:] == [
        "| jobs | 7 |  |  |",
        "| at once | 2 | ≤ 1 | **violated** |",
        "| in use | 96.0% | ≥ 95% | ok |",
    ]


# The records of a correct run with one call


def violations(
    *,
    callers: CallerLog | None = None,
    message_ids: list[str] | None = None,
    stored: dict[str, bytes] | None = None,
    **changes: Any,
) -> list[str]:
    """Audit the records of one call with some changes; return the violations."""
    messages = {"one": ["msg_one"] if message_ids is None else message_ids}
    objects = {"chaos/one.json": b"{}", "chaos/one-1.png": png(160, 90)}
    books = Books(
        **{
            "jobs": {"one": job()},
            "uploads": frozenset(),
            "tasks": {"one": [task()]},
            "most_at_once": {"vod.CreateAigcImageTask": 1},
            "ledger": ["jobs/one.json", "index/1-one-vod.image", listed_images()],
            "read": lambda _role, key: read(objects if stored is None else stored, key),
            **changes,
        }
    )
    callers = callers or CallerLog(request_ids={1: {"one"}})
    findings = audit(Plan(seed=1, jobs=(PLANNED,)), books, callers, WebhookLog(messages), LANES)
    return list(dict.fromkeys(what.partition(":")[0] for what, _ in findings.violations))


def listed_images() -> str:
    """Return the key of the entry by which the images of the call's job are listed."""
    return image_set(job(), "GG 3.0", "a lighthouse").key


def read(objects: dict[str, bytes], key: str) -> bytes:
    if key not in objects:
        raise CosError("NoSuchKey", key)
    return objects[key]


def job(*, sent_after_s: float | None = 0, **changes: Any) -> Job:
    submitted_at = None if sent_after_s is None else THEN + timedelta(seconds=sent_after_s)
    fields: dict[str, Any] = {
        "id": "one",
        "kind": "vod.image",
        "lane": "vod.image",
        "state": "succeeded",
        "marker": "lanes/vod.image/waiting/1",
        "created_at": THEN,
        "updated_at": THEN,
        "source": Source(type="call", name="local"),
        "task": {},
        "fingerprint": "",
        "output_location": OutputLocation(prefix="chaos/", name="one"),
        "webhook_url": "http://127.0.0.1/webhooks",
        "attempts": (Attempt(number=1, session_id="one-1", submitted_at=submitted_at),),
        "images": (
            StoredImage(
                key="chaos/one-1.png", content_type="image/png", width=160, height=90, size=1
            ),
        ),
    }
    return Job.model_validate({**fields, **changes})


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "service": "vod",
        "action": "CreateAigcImageTask",
        "task_id": "task",
        "params": {},
        "prompt": PLANNED.prompt,
        "session_context": "one",
        "state": FINISH,
    }
    return Task(**{**fields, **changes})


def after(seconds: float) -> float:
    return THEN.timestamp() + seconds


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()
