"""An unreadable record stops no other job, and its own job loses nothing."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.job import FORMAT
from aigc.jobs.settle import LONGEST_RUN_S, on_callback, on_stored, refresh
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, World
from tests.jobs import accepted, only_records_are_left, read, sweeps

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.job import Job


def newer(record: dict[str, object]) -> bytes:
    return json.dumps(record | {"record_format": FORMAT + 1, "state": "dreaming"}).encode()


def broken(record: dict[str, object]) -> bytes:
    return json.dumps(record).encode()[:-20]


def of_unknown_kind(record: dict[str, object]) -> bytes:
    return json.dumps(record | {"kind": "vod.video"}).encode()


def of_unknown_task(record: dict[str, object]) -> bytes:
    return json.dumps(record | {"task": {"model_name": 3}}).encode()


UNREADABLE = [newer, broken, of_unknown_kind, of_unknown_task]


def make_unreadable(
    world: World, job: Job, change: Callable[[dict[str, object]], bytes]
) -> Callable[[], None]:
    """Change a record; return what brings it back."""
    key = f"jobs/{job.id}.json"
    body = world.store.objects[key][0]
    world.store.put(key, change(json.loads(body)))
    return lambda: world.store.put(key, body)


@pytest.mark.parametrize("change", UNREADABLE)
def test_an_unreadable_job_does_not_stop_its_lane_and_continues_once_it_is_readable(
    world: World, change: Callable[[dict[str, object]], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    running, unreadable, following = accepted(world), accepted(world, priority=9), accepted(world)
    bring_back = make_unreadable(world, unreadable, change)
    world.vendor.finish(world.vendor.tasks[0])

    report = sweep(world.runtime())

    assert read(world, running).state == "succeeded"
    assert read(world, following).state == "running"
    assert report.failed == 0
    assert world.ledger_keys("dead/records/") == [f"dead/records/{unreadable.id}.json"]
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    world.vendor.finish(world.vendor.tasks[-1])
    sweeps(world, 3600)
    assert len(world.vendor.tasks) == 2
    assert unreadable.marker in world.store.objects

    bring_back()
    sweeps(world, 120)
    world.vendor.finish(world.vendor.tasks[-1])
    sweeps(world, 120)

    assert read(world, unreadable).state == "succeeded"
    assert world.ledger_keys("dead/records/") == []
    assert only_records_are_left(world)


def test_a_slot_of_an_unreadable_job_is_free_when_its_task_must_have_ended(world: World) -> None:
    unreadable, following = accepted(world), accepted(world)
    bring_back = make_unreadable(world, unreadable, newer)

    sweeps(world, LONGEST_RUN_S + 2 * LEASE_S, each_s=3600)
    sweeps(world, 60)  # the order of the parts decides whether the same sweep starts the next job
    assert read(world, following).state == "running"
    bring_back()
    sweeps(world, 120)

    ended = read(world, unreadable)
    assert ended.state == "failed"
    assert world.ledger_keys("dead/records/") == []


def test_an_unreadable_record_is_reported_each_time_that_the_sweep_reads_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable = accepted(world)
    make_unreadable(world, unreadable, newer)
    sweeps(world, 120)
    caplog.clear()

    sweep(world.runtime())

    [record] = [logged for logged in caplog.records if logged.message == "records_unreadable"]
    assert (record.levelno, vars(record)["count"]) == (logging.ERROR, 1)


def test_many_unreadable_jobs_cost_one_listing_and_not_a_read_each(world: World) -> None:
    accepted(world)
    for _ in range(20):
        make_unreadable(world, accepted(world), newer)
    world.vendor.finish(world.vendor.tasks[0])
    sweep(world.runtime())
    world.store.requests.clear()

    following = accepted(world)

    reads = [request for request in world.store.requests if request.startswith("get jobs/")]
    assert read(world, following).state == "running"
    assert len(reads) < 6


def test_fields_that_a_newer_version_has_added_are_kept(world: World) -> None:
    job = accepted(world)
    key = f"jobs/{job.id}.json"
    record = json.loads(world.store.objects[key][0])
    record["mood"] = "calm"
    record["attempts"][0]["weather"] = {"rain": True}
    world.store.put(key, json.dumps(record).encode())
    world.vendor.finish(world.vendor.tasks[0])

    refresh(job.id, world.runtime())

    written = json.loads(world.store.objects[key][0])
    assert written["state"] == "succeeded"
    assert written["mood"] == "calm"
    assert written["attempts"][0]["weather"] == {"rain": True}


def test_a_job_that_cannot_be_sent_takes_neither_slot_nor_claim(world: World) -> None:
    running, unreadable = accepted(world), accepted(world)
    make_unreadable(world, unreadable, of_unknown_task)
    world.vendor.finish(world.vendor.tasks[0])
    refresh(running.id, world.runtime())

    assert world.ledger_keys("lanes/vod.image/slots/") == []
    assert world.ledger_keys(f"claims/{unreadable.id}/") == []
    assert read(world, unreadable).state == "queued"


def test_an_unreadable_job_that_is_to_be_stored_does_not_stop_the_others(world: World) -> None:
    jobs = [accepted(world, "mps.image") for _ in range(3)]
    for task in list(world.vendor.tasks):
        world.vendor.finish(task)
    world.results.faults = []
    get = world.results.get

    def unanswered(key: str) -> bytes | None:  # noqa: ARG001  as the port has it
        raise AmbiguousError("get")

    world.results.get = unanswered  # type: ignore[method-assign]
    for job in jobs:
        refresh(job.id, world.runtime())
    world.results.get = get  # type: ignore[method-assign]
    make_unreadable(world, jobs[1], newer)

    world.clock.pass_time(timedelta(minutes=2).total_seconds())
    report = sweep(world.runtime())

    assert report.failed == 0
    assert [read(world, job).state for job in (jobs[0], jobs[2])] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("change", [newer, of_unknown_kind])
def test_callback_for_an_unreadable_job_notes_its_task(
    world: World, change: Callable[[dict[str, object]], bytes]
) -> None:
    job = accepted(world)
    [task] = world.vendor.tasks
    bring_back = make_unreadable(world, job, change)
    world.vendor.finish(task)

    on_callback(job.id, task.session_id, task.id, world.runtime())

    assert world.ledger_keys(f"claims/{job.id}/task/")
    assert world.ledger_keys("dead/records/") == [f"dead/records/{job.id}.json"]
    bring_back()
    sweeps(world, 4 * LEASE_S)
    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)


def test_images_of_an_unreadable_job_are_stored_when_its_record_can_be_read(world: World) -> None:
    job = accepted(world, "mps.image")
    bring_back = make_unreadable(world, job, newer)
    world.vendor.finish(world.vendor.tasks[0])

    on_stored(job.id, 1, world.runtime())

    assert world.ledger_keys("dead/records/") == [f"dead/records/{job.id}.json"]
    bring_back()
    sweeps(world, 4 * LEASE_S)
    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)
