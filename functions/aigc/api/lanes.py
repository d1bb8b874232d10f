"""The load of the lanes: running and waiting jobs of each kind of task."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from aigc.api.pauses import described_pause
from aigc.jobs.capacity import task_limit
from aigc.jobs.pauses import pause_of
from aigc.jobs.ports import PAGE
from aigc.jobs.sweep_state import read_state
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.runtime import Runtime


def lanes(call: Call) -> HttpResponse:
    """Return the load of each lane and the time of the last sweep; one request for each.

    A paused lane needs another request.
    """
    lane_list = [
        _lane(name, limit, call.runtime) for name, limit in call.runtime.settings.lanes.items()
    ]
    body: schemas.LaneList = {"lanes": lane_list, "sweep": _last_sweep(call.runtime)}
    return HttpResponse(status=200, body=body)


def _lane(name: str, limit: int, runtime: Runtime) -> schemas.Lane:
    view = runtime.ledger.lanes.view(name)
    limit_now = task_limit(name, view, runtime)
    waiting = sum(1 for _ in itertools.islice(view.waiting(), PAGE + 1))
    is_slow = limit_now < limit and bool(view.cuts)
    return {
        "name": name,
        "limit": limit,
        "limit_now": limit_now,
        "in_use": len(view.slots),
        "waiting": min(waiting, PAGE),
        "waiting_is_exact": waiting <= PAGE,
        "slowed_down_at": view.cuts[-1].at.isoformat() if is_slow else None,
        "paused": described_pause(pause_of(view, runtime)),
    }


def _last_sweep(runtime: Runtime) -> schemas.LastSweep:
    state = read_state(runtime.ledger.bucket)
    return {
        "started_at": state.started_at.isoformat() if state.started_at else None,
        "finished_at": state.finished_at.isoformat() if state.finished_at else None,
    }
