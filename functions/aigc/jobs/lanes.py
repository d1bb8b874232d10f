"""Lanes: how many tasks may run at once, and fewer for a while where the vendor had no room.

A lane that is told so loses half of its places at once and wins them back one by one, each after
the first wait of a job that found no room (additive increase, multiplicative decrease). With its
only place it pauses as long. A cut is written down once; that it wears off is read from the clock
and costs nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aigc.jobs.ledger import LaneView
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)


def look_at(lane: str, runtime: Runtime) -> LaneView:
    """List a lane: all of its slots and the head of its queue in one request."""
    return runtime.ledger.lane(lane, runtime.settings.lanes.get(lane, 1))


def most_at_once(lane: str, view: LaneView, runtime: Runtime) -> int:
    """Say how many tasks a lane may run now: what is configured, or less after a cut."""
    configured = runtime.settings.lanes.get(lane, 1)
    if not view.cuts:
        return configured
    last = view.cuts[-1]
    won_back = (runtime.now() - last.at) // _step(runtime)
    return min(configured, last.limit + max(0, won_back))


def free_places(
    lane: str, view: LaneView, runtime: Runtime, released: Iterable[int] = ()
) -> list[int]:
    """Find the slots that may be taken, as many as the lane may still run.

    A late listing may still show slots that the caller itself has released.
    """
    taken = view.slots.difference(released)
    free = most_at_once(lane, view, runtime) - len(taken)
    places = range(runtime.settings.lanes.get(lane, 1))
    return [number for number in places if number not in taken][: max(0, free)]


def slow_down(lane: str, runtime: Runtime) -> None:
    """Cut a lane to half of what it may run, once for all that fails of one congestion.

    Whoever calls has a job to bring back to its queue: that the lane could not be slowed down
    must not keep it from that.
    """
    try:
        view = look_at(lane, runtime)
        if view.cuts and runtime.now() - view.cuts[-1].at < _step(runtime):
            return
        limit = most_at_once(lane, view, runtime) // 2
        runtime.ledger.cut(lane, limit)
        runtime.ledger.forget_cuts(view.cuts)
        logger.warning("lane_slowed_down", extra={"lane": lane, "at_once": limit})
    except CloudError as error:
        logger.warning("lane_not_slowed_down", extra={"lane": lane, "code": error.code})


def forget_old_cuts(lane: str, view: LaneView, runtime: Runtime) -> None:
    """Forget a lane's cuts once they have worn off."""
    if view.cuts and most_at_once(lane, view, runtime) == runtime.settings.lanes.get(lane, 1):
        runtime.ledger.forget_cuts(view.cuts)
        logger.info("lane_recovered", extra={"lane": lane})


def _step(runtime: Runtime) -> timedelta:
    return timedelta(seconds=runtime.settings.retry_base_s)
