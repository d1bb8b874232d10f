"""A dead job runs again only by a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.errors import BadImageError
from aigc.jobs.replay import replay
from aigc.jobs.settle import refresh
from aigc.jobs.transitions import MAX_ATTEMPTS
from aigc.sweeping import sweep
from tests.fakes import World, sessions
from tests.jobs import accepted, only_records_are_left, read

if TYPE_CHECKING:
    from aigc.jobs.job import Job


def dead(world: World) -> Job:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[-1])
    world.downloads.errors = [BadImageError("no image")]
    refresh(job.id, world.runtime())
    assert read(world, job).state == "failed"
    return job


def test_a_dead_job_is_listed(world: World) -> None:
    job = dead(world)

    assert world.runtime().ledger.records.dead_jobs() == [job.id]


def test_a_task_that_the_vendor_refused_is_not_dead_but_answered(world: World) -> None:
    world.vendor.next_creates = ["refuse"]
    job = accepted(world)

    refused = replay(job.id, world.runtime(), pays_again=True)

    assert world.runtime().ledger.records.dead_jobs() == []
    assert refused is not None
    assert refused.refusal == "permanent_error"


def test_a_dead_job_runs_again_as_a_new_attempt_with_a_warning(world: World) -> None:
    job = dead(world)

    replayed = replay(job.id, world.runtime(), pays_again=True)
    world.vendor.finish(world.vendor.tasks[-1])
    refresh(job.id, world.runtime())

    assert replayed is not None
    assert replayed.may_be_billed
    ended = read(world, job)
    assert ended.state == "succeeded"
    assert [task.session_id for task in world.vendor.tasks] == sessions(job, 1, 2)
    assert world.runtime().ledger.records.dead_jobs() == []
    assert only_records_are_left(world)


def test_it_has_all_its_attempts_once_more(world: World) -> None:
    world.vendor.next_creates = ["throttle"] * 4 * (MAX_ATTEMPTS + 1)
    job = accepted(world)
    for _ in range(100):
        world.clock.pass_time(60)
        sweep(world.runtime())
    assert read(world, job).state == "failed"

    replay(job.id, world.runtime(), pays_again=True)

    assert read(world, job).state == "queued"
    assert len(read(world, job).attempts) == MAX_ATTEMPTS + 2
