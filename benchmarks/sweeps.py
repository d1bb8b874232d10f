"""`make sweeps`: measures sweeps with a long queue, on a cloud in memory.

Time is simulated: each request to COS takes 10 ms and each call to the vendor 30 ms. Requests are
made one after another.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.errors import AmbiguousError
from aigc.jobs.accept import Order, accept
from aigc.jobs.dispatch import pump
from aigc.jobs.job import OutputLocation, Source, fresh_id
from aigc.jobs.ledger.lanes import marker_key
from aigc.jobs.settle import refresh
from aigc.sweeping import PARTS, sweep
from aigc.tasks.kinds import KINDS
from tests.fakes import FakeVendor, InMemoryStore, RoundTrips, World, build_settings, build_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.turns import Part, SweepReport, Turn
    from aigc.tasks.kind import ApiCall

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- long queue: begin -->", "<!-- long queue: end -->"
LENGTHS = (10_000, 100_000, 1_000_000)
REQUEST_S, CALL_S = 0.01, 0.03
SWEEP_S, INTERVAL_S = 59.0, 60.0
SWEEPS = 15
LANE, SLOTS = "vod.image", 20
TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"}
NEVER_OVERDUE_S = {LANE: 86400.0}
"""The tasks run for the whole measurement, and keep their slots."""
UNSTORED = 50
"""Jobs whose images are to be stored."""
OVERDUE = 100
"""Jobs at the end of the queue whose latest start time passes."""


class SlowRequests(RoundTrips):
    """Requests that take simulated time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def note(self) -> None:
        """Count a request and let its time pass."""
        super().note()
        self._world.clock.pass_time(REQUEST_S)


class SlowVendor(FakeVendor):
    """A vendor whose calls take simulated time."""

    def __init__(self, results: InMemoryStore, pass_time: Callable[[float], object]) -> None:
        super().__init__(results)
        self._pass_time = pass_time

    def call(self, call: ApiCall) -> dict[str, Any]:
        """Answer a call and let its time pass."""
        self._pass_time(CALL_S)
        return super().call(call)


@dataclass(slots=True)
class Measurement:
    """The figures of the sweeps with a queue of one length; times are simulated seconds."""

    waiting: int
    started: datetime
    max_requests: int = 0
    """The largest number of requests of one sweep."""
    max_duration_s: float = 0
    """The longest duration of one sweep."""
    turns: list[tuple[str, datetime]] = field(default_factory=list)
    """The names and times of all turns."""
    reached: dict[str, float] = field(default_factory=dict)
    """When all images were `stored`, overdue jobs `cancelled`, and the queue `counted`."""
    listings_per_start: float = 0

    def longest_wait_s(self) -> float:
        """Return the longest time before a first turn, or between two turns of the same name."""
        last: dict[str, datetime] = {}
        longest = timedelta()
        for name, at in self.turns:
            longest = max(longest, at - last.get(name, self.started))
            last[name] = at
        return longest.total_seconds()

    def parts(self) -> Iterator[Part]:
        """Yield the parts of the sweep; each records its turns."""
        for part in PARTS:
            yield dataclasses.replace(part, work=self._recorded(part.work))

    def _recorded(self, work: Callable[[Turn], object]) -> Callable[[Turn], object]:
        def run(turn: Turn) -> object:
            self.turns.append((turn.name, turn.runtime.now()))
            return work(turn)

        return run


def measure(waiting: int) -> Measurement:
    """Run a sweep each minute in a world with this number of waiting jobs."""
    world = build_world(
        lanes={LANE: SLOTS, "vod.scene_image": SLOTS, "mps.image": SLOTS},
        overdue_after_s=NEVER_OVERDUE_S,
    )
    overdue = fill(world, waiting)
    world.store.round_trips = SlowRequests(world)
    world.vendor = _slow_vendor(world)
    measurement = Measurement(waiting, started=world.clock.now())
    for _ in range(SWEEPS):
        started, earlier_requests = world.clock.now(), len(world.store.requests)
        report = sweep(world.runtime(SWEEP_S), tuple(measurement.parts()))
        requests = len(world.store.requests) - earlier_requests
        duration_s = (world.clock.now() - started).total_seconds()
        measurement.max_requests = max(measurement.max_requests, requests)
        measurement.max_duration_s = max(measurement.max_duration_s, duration_s)
        _record_reached(measurement, world, report, overdue)
        world.clock.moment = max(world.clock.now(), started + timedelta(seconds=INTERVAL_S))
    measurement.listings_per_start = _listings_per_start(world)
    return measurement


def fill(world: World, waiting: int) -> list[str]:
    """Fill the lane and its queue; return the ids of the overdue jobs at the end of the queue."""
    for _ in range(UNSTORED):
        job = _accept(world)
        world.vendor.finish(world.vendor.tasks[-1])
        world.downloads.errors = [AmbiguousError("fetch an image")]
        refresh(job.id, world.runtime())
    for _ in range(2 * SLOTS):  # the jobs at the head of the queue have records
        _accept(world)
    count = waiting - SLOTS - OVERDUE
    world.store.fill(_markers(world, count))
    world.clock.pass_time(count / 1000)
    start_by = world.clock.now() + timedelta(seconds=10)
    overdue = [_accept(world, start_by).id for _ in range(OVERDUE)]
    world.clock.pass_time(10)
    return overdue


def _accept(world: World, start_by: datetime | None = None) -> Job:
    job_id = fresh_id(world.clock.now())
    order = Order(
        id=job_id,
        kind=LANE,
        task=KINDS[LANE].model.model_validate(TASK),
        source=Source(type="call", name="benchmark"),
        output_location=OutputLocation(prefix="", name=job_id),
        start_by=start_by,
    )
    return accept(order, world.runtime()).job


def _markers(world: World, count: int) -> Iterator[str]:
    """Yield the markers of jobs without a record, one for each millisecond."""
    for number in range(count):
        queued_at = world.clock.now() + timedelta(milliseconds=number)
        yield marker_key(f"{number:032x}", LANE, 0, not_before=queued_at, start_by=None)


def _slow_vendor(world: World) -> SlowVendor:
    vendor = SlowVendor(world.results, world.clock.pass_time)
    vendor.tasks = world.vendor.tasks
    return vendor


def _record_reached(
    measurement: Measurement, world: World, report: SweepReport, overdue: Sequence[str]
) -> None:
    """Record the time at which each event is first true, at the end of a sweep."""
    records = (world.store.objects[f"jobs/{job_id}.json"][0] for job_id in overdue)
    events = {
        "stored": not any(key.startswith("unstored/") for key in world.store.objects),
        "cancelled": all(b'"state":"cancelled"' in record for record in records),
        "counted": report.waiting >= measurement.waiting - OVERDUE,
    }
    seconds = (world.clock.now() - measurement.started).total_seconds()
    for event, is_true in events.items():
        if is_true:
            measurement.reached.setdefault(event, seconds)


def _listings_per_start(world: World) -> float:
    """Start jobs from the head of the queue in new slots; return the listings for each job."""
    world.settings = build_settings(lanes={LANE: 2 * SLOTS}, overdue_after_s=NEVER_OVERDUE_S)
    earlier_requests, earlier_tasks = len(world.store.requests), len(world.vendor.tasks)
    pump(LANE, world.runtime(SWEEP_S))
    requests = world.store.requests[earlier_requests:]
    listings = sum(request.startswith("list ") for request in requests)
    return listings / (len(world.vendor.tasks) - earlier_tasks)


def table(measurements: Sequence[Measurement]) -> str:
    """Format the figures as a Markdown table."""
    rows = [
        (
            "most requests of one sweep",
            [f"{measurement.max_requests:,}" for measurement in measurements],
        ),
        ("longest sweep", [f"{measurement.max_duration_s:.0f} s" for measurement in measurements]),
        (
            "longest wait for a turn, of any part",
            [f"{measurement.longest_wait_s():.0f} s" for measurement in measurements],
        ),
        (
            f"{UNSTORED} images stored after",
            [_after(measurement, "stored") for measurement in measurements],
        ),
        (
            f"{OVERDUE} overdue jobs cancelled after",
            [_after(measurement, "cancelled") for measurement in measurements],
        ),
        (
            "the queue counted after",
            [_after(measurement, "counted") for measurement in measurements],
        ),
        (
            "listings for each job that is started",
            [f"{measurement.listings_per_start:.2f}" for measurement in measurements],
        ),
    ]
    head = ["| waiting jobs", *(f"{measurement.waiting:,}" for measurement in measurements)]
    lines = [" | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(
        [*lines, *(" | ".join([f"| {name}", *figures]) + " |" for name, figures in rows)]
    )


def _after(measurement: Measurement, event: str) -> str:
    seconds = measurement.reached.get(event)
    return f"not in {SWEEPS} sweeps" if seconds is None else f"{seconds:.0f} s"


def main() -> None:
    """Measure the sweeps and print the table; with `--write`, also write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--waiting", type=int, nargs="+", default=LENGTHS)
    arguments = parser.parse_args()
    logging.disable()
    text = table([measure(waiting) for waiting in arguments.waiting])
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
