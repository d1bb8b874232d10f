"""Waits: why a queued job has not been sent yet, and how many jobs wait before it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from aigc.api.pauses import described_pause
from aigc.jobs.capacity import list_lane, task_limit
from aigc.jobs.ledger.lanes import due_time
from aigc.jobs.pauses import pause_of
from aigc.jobs.ports import PAGE

if TYPE_CHECKING:
    from typing import Literal

    from aigc.api.openapi import schemas
    from aigc.jobs.job import Deferral, Job
    from aigc.jobs.runtime import Runtime

    InLane = Literal["paused", "backoff", "lane_full", "next"]


class Waits:
    """The waits of the jobs of one answer; each lane is listed once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lanes: dict[str, _Lane] = {}

    def of(self, job: Job) -> schemas.Wait | None:
        """Describe why a job waits; None if it does not."""
        if job.state != "queued":
            return None
        if job.deferral is not None:
            return self._wait_for_ceiling(job.deferral)
        if job.lane not in self._lanes:
            self._lanes[job.lane] = _Lane(job.lane, self._runtime)
        return self._lanes[job.lane].wait_of(job)

    def _wait_for_ceiling(self, deferral: Deferral) -> schemas.Wait:
        """Describe the wait of a deferred job: until the next period of its ceiling begins."""
        ceilings = {ceiling.name: ceiling for ceiling in self._runtime.ceilings()}
        ceiling = ceilings.get(deferral.ceiling)
        until = None
        if deferral.reason == "over_budget" and ceiling is not None:
            until = ceiling.interval.end(self._runtime.now()).isoformat()
        return {
            "reason": deferral.reason,
            "position": None,
            "until": until,
            "ceiling": deferral.ceiling,
        }


class _Lane:
    """A lane as one listing shows it."""

    def __init__(self, name: str, runtime: Runtime) -> None:
        view = list_lane(name, runtime)
        self._now = runtime.now()
        markers = itertools.islice(view.waiting(), PAGE)
        self._positions = {marker.key: number for number, marker in enumerate(markers)}
        self._pause = described_pause(pause_of(view, runtime))
        self._is_full = len(view.slots) >= task_limit(name, view, runtime)

    def wait_of(self, job: Job) -> schemas.Wait:
        """Describe the wait of a job; its position is 0 if it is not in the queue any more."""
        reason, until = self._reason(job)
        is_longer = len(self._positions) == PAGE
        position = self._positions.get(job.marker, PAGE if is_longer else 0)
        return {"reason": reason, "position": position, "until": until, "ceiling": None}

    def _reason(self, job: Job) -> tuple[InLane, str | None]:
        if self._pause is not None:
            return "paused", self._pause["next_probe"]
        due = due_time(job.marker)
        if due > self._now:
            return "backoff", due.isoformat()
        return ("lane_full" if self._is_full else "next"), None
