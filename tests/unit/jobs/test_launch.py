"""Launching a job if the ledger fails, and the order of the jobs that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aigc.errors import AmbiguousError, ThrottledError
from aigc.jobs.accept import accept
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, InMemoryStore, StoreFault, World
from tests.jobs import accepted, order, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed


class LateStore(InMemoryStore):
    """A bucket whose listings stay as they were while `is_late`."""

    is_late = False
    shown: Sequence[Listed] = ()

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        listed = super().list("", "", 10**6)
        if not self.is_late:
            self.shown = listed
        keys = [
            listed for listed in self.shown if listed.key.startswith(prefix) and listed.key > after
        ]
        return keys[:limit]


def test_a_repeat_creates_the_job_that_could_not_be_written_a_lease_ago(world: World) -> None:
    ordered = order()
    world.store.faults = [StoreFault("put jobs/", AmbiguousError("put"))]
    with pytest.raises(AmbiguousError):
        accept(ordered, world.runtime())

    with pytest.raises(AmbiguousError, match="another invocation is at work on it"):
        accept(ordered, world.runtime())
    world.clock.pass_time(LEASE_S + 1)
    second = accept(ordered, world.runtime())
    world.clock.pass_time(LEASE_S + 1)  # the sweep frees the slot of the first try
    sweep(world.runtime())

    assert second.is_new
    assert read(world, second.job).state == "running"
    assert len(world.vendor.tasks) == 1


def test_a_lane_that_cannot_be_listed_keeps_no_job_from_being_accepted(world: World) -> None:
    class Unlisted(InMemoryStore):
        def list(self, prefix: str, *_: object) -> Sequence[Listed]:
            raise ThrottledError(f"list {prefix}")

    world.store = Unlisted(world.clock)

    job = accepted(world)

    assert read(world, job).state == "queued"
    world.store = _copied(world.store, InMemoryStore(world.clock))
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    assert read(world, job).state == "running"


def test_a_pump_that_sees_nothing_new_does_not_try_for_ever(world: World) -> None:
    store = LateStore(world.clock)
    world.store = store
    accept(order(is_repeatable=False), world.runtime())
    world.vendor.finish(world.vendor.tasks[0])
    store.list("")
    shown_as_free = [listed for listed in store.shown if "/slots/" not in listed.key]
    store.is_late, store.shown = True, shown_as_free
    store.requests.clear()

    accepted(world)

    assert len(store.requests) < 60
    assert len(world.vendor.tasks) == 1


def test_other_jobs_that_wait_beside_free_slots_are_started_too(world: World) -> None:
    died = world.runtime(seconds=0)
    waiting = accept(order("mps.image"), died).job
    assert read(world, waiting).state == "queued"

    accepted(world, "mps.image")

    assert read(world, waiting).state == "running"
    assert len(world.vendor.tasks) == 2


def test_a_new_job_does_not_overtake_those_that_wait(world: World) -> None:
    accepted(world)
    waiting = accepted(world)
    world.vendor.finish(world.vendor.tasks[0])
    look_without_pump(world)
    world.clock.pass_time(1)

    late = accepted(world)

    assert read(world, waiting).state == "running"
    assert read(world, late).state == "queued"


def look_without_pump(world: World) -> None:
    """Release the only slot as an invocation does that dies before it starts the next job."""
    prefix = "lanes/vod.image/slots/"
    world.store.delete(*world.ledger_keys(prefix))
    world.memory = type(world.memory)()


def _copied(old: InMemoryStore, new: InMemoryStore) -> InMemoryStore:
    for key, (body, _) in old.objects.items():
        new.put(key, body)
    return new
