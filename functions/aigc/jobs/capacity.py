"""Capacity: how many tasks a lane may run at once, and fewer after the vendor had no capacity.

A cut takes half of a lane's slots at once. The lane regains them one by one, each after the time
that a job waits before its second attempt (additive increase, multiplicative decrease). A lane
with one slot starts nothing for this time. A cut is written once; how much of it is left follows
from the clock, without a request.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aigc.jobs.ledger.lanes import LaneView
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)


def list_lane(lane: str, runtime: Runtime) -> LaneView:
    """List all slots of a lane and the head of its queue in one request."""
    return runtime.ledger.lanes.view(lane, runtime.settings.lanes.get(lane, 1))


def task_limit(lane: str, view: LaneView, runtime: Runtime) -> int:
    """Return how many tasks a lane may run now: as configured, or fewer after a cut."""
    configured = runtime.settings.lanes.get(lane, 1)
    if not view.cuts:
        return configured
    last = view.cuts[-1]
    regained = (runtime.now() - last.at) // _recovery_step(runtime)
    return min(configured, last.limit + max(0, regained))


def free_slots(
    lane: str, view: LaneView, runtime: Runtime, released: Iterable[int] = ()
) -> list[int]:
    """Return the numbers of free slots, at most as many as tasks may still be started.

    A late listing may show slots that the caller has just released; they count as free.
    """
    taken = view.slots.difference(released)
    free = task_limit(lane, view, runtime) - len(taken)
    numbers = range(runtime.settings.lanes.get(lane, 1))
    return [number for number in numbers if number not in taken][: max(0, free)]


def slow_down(lane: str, runtime: Runtime) -> None:
    """Cut a lane to half of its task limit, once for jobs throttled at about this time.

    An error is logged and not raised: the caller must still queue its job again.
    """
    try:
        view = list_lane(lane, runtime)
        if view.cuts and runtime.now() - view.cuts[-1].at < _recovery_step(runtime):
            return
        limit = task_limit(lane, view, runtime) // 2
        runtime.ledger.lanes.cut(lane, limit)
        runtime.ledger.lanes.remove_cuts(view.cuts)
        logger.warning("lane_slowed_down", extra={"lane": lane, "at_once": limit})
    except CloudError as error:
        logger.warning("lane_not_slowed_down", extra={"lane": lane, "code": error.code})


def remove_old_cuts(lane: str, view: LaneView, runtime: Runtime) -> None:
    """Remove a lane's cuts once it has all of its slots back."""
    if view.cuts and task_limit(lane, view, runtime) == runtime.settings.lanes.get(lane, 1):
        runtime.ledger.lanes.remove_cuts(view.cuts)
        logger.info("lane_recovered", extra={"lane": lane})


def _recovery_step(runtime: Runtime) -> timedelta:
    return timedelta(seconds=runtime.settings.retry_base_s)
