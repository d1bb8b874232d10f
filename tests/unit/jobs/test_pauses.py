"""A refused account fails no job and costs nothing: lanes pause, probe and continue."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AccountError
from aigc.jobs.accept import accept
from aigc.jobs.pauses import SUSPICIOUS_JOBS, known_pause
from aigc.jobs.replay import replay
from aigc.jobs.settle import refresh
from aigc.jobs.submission import MAX_PAUSES, MAX_UNCLEAR
from aigc.jobs.transitions import MAX_ATTEMPTS
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, StoreFault, World, build_world
from tests.jobs import accepted, only_records_are_left, order, read

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.pause import Pause
    from aigc.tasks.kind import ApiCall

ARREARS = "FailedOperation.UserArrears"
NEW_CODE = "FailedOperation.SomethingNew"
KINDS = ("vod.image", "mps.image")
CREATE = "CreateAigcImageTask"


@pytest.fixture
def world() -> World:
    return build_world(lanes={"vod.image": 2, "mps.image": 2})


def pause(world: World, lane: str = "vod.image") -> Pause | None:
    return world.runtime().ledger.pauses.read(lane)


def sweep_each_minute(world: World, minutes: int) -> None:
    for _ in range(minutes):
        world.clock.pass_time(60)
        sweep(world.runtime())


def finish_all(world: World, *jobs: Job) -> None:
    """Sweep until all tasks have ended, as the timer does."""
    for _ in range(100):
        for task in world.vendor.tasks:
            if task.state == "running":
                world.vendor.finish(task)
        sweep_each_minute(world, 1)
        if all(read(world, job).has_ended for job in jobs):
            return


def states(world: World, jobs: list[Job]) -> set[str]:
    return {read(world, job).state for job in jobs}


@pytest.mark.parametrize("kind", KINDS)
def test_no_job_of_fifty_fails_when_the_account_is_refused(world: World, kind: str) -> None:
    world.vendor.refused["Create"] = ARREARS
    jobs = [accepted(world, kind) for _ in range(50)]
    sweep_each_minute(world, 6)

    assert states(world, jobs) == {"queued"}
    assert world.vendor.tasks == []
    assert world.vendor.refusals[CREATE] <= 4
    assert len(world.ledger_keys(f"lanes/{kind}/waiting/")) == 50
    assert world.ledger_keys(f"lanes/{kind}/slots/") == []
    assert world.ledger_keys("dead/") == []


@pytest.mark.parametrize("kind", KINDS)
def test_all_jobs_go_on_by_themselves_when_the_account_is_well(world: World, kind: str) -> None:
    world.vendor.refused["Create"] = ARREARS
    jobs = [accepted(world, kind) for _ in range(7)]
    sweep_each_minute(world, 24 * 60 // 6)
    world.vendor.refused.clear()

    sweep_each_minute(world, 16)
    finish_all(world, *jobs)

    assert states(world, jobs) == {"succeeded"}
    assert len(world.vendor.tasks) == len(jobs)
    assert [len(read(world, job).attempts) for job in jobs] == [1] * len(jobs)
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    assert only_records_are_left(world)


def test_a_pause_says_what_was_refused_and_when_the_next_probe_comes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.vendor.refused["Create"] = ARREARS
    began = world.clock.now()

    with caplog.at_level(logging.ERROR):
        accepted(world)

    written = pause(world)
    assert written is not None
    assert (written.action, written.code, written.message, written.request_id) == (
        CREATE,
        ARREARS,
        "repair it",
        "refusal-1",
    )
    assert written.since == began
    assert (written.next_probe - began).total_seconds() == 60
    [logged] = [record for record in caplog.records if record.message == "lane_paused"]
    assert vars(logged)["code"] == ARREARS
    assert "repair it" not in caplog.text


def test_probes_wait_twice_as_long_each_time_and_at_most_a_quarter_of_an_hour(
    world: World,
) -> None:
    world.vendor.refused["Create"] = ARREARS
    accepted(world)
    seen = []
    for minute in range(1, 64):
        before = world.vendor.refusals[CREATE]
        sweep_each_minute(world, 1)
        seen += [minute] * (world.vendor.refusals[CREATE] - before)

    assert seen == [1, 3, 7, 15, 30, 45, 60]


def test_a_job_submitted_during_a_pause_waits_without_a_call(world: World) -> None:
    world.vendor.refused["Create"] = ARREARS
    accepted(world)
    calls = len(world.vendor.calls)

    job = accepted(world)

    assert read(world, job).state == "queued"
    assert len(world.vendor.calls) == calls
    known = known_pause(job, world.runtime())
    assert known is not None
    assert known.code == ARREARS


def test_a_held_job_keeps_its_place_in_the_queue(world: World) -> None:
    world.vendor.refused["Create"] = ARREARS
    jobs = [accepted(world) for _ in range(3)]
    sweep_each_minute(world, 3)

    markers = world.ledger_keys("lanes/vod.image/waiting/")

    assert markers == sorted(read(world, job).marker for job in jobs)
    assert markers == sorted(job.marker for job in jobs)


def test_other_lanes_go_on(world: World) -> None:
    world.vendor.refused["CreateScene"] = ARREARS
    accepted(world, "vod.scene_image")

    assert read(world, accepted(world, "mps.image")).state == "running"
    assert pause(world, "vod.scene_image") is not None


def test_a_pause_that_was_written_late_ends_at_the_next_probe(world: World) -> None:
    world.vendor.refused["Create"] = ARREARS
    first = accepted(world)
    body = world.store.objects["lanes/vod.image/pause"][0]
    world.vendor.refused.clear()
    sweep_each_minute(world, 1)
    world.store.put("lanes/vod.image/pause", body)

    second = accepted(world)

    assert read(world, first).state == read(world, second).state == "running"
    assert pause(world) is None


@pytest.mark.parametrize("request_begins", ["put lanes/vod.image/pause", "delete lanes/"])
def test_a_pause_that_cannot_be_written_or_removed_loses_no_job(
    world: World, request_begins: str
) -> None:
    world.vendor.refused["Create"] = ARREARS
    world.store.faults = [StoreFault(request_begins, AccountError("denied"))]
    job = accepted(world)
    world.vendor.refused.clear()

    sweep_each_minute(world, 2)

    assert read(world, job).state == "running"


def test_a_pause_that_cannot_be_read_does_not_stop_the_lane(world: World) -> None:
    world.store.put("lanes/vod.image/pause", b'{"version": 9}')

    assert read(world, accepted(world)).state == "running"


# Unclear codes


def test_an_unclear_code_that_refuses_several_jobs_counts_as_the_accounts(world: World) -> None:
    world.vendor.refused["Create"] = NEW_CODE
    jobs = [accepted(world) for _ in range(50)]
    sweep_each_minute(world, 6)

    assert states(world, jobs) == {"queued"}
    assert world.vendor.refusals[CREATE] <= SUSPICIOUS_JOBS + 4
    world.vendor.refused.clear()
    sweep_each_minute(world, 16)
    assert "running" in states(world, jobs)
    assert "failed" not in states(world, jobs)


def test_mps_gets_no_second_call_after_an_unclear_code_but_a_replay(world: World) -> None:
    world.vendor.refused["Create"] = NEW_CODE
    jobs = [accepted(world, "mps.image") for _ in range(50)]
    sweep_each_minute(world, 6)

    failed = [job for job in jobs if read(world, job).state == "failed"]
    assert len(failed) == SUSPICIOUS_JOBS - 1
    world.vendor.refused.clear()
    sweep_each_minute(world, 16)
    for job in failed:
        replayed = replay(job.id, world.runtime())
        assert replayed is not None
        assert (replayed.refusal, replayed.may_be_billed) == (None, False)
    assert "failed" not in states(world, jobs)


def test_a_job_that_alone_is_refused_unclearly_fails_and_can_be_replayed(world: World) -> None:
    world.vendor.refused["Create"] = NEW_CODE
    job = accepted(world)
    sweep_each_minute(world, 10)

    failed = read(world, job)
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.type, failed.error.code, failed.error.retryable) == (
        "refused",
        NEW_CODE,
        True,
    )
    assert world.vendor.refusals[CREATE] == MAX_UNCLEAR
    assert world.ledger_keys("dead/jobs/")
    world.vendor.refused.clear()
    assert replay(job.id, world.runtime()) is not None
    assert read(world, job).state == "running"


def test_a_success_in_between_clears_the_account(world: World) -> None:
    world.vendor.refused["Create"] = NEW_CODE
    accepted(world)
    assert pause(world) is not None
    world.vendor.refused.clear()

    accepted(world)

    assert pause(world) is None


def test_a_job_that_causes_pause_after_pause_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account may be refused for one model only."""
    bad = accept(order(), world.runtime(seconds=0)).job
    call_vendor = world.vendor.call

    def call_for_others(call: ApiCall) -> dict[str, Any]:
        if call.params.get("SessionContext") == bad.id:
            raise AccountError(call.action, code="UnauthorizedOperation")
        return call_vendor(call)

    monkeypatch.setattr(world.vendor, "call", call_for_others)
    good = []
    for _ in range(MAX_PAUSES * 3):
        good.append(accepted(world))
        finish_all(world, good[-1])

    failed = read(world, bad)
    assert failed.state == "failed"
    assert failed.refusals == MAX_PAUSES - 1
    assert f"dead/jobs/{bad.id}.json" in world.ledger_keys("dead/")
    assert states(world, good) == {"succeeded"}


# Queries


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_query_pauses_the_lane_and_the_sweep_probes_it(
    world: World, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = accepted(world, kind)
    world.vendor.refused["Describe"] = "UnauthorizedOperation"
    with caplog.at_level(logging.ERROR):
        refresh(job.id, world.runtime())
    waiting = accepted(world, kind)

    assert "lane_paused" in caplog.messages
    assert read(world, waiting).state == "queued"
    known = known_pause(read(world, job), world.runtime())
    assert known is not None
    assert known.action.startswith("Describe")
    sweep_each_minute(world, 30)
    assert len(world.vendor.tasks) == 1

    world.vendor.refused.clear()
    sweep_each_minute(world, 16)
    finish_all(world, job, waiting)

    assert states(world, [job, waiting]) == {"succeeded"}


def test_a_status_call_that_is_answered_again_ends_the_pause(world: World) -> None:
    job = accepted(world)
    world.vendor.refused["Describe"] = "UnauthorizedOperation"
    refresh(job.id, world.runtime())
    world.vendor.refused.clear()

    refresh(job.id, world.runtime())

    assert pause(world) is None


# Overdue tasks


@pytest.mark.parametrize("answers", ["running", "refused", "lost", "unknown"])
def test_a_task_without_an_end_gives_its_slot_back_within_minutes(
    answers: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = build_world(lanes={"vod.image": 1})
    job, waiting = accepted(world), accepted(world)
    codes = {"lost": "InternalError", "unknown": "ResourceNotFound"}
    if answers in codes:
        world.vendor.refused["Describe"] = codes[answers]

    with caplog.at_level(logging.ERROR):
        sweep_each_minute(world, 12)

    followed = read(world, job)
    assert (followed.state, followed.attempt.slot) == ("running", None)
    assert followed.attempt.overdue_at is not None
    assert "task_overdue" in caplog.messages
    assert read(world, waiting).state == "running"
    world.vendor.refused.clear()
    finish_all(world, job, waiting)
    assert states(world, [job, waiting]) == {"succeeded"}
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    assert only_records_are_left(world)


def test_a_job_does_not_fail_because_an_overdue_task_takes_the_room() -> None:
    world = build_world(lanes={"vod.image": 1})
    overdue, waiting = accepted(world), accepted(world)
    world.vendor.refused["Create"] = "LimitExceeded"
    sweep_each_minute(world, 6 * 60)
    assert read(world, waiting).state == "queued"
    assert len(read(world, waiting).attempts) > MAX_ATTEMPTS

    world.vendor.finish(world.vendor.tasks[0])
    refresh(overdue.id, world.runtime())
    world.vendor.refused.clear()
    sweep_each_minute(world, 60)

    assert read(world, waiting).state == "running"


def test_a_kind_has_its_own_time() -> None:
    world = build_world(lanes={"vod.image": 1}, overdue_after_s=json.dumps({"vod.image": 3600}))
    job = accepted(world)

    sweep_each_minute(world, 50)
    assert read(world, job).attempt.overdue_at is None
    sweep_each_minute(world, 12)
    assert read(world, job).attempt.overdue_at is not None
