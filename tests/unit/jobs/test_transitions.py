"""A job has these transitions and no others."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from aigc.errors import IllegalTransitionError
from aigc.jobs.job import (
    Attempt,
    Deferral,
    Job,
    JobError,
    OutputLocation,
    Source,
    State,
    StoredImage,
    session_id,
)
from aigc.jobs.ledger.slots import new_slot
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
STATES: tuple[State, ...] = get_args(State)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(seconds=75)
SLOT = new_slot(0)
ERROR = JobError(type="throttled", message="no room")
IMAGE = StoredImage(key="a-1.png", content_type="image/png", width=1, height=1, size=1)

DEFERRAL = Deferral(reason="over_budget", ceiling="stack/day/images", since=NOW)

TRANSITIONS: dict[str, tuple[Callable[[Job], Job], dict[State, State]]] = {
    "submit": (lambda job: job.submit(SLOT, NOW, LATER), {"queued": "submitting"}),
    "give_back": (
        lambda job: job.give_back(),
        {"queued": "queued", "submitting": "submitting"},
    ),
    "defer": (lambda job: job.defer(DEFERRAL, "held/a"), {"queued": "queued"}),
    "requeue": (lambda job: job.requeue("marker-2"), {"queued": "queued"}),
    "withdraw": (lambda job: job.withdraw(), {"submitting": "queued"}),
    "hold": (lambda job: job.hold("marker-2", refusals=1), {"submitting": "queued"}),
    "submit_again": (lambda job: job.submit_again(None, LATER), {"submitting": "submitting"}),
    "mark_ambiguous": (lambda job: job.mark_ambiguous(), {"submitting": "submitting"}),
    "run": (lambda job: job.run("task-1"), {"submitting": "running"}),
    "mark_overdue": (
        lambda job: job.mark_overdue(NOW, is_slot_released=True),
        {"running": "running"},
    ),
    "wait_to_repeat": (
        lambda job: job.wait_to_repeat("marker-2", NOW),
        {"submitting": "submitting"},
    ),
    "finish_attempt": (
        lambda job: job.finish_attempt(NOW),
        {"submitting": "submitting", "running": "running"},
    ),
    "store": (
        lambda job: job.store(LATER, LATER, LATER),
        {"submitting": "storing", "running": "storing", "storing": "storing"},
    ),
    "leave_slot": (lambda job: job.leave_slot(), {"storing": "storing"}),
    "renew_urls": (lambda job: job.renew_urls(("https://a",)), {"storing": "storing"}),
    "add_image": (lambda job: job.add_image("1", IMAGE), {"storing": "storing"}),
    "store_later": (lambda job: job.store_later(LATER, "denied"), {"storing": "storing"}),
    "succeed": (lambda job: job.succeed(), {"storing": "succeeded"}),
    "fail": (
        lambda job: job.fail(ERROR, NOW),
        {"submitting": "failed", "running": "failed", "storing": "failed"},
    ),
    "cancel": (lambda job: job.cancel(), {"queued": "cancelled", "running": "cancelled"}),
    "queue_again": (
        lambda job: job.queue_again(ERROR, NOW, "marker-2"),
        {"submitting": "queued", "running": "queued"},
    ),
    "replay": (lambda job: job.replay("marker-2"), {"failed": "queued"}),
    "restore": (
        lambda job: job.restore(("https://a",), NOW, NOW, LATER),
        {"failed": "storing"},
    ),
    "name_webhook": (
        lambda job: job.name_webhook("webhook-1"),
        {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
    ),
}
"""Transition → how to make it, and which states it leads to from the states that allow it."""


def job_in(state: State, **fields: object) -> Job:
    job = Job(
        id="a",
        kind="vod.image",
        lane="vod.image",
        state=state,
        marker="marker-1",
        created_at=NOW,
        updated_at=NOW,
        source=Source(type="call", name="key"),
        task={},
        fingerprint="",
        output_location=OutputLocation(prefix="", name="a"),
        attempts=(Attempt(number=1, session_id=session_id("a", 1)),),
    )
    return with_fields(job, **fields)


def test_a_legal_transition_leads_to_its_state() -> None:
    for change, states in TRANSITIONS.values():
        for state, next_state in states.items():
            job = job_in(state)

            changed = change(job)

            assert changed.state == next_state
            assert job == job_in(state)
            assert Job.model_validate(changed.model_dump()) == changed


def test_an_illegal_transition_is_refused() -> None:
    for name, (change, states) in TRANSITIONS.items():
        for state in set(STATES) - states.keys():
            error = f"job a: `{name}` is not possible in the state `{state}`"
            with pytest.raises(IllegalTransitionError, match=error):
                change(job_in(state))


def test_every_method_that_returns_a_job_is_in_the_table() -> None:
    methods = {
        name
        for name, member in vars(Job).items()
        if not name.startswith("_")
        and getattr(member, "__annotations__", {}).get("return") == "Job"
    }

    assert methods == {*TRANSITIONS, "own", "parse", "revise"}


def test_a_job_that_is_not_worked_on_has_no_owner() -> None:
    for name in ("succeed", "fail", "cancel", "queue_again", "run"):
        change, states = TRANSITIONS[name]
        for state in states:
            assert change(job_in(state, owned_until=LATER)).owned_until is None


def test_a_submission_names_slot_time_and_owner() -> None:
    job = job_in("queued").submit(SLOT, NOW, LATER)

    assert (job.attempt.slot, job.attempt.submitted_at, job.owned_until) == (SLOT, NOW, LATER)


def test_a_submission_that_is_withdrawn_leaves_the_job_as_it_was() -> None:
    job = job_in("queued")

    assert job.submit(SLOT, NOW, LATER).withdraw() == job


def test_a_repeated_submission_is_ambiguous_and_counts_the_death_of_its_owner() -> None:
    orphaned = job_in("submitting", owned_until=NOW)

    resubmitted = orphaned.submit_again(SLOT, LATER)

    assert resubmitted.attempt.is_ambiguous
    assert resubmitted.deaths == 1
    assert job_in("submitting").submit_again(SLOT, LATER).deaths == 0


def test_storing_counts_the_death_of_an_owner_that_was_storing() -> None:
    dead = job_in("storing", owned_until=NOW)

    assert dead.store(LATER, LATER, LATER).fruitless_tries == 1
    assert job_in("storing").store(LATER, LATER, LATER).fruitless_tries == 0
    assert job_in("running", owned_until=NOW).store(LATER, LATER, LATER).fruitless_tries == 0


def test_a_stored_image_ends_the_count_of_fruitless_tries() -> None:
    storing = job_in("storing", fruitless_tries=5).add_image("1", IMAGE)

    assert storing.fruitless_tries == 0
    assert (storing.images, storing.stored_names) == ((IMAGE,), ("1",))


def test_the_first_try_to_store_decides_until_when_the_others_are_made() -> None:
    first = job_in("running").store(LATER, LATER, NOW)

    assert first.store(LATER, LATER, LATER).store_until == NOW


def test_a_failure_keeps_the_time_at_which_the_task_ended() -> None:
    finished = job_in("running").finish_attempt(NOW).store(LATER, LATER, LATER)

    assert finished.fail(ERROR, LATER).attempt.finished_at == NOW


def test_a_job_that_is_queued_again_gets_an_attempt_with_a_session_of_its_own() -> None:
    queued = job_in("submitting").queue_again(ERROR, NOW, "marker-2")

    first, second = queued.attempts
    assert (first.error, first.finished_at) == (ERROR, NOW)
    assert (second.number, second.session_id, second.slot) == (2, "a-2", None)
    assert queued.marker == "marker-2"


def test_a_replay_starts_the_count_of_attempts_anew() -> None:
    failed = job_in("submitting", deaths=8, start_by=NOW).fail(ERROR, NOW)

    replayed = failed.replay("marker-2")

    assert (replayed.deaths, replayed.error, replayed.start_by) == (0, None, None)
    assert (replayed.attempt.number, replayed.spent_attempts) == (2, 1)
    assert replayed.attempts[0].error == ERROR


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError, match="Job has no field stat"):
        job_in("queued", stat="running")


def modules_that_name(name: str) -> set[str]:
    return {
        path.relative_to(FUNCTIONS).as_posix()
        for path in FUNCTIONS.rglob("*.py")
        if name in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if name in {getattr(node, "attr", ""), getattr(node, "id", ""), getattr(node, "name", "")}
    }


def test_only_the_records_themselves_make_changed_copies() -> None:
    assert modules_that_name("model_copy") == {"aigc/wire.py"}
    in_jobs = {name for name in modules_that_name("with_fields") if name.startswith("aigc/jobs/")}
    # a job, a book, a pause, the state of a sweep, a delivery
    assert in_jobs == {
        "aigc/jobs/job.py",
        "aigc/jobs/ledger/books.py",
        "aigc/jobs/ledger/pause.py",
        "aigc/jobs/turns.py",
        "aigc/jobs/webhooks.py",
    }
