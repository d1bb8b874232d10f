"""Chaos, in short; and its audit, which must see each promise that is broken."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from PIL import Image

from aigc.jobs.job import Attempt, Job, OutputLocation, Picture, Source
from localcloud.cos.errors import CosError
from localcloud.tasks import FINISH, Failure, Task
from tests.chaos import plan as chaos_plan
from tests.chaos import run as chaos
from tests.chaos.audit import Books, Findings, audit
from tests.chaos.clients import Heard, Told
from tests.chaos.plan import FAULTS, Plan, Wish
from tests.chaos.use import measured

THEN = datetime(2026, 11, 20, tzinfo=timezone.utc)
WISH = Wish(number=1, kind="vod.image", is_upload=False, shape="16:9", wants_webhook=True)
LANES = {"vod.image": 1}
CERTAIN = (
    {"where": "scf.gateway", "what": "kill:0.1", "times": 2},
    {"where": "vod.CreateAigcImageTask", "what": "lost_reply", "times": 1},
)
"""Faults that a short run must have; the seed decides about the others."""


def test_thirty_jobs_keep_every_promise_while_functions_die() -> None:
    told: list[str] = []

    plan = chaos_plan.chaos(seed=3, jobs=30)
    plan = replace(plan, faults=(*CERTAIN, *plan.faults))

    findings = chaos.make(plan, chaos.Setting(speed=60, places=4), say=told.append)

    figures = {row.what: row.figure for row in findings.rows}
    assert not findings.violations, "\n".join([findings.table(), *told])
    assert figures["functions killed"] != "0"
    assert figures["replies lost"] != "0"


# What the seed decides


def test_a_seed_draws_the_same_again_and_another_draws_otherwise() -> None:
    first, again, other = (chaos_plan.chaos(seed, 50) for seed in (1, 1, 2))

    assert first == again
    assert (first.wishes, first.faults) != (other.wishes, other.faults)
    assert first.wishes != other.wishes


def test_every_fault_that_is_named_is_drawn() -> None:
    plan = chaos_plan.chaos(seed=1, jobs=1)

    drawn = [(fault["where"], fault["what"]) for fault in plan.faults]

    assert drawn == [(where, what) for where, what, _ in FAULTS]
    assert all(0 < fault["rate"] < 1 for fault in plan.faults)


# The audit


def test_books_in_order_have_no_violation() -> None:
    assert violations() == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"jobs": {}}, "accepted calls without a job"),
        ({"uploads": frozenset({"lost"})}, "other uploads without a job"),
        ({"most_at_once": {"vod.CreateAigcImageTask": 2}}, "most tasks at once, vod.image"),
        ({"tasks": {}}, "jobs that succeeded without a bill"),
        ({"ledger": ["jobs/one.json"]}, "jobs that the index lacks"),
        (
            {"ledger": ["index/1-one-vod.image", "lanes/vod.image/slots/0000"]},
            "objects of the ledger that nothing needs any more",
        ),
    ],
)
def test_books_out_of_order_are_named(changes: dict[str, Any], named: str) -> None:
    assert named in violations(**changes)


def test_a_job_billed_twice_is_named_twice_over() -> None:
    found = violations(tasks={"one": [task(), task()]})

    assert found == ["jobs billed twice", "calls billed twice, told by their prompts"]


def test_a_task_that_failed_bills_nothing() -> None:
    failed = task(error=Failure(70000, "RequestLimitExceeded", "no room"))

    assert violations(tasks={"one": [failed, task()]}) == []


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_was_billed_and_did_not_succeed_is_named(state: str) -> None:
    found = violations(jobs={"one": job(state=state, pictures=())})

    assert found == ["jobs billed that did not succeed"]


def test_a_job_that_has_not_ended_is_named() -> None:
    found = violations(jobs={"one": job(state="running", pictures=())}, tasks={})

    assert found == ["jobs that have not ended"]


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"chaos/one.json": b"{}"},
        {"chaos/one.json": b"{}", "chaos/one-1.png": b"no picture"},
        {"chaos/one-1.png": b"the JSON is missing"},
    ],
)
def test_a_result_that_is_not_whole_is_named(stored: dict[str, bytes]) -> None:
    assert violations(stored=stored) == ["results that are missing, unreadable or of another shape"]


def test_a_picture_of_another_shape_is_named() -> None:
    square = Picture(key="chaos/one-1.png", content_type="image/png", width=9, height=9, size=1)
    stored = {"chaos/one.json": b"{}", "chaos/one-1.png": png(9, 9)}

    found = violations(jobs={"one": job(pictures=(square,))}, stored=stored)

    assert found == ["results that are missing, unreadable or of another shape"]


def test_a_call_that_became_two_requests_is_named() -> None:
    two = {"one": job(), "two": job(id="two", state="cancelled", pictures=(), webhook_url="")}
    ledger = ["index/1-one-vod.image", "index/2-two-vod.image"]

    found = violations(heard=Heard(request_ids={1: {"one", "two"}}), jobs=two, ledger=ledger)

    assert found == ["calls with one Idempotency-Key that became several requests"]


def test_an_answer_to_a_cancel_that_does_not_hold_is_named() -> None:
    found = violations(heard=Heard(request_ids={1: {"one"}}, cancelled={"one"}))

    assert found == ["requests answered to be cancelled that are not"]


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ([], "webhooks that were not delivered"),
        (["msg_one", "msg_other"], "webhooks delivered under several ids"),
    ],
)
def test_webhooks_that_are_not_as_promised_are_named(told: list[str], named: str) -> None:
    assert violations(told=told) == [named]


def test_a_webhook_that_came_twice_under_one_id_is_as_promised() -> None:
    assert violations(told=["msg_one", "msg_one"]) == []


# How much a lane was in use


def test_a_lane_is_in_use_while_the_vendor_has_a_task_for_each_place() -> None:
    jobs = [job(id="first", sent_after_s=0), job(id="second", sent_after_s=10)]
    tasks = [task(created_at=after(0), finished_at=after(9)), task(created_at=after(10))]

    use = measured(jobs, tasks, places=1)

    assert (use.waited_s, use.busy_s, use.share) == (10, 9, 0.9)


def test_the_use_of_a_lane_counts_from_when_it_is_told_to() -> None:
    jobs = [job(sent_after_s=10)]
    tasks = [task(created_at=after(0), finished_at=after(6))]

    use = measured(jobs, tasks, places=2, since=after(4))

    assert (use.waited_s, use.busy_s, use.share) == (6, 2, 2 / 12)


def test_a_lane_that_nothing_waited_for_has_no_use() -> None:
    assert measured([], [], places=1).share == 0


# The table


def test_the_table_says_of_each_figure_whether_it_is_as_it_must_be() -> None:
    findings = Findings()
    findings.tell("jobs", 7)
    findings.at_most("at once", 2, 1)
    findings.at_least("in use", 0.96, 0.95)

    assert findings.table().splitlines()[2:] == [
        "| jobs | 7 |  |  |",
        "| at once | 2 | ≤ 1 | **violated** |",
        "| in use | 96.0% | ≥ 95% | ok |",
    ]


# A run of one call, as its books should be


def violations(
    *,
    heard: Heard | None = None,
    told: list[str] | None = None,
    stored: dict[str, bytes] | None = None,
    **changes: Any,
) -> list[str]:
    """Audit the books of one call, some of them changed, and name what is wrong."""
    messages = {"one": ["msg_one"] if told is None else told}
    objects = {"chaos/one.json": b"{}", "chaos/one-1.png": png(160, 90)}
    books = Books(
        **{
            "jobs": {"one": job()},
            "uploads": frozenset(),
            "tasks": {"one": [task()]},
            "most_at_once": {"vod.CreateAigcImageTask": 1},
            "ledger": ["jobs/one.json", "index/1-one-vod.image"],
            "read": lambda _role, key: read(objects if stored is None else stored, key),
            **changes,
        }
    )
    heard = heard or Heard(request_ids={1: {"one"}})
    findings = audit(Plan(seed=1, wishes=(WISH,)), books, heard, Told(messages), LANES)
    return list(dict.fromkeys(what.partition(":")[0] for what, _ in findings.violations))


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
        "webhook_url": "http://127.0.0.1/told",
        "attempts": (Attempt(number=1, session_id="one-1", submitted_at=submitted_at),),
        "pictures": (
            Picture(key="chaos/one-1.png", content_type="image/png", width=160, height=90, size=1),
        ),
    }
    return Job.model_validate({**fields, **changes})


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "service": "vod",
        "action": "CreateAigcImageTask",
        "task_id": "task",
        "params": {},
        "prompt": WISH.prompt,
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
