"""A lane runs fewer tasks after the vendor had no capacity, and wins its places back by itself."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.capacity import task_limit
from aigc.jobs.ledger.lanes import marker_key
from aigc.jobs.settle import refresh
from aigc.sweeping import sweep
from tests.fakes import StoreFault, World, build_world
from tests.jobs import accepted, read

if TYPE_CHECKING:
    from aigc.jobs.job import Job

LANE = "mps.image"


@pytest.fixture
def world() -> World:
    return build_world(lanes={"vod.image": 1, "mps.image": 8}, retry_base_s=15)


def allowed(world: World, lane: str = LANE) -> int:
    runtime = world.runtime()
    return task_limit(lane, runtime.ledger.lanes.view(lane), runtime)


def congest(world: World, lane: str = LANE) -> Job:
    world.vendor.next_creates = ["throttle"] * 4
    return accepted(world, lane)


def test_a_lane_loses_half_of_its_places_when_the_vendor_has_no_room(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = allowed(world)

    with caplog.at_level(logging.WARNING):
        congest(world)

    assert (before, allowed(world)) == (8, 4)
    logged = [record for record in caplog.records if record.message == "lane_slowed_down"]
    assert [vars(record)["at_once"] for record in logged] == [4]


def test_what_fails_of_one_congestion_cuts_the_lane_once(world: World) -> None:
    congest(world)
    congest(world)

    assert allowed(world) == 4


def test_a_congestion_that_lasts_cuts_it_again(world: World) -> None:
    congest(world)
    world.clock.pass_time(15)
    congest(world)

    assert allowed(world) == 2
    assert len(world.ledger_keys(f"lanes/{LANE}/cuts/")) == 1


def test_places_are_won_back_one_by_one_and_never_more_than_configured(world: World) -> None:
    congest(world)

    seen = []
    for _ in range(7):
        seen.append(allowed(world))
        world.clock.pass_time(15)

    assert seen == [4, 5, 6, 7, 8, 8, 8]


def test_a_lane_that_is_slowed_down_starts_no_more_than_it_may(world: World) -> None:
    congest(world)
    world.clock.pass_time(1)

    for _ in range(6):
        accepted(world, LANE)

    assert len(world.vendor.tasks) == allowed(world) == 4


def test_a_lane_with_one_place_pauses(world: World) -> None:
    congest(world, "vod.image")

    following = accepted(world)
    assert read(world, following).state == "queued"

    world.clock.pass_time(16)
    sweep(world.runtime())
    assert read(world, following).state == "running"


def test_the_sweep_forgets_a_cut_that_has_worn_off(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    job = congest(world)
    world.clock.pass_time(200)

    with caplog.at_level(logging.INFO):
        sweep(world.runtime())

    assert not world.ledger_keys(f"lanes/{LANE}/cuts/")
    assert "lane_recovered" in caplog.messages
    assert read(world, job).state == "running"


def test_a_task_that_fails_for_lack_of_room_cuts_the_lane_too(world: World) -> None:
    job = accepted(world)
    world.vendor.fail(world.vendor.tasks[0], "RequestLimitExceeded")

    refresh(job.id, world.runtime())

    assert allowed(world, "vod.image") == 0
    assert read(world, job).state == "queued"


def test_a_lane_that_cannot_be_cut_keeps_no_job_from_its_queue(world: World) -> None:
    world.store.faults = [StoreFault(f"create lanes/{LANE}/cuts/", AmbiguousError("create"))]

    job = congest(world)

    assert read(world, job).state == "queued"


# A long queue


def waiting(world: World, count: int, *, priority: int, wait_s: float) -> list[str]:
    """Queue many jobs without records."""
    after = world.clock.now() + timedelta(seconds=wait_s)
    keys = [
        marker_key(f"{n:032x}", LANE, priority, not_before=after, start_by=None)
        for n in range(count)
    ]
    world.store.fill(keys)
    return sorted(keys)


def test_jobs_that_are_due_are_found_behind_thousands_that_are_not(world: World) -> None:
    for priority in (10, 5):
        waiting(world, 3000, priority=priority, wait_s=60)
    due = waiting(world, 2, priority=3, wait_s=0)
    waiting(world, 3000, priority=3, wait_s=60)
    view = world.runtime().ledger.lanes.view(LANE)
    world.store.requests.clear()

    due_keys = [marker.key for marker in view.due(world.clock.now())]

    assert due_keys == due
    assert len(world.store.requests) <= 3  # one for each priority


def test_due_jobs_are_yielded_in_order_over_several_pages(world: World) -> None:
    urgent = waiting(world, 1500, priority=10, wait_s=0)
    others = waiting(world, 1500, priority=0, wait_s=0)
    view = world.runtime().ledger.lanes.view(LANE)

    assert [marker.key for marker in view.due(world.clock.now())] == [*urgent, *others]
