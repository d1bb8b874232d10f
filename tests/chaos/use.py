"""How much of each lane was in use while jobs waited for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.audit import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aigc.jobs.job import Job
    from localcloud.tasks import Task
    from tests.chaos.audit import Books

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneUse:
    """One lane, over the time in which something waited for it."""

    waited_s: float
    """Real seconds in which at least one job waited."""
    busy_s: float
    """Seconds, of all places together, in which the vendor had a task in them meanwhile."""
    places: int

    @property
    def share(self) -> float:
        """The part of what the lane could have done that it did."""
        return self.busy_s / (self.places * self.waited_s) if self.waited_s else 0.0


def lane_use(books: Books, lanes: Mapping[str, int], *, since: float = 0.0) -> dict[str, LaneUse]:
    """Measure each lane by the vendor's books: a place is busy from Create to the task's end.

    The second that a task waits at the vendor counts: it is not ours to save, and the vendor
    counts it too.
    """
    tasks = [task for of_one in books.tasks.values() for task in of_one]
    return {
        lane: measured(
            [job for job in books.jobs.values() if job.lane == lane],
            [task for task in tasks if task.where == ACTIONS[lane]],
            places,
            since=since,
        )
        for lane, places in lanes.items()
    }


def measured(
    jobs: Iterable[Job], tasks: Sequence[Task], places: int, *, since: float = 0.0
) -> LaneUse:
    """Measure one lane, from some moment on."""
    waits = _united((max(begin, since), end) for begin, end in _waits(jobs) if end > since)
    busy_s = sum(
        _overlap((task.created_at, task.finished_at or task.created_at), wait)
        for task in tasks
        for wait in waits
    )
    waited_s = sum(end - begin for begin, end in waits)
    return LaneUse(waited_s=waited_s, busy_s=busy_s, places=places)


def _waits(jobs: Iterable[Job]) -> Iterator[Span]:
    """Say of each job how long it waited before it was first sent."""
    for job in jobs:
        sent_at = job.attempts[0].submitted_at
        if sent_at is not None:
            yield job.created_at.timestamp(), sent_at.timestamp()


def _united(spans: Iterable[Span]) -> list[Span]:
    """Join what overlaps."""
    united: list[Span] = []
    for begin, end in sorted(spans):
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((begin, end))
    return united


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
