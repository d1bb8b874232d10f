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
    """The use of one lane while jobs waited for it."""

    waited_s: float
    """Seconds of real time in which at least one job waited."""
    busy_s: float
    """Sum over all slots of the seconds with a task at the vendor during that time."""
    slots: int

    @property
    def share(self) -> float:
        """The part of the available slot seconds that were busy."""
        return self.busy_s / (self.slots * self.waited_s) if self.waited_s else 0.0


def lane_use(books: Books, lanes: Mapping[str, int], *, since: float = 0.0) -> dict[str, LaneUse]:
    """Measure each lane from the vendor's records: a slot is busy from Create to the task's end.

    The second that a task waits at the vendor counts as busy: the vendor counts it too.
    """
    tasks = [task for of_job in books.tasks.values() for task in of_job]
    return {
        lane: measure(
            [job for job in books.jobs.values() if job.lane == lane],
            [task for task in tasks if task.qualified_action == ACTIONS[lane]],
            slots,
            since=since,
        )
        for lane, slots in lanes.items()
    }


def measure(
    jobs: Iterable[Job], tasks: Sequence[Task], slots: int, *, since: float = 0.0
) -> LaneUse:
    """Measure one lane from a moment on."""
    waits = _join((max(begin, since), end) for begin, end in _waits(jobs) if end > since)
    busy_s = sum(
        _overlap((task.created_at, task.finished_at or task.created_at), wait)
        for task in tasks
        for wait in waits
    )
    waited_s = sum(end - begin for begin, end in waits)
    return LaneUse(waited_s=waited_s, busy_s=busy_s, slots=slots)


def _waits(jobs: Iterable[Job]) -> Iterator[Span]:
    """Yield the time that each job waited before its first submission."""
    for job in jobs:
        sent_at = job.attempts[0].submitted_at
        if sent_at is not None:
            yield job.created_at.timestamp(), sent_at.timestamp()


def _join(spans: Iterable[Span]) -> list[Span]:
    """Join overlapping spans."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _overlap(first: Span, second: Span) -> float:
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
