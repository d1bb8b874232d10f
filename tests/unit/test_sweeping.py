"""The sweep as a whole: its state in the ledger only saves time."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from aigc.errors import AmbiguousError, ThrottledError
from aigc.jobs.settle import refresh
from aigc.jobs.sweep_state import SweepState, read_state
from aigc.sweeping import PARTS, sweep
from tests.fakes import LEASE_S, StoreFault, World, build_world
from tests.jobs import KilledError, accepted

TURNS = sum(3 if part.each_lane else 1 for part in PARTS)
"""A part of a lane has a turn for each of three lanes."""


def state(world: World) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(world.store.objects["sweep/state.json"][0])
    return parsed


def test_a_sweep_records_its_start_and_its_end() -> None:
    world = build_world()
    started = world.clock.now()

    sweep(world.runtime())

    assert read_state(world.store).started_at == started
    assert read_state(world.store).finished_at == world.clock.now()


def test_a_sweep_logs_one_line_with_what_each_part_did(caplog: pytest.LogCaptureFixture) -> None:
    world = build_world()
    world.store.put("unstored/gone", b"")

    with caplog.at_level(logging.INFO):
        sweep(world.runtime())

    [line] = [vars(record) for record in caplog.records if record.message == "sweep_finished"]
    assert (line["turns"], line["turns_missed"], line["failed"]) == (TURNS, 0, 0)
    assert line["parts"] == "follow-ups: 1 items, 0.0 s"


def test_a_killed_sweep_does_not_count_as_finished() -> None:
    world = build_world()
    sweep(world.runtime())
    finished = state(world)["finished_at"]
    world.store.put("unstored/gone", b"")
    world.clock.pass_time(LEASE_S + 1)
    world.store.faults = [StoreFault("delete unstored/", KilledError())]
    with pytest.raises(KilledError):
        sweep(world.runtime())

    assert state(world)["finished_at"] == finished
    assert state(world)["started_at"] > finished


@pytest.mark.parametrize("body", [b"{", b'{"progress": 1}'])
def test_a_state_that_cannot_be_read_is_none(body: bytes) -> None:
    world = build_world()
    world.store.put("sweep/state.json", body)

    report = sweep(world.runtime())

    assert (report.turns, report.failed) == (TURNS, 0)
    assert state(world)["finished_at"]


@pytest.mark.parametrize("error", [AmbiguousError("put"), ThrottledError("put")])
def test_a_sweep_does_without_its_state(error: Exception) -> None:
    world = build_world()
    world.store.faults = [StoreFault("put sweep/", error), StoreFault("put sweep/", error)]

    report = sweep(world.runtime())

    assert report.turns == TURNS
    assert read_state(world.store) == SweepState()


def test_claims_are_removed_behind_a_page_of_claims_that_stay() -> None:
    world = build_world()
    world.store.fill(f"claims/{number:032x}/000001/000/x" for number in range(1100))
    job = accepted(world, job_id="f" * 32, is_repeatable=False)
    world.vendor.finish(world.vendor.tasks[0])
    refresh(job.id, world.runtime())
    world.clock.pass_time(LEASE_S + 1)

    report = sweep(world.runtime())

    assert report.forgotten == 1
    assert world.ledger_keys(f"claims/{job.id}/") == []


def test_notes_of_unstored_images_are_found_behind_a_page_of_others() -> None:
    world = build_world()
    world.store.fill(f"unstored/{number:032x}" for number in range(1100))
    world.clock.pass_time(LEASE_S + 1)

    sweep(world.runtime())

    assert world.ledger_keys("unstored/") == []


def test_names_of_parts_are_unique() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
