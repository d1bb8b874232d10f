"""Cancelling: a job that was not sent costs nothing; a running task may not be stoppable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aigc.errors import AccountError, AmbiguousError, ThrottledError
from aigc.jobs.accept import accept
from aigc.jobs.cancel import cancel
from aigc.jobs.settle import refresh
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, StoreFault, World
from tests.jobs import accepted, only_records_are_left, order, read

if TYPE_CHECKING:
    from aigc.jobs.job import Job


def outcome(world: World, job: Job) -> str:
    cancellation = cancel(job.id, world.runtime())
    assert cancellation is not None
    return cancellation.outcome


def test_a_job_that_waits_is_cancelled_and_never_sent(world: World) -> None:
    accepted(world)
    waiting = accepted(world)

    assert outcome(world, waiting) == "cancelled"

    world.vendor.finish(world.vendor.tasks[0])
    sweep(world.runtime())
    assert read(world, waiting).state == "cancelled"
    assert len(world.vendor.tasks) == 1
    assert only_records_are_left(world)


def test_a_task_that_ended_meanwhile_ends_its_job(world: World) -> None:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[0])

    assert outcome(world, job) == "already_ended"
    assert read(world, job).state == "succeeded"


def test_an_ambiguous_submission_is_not_called_cancelled(world: World) -> None:
    world.vendor.next_creates = ["lost_reply"]
    job = accepted(world, "mps.image")

    assert outcome(world, job) == "not_cancellable"
    assert read(world, job).state == "submitting"


def test_a_cancellation_that_died_does_not_keep_the_job_from_running(world: World) -> None:
    first = accepted(world)
    waiting = accepted(world)
    world.store.faults = [StoreFault(f"put jobs/{waiting.id}", AmbiguousError("put"))] * 2
    with pytest.raises(AmbiguousError):
        cancel(waiting.id, world.runtime())

    world.vendor.finish(world.vendor.tasks[0])
    refresh(first.id, world.runtime())
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())

    assert read(world, waiting).state == "running"


def test_a_vendor_that_does_not_answer_leaves_the_job_as_it_was(world: World) -> None:
    job = accepted(world)
    world.vendor.next_aborts = ["throttle"]

    with pytest.raises(ThrottledError):
        cancel(job.id, world.runtime())

    assert read(world, job).state == "running"


def test_a_missing_permission_is_an_error_and_not_a_refused_cancellation(
    world: World,
) -> None:
    job = accepted(world)
    world.vendor.next_aborts = ["forbid"]

    with pytest.raises(AccountError, match="UnauthorizedOperation"):
        cancel(job.id, world.runtime())


# Not sent in time


def in_a_minute(world: World) -> Job:
    wanted = world.clock.now() + timedelta(seconds=60)
    return accept(replace(order(), start_by=wanted), world.runtime()).job


@pytest.mark.parametrize("seen_by", ["look", "sweep", "pump"])
def test_a_job_that_was_not_sent_in_time_is_cancelled(world: World, seen_by: str) -> None:
    first = accepted(world)
    job = in_a_minute(world)
    world.clock.pass_time(61)

    if seen_by == "look":
        refresh(job.id, world.runtime())
    elif seen_by == "sweep":
        sweep(world.runtime())
    else:
        world.vendor.finish(world.vendor.tasks[0])
        refresh(first.id, world.runtime())

    ended = read(world, job)
    assert ended.state == "cancelled"
    assert ended.error is not None
    assert ended.error.type == "not_started"
    assert len(world.vendor.tasks) == 1


def test_a_job_that_was_sent_in_time_runs_to_its_end(world: World) -> None:
    job = in_a_minute(world)
    world.clock.pass_time(61)

    sweep(world.runtime())

    assert read(world, job).state == "running"
