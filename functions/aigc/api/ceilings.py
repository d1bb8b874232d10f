"""Ceilings in answers: how much of each is spent, reserved and left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.jobs.budget import newest_book, usage_of
from aigc.periods import UNITS

if TYPE_CHECKING:
    from datetime import datetime

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.budget import CeilingUsage
    from aigc.jobs.job import Deferral, Job


def ceilings_of(call: Call) -> list[schemas.Ceiling]:
    """Describe all ceilings; none to a key that sees only its own requests."""
    ceilings = call.runtime.ceilings()
    if not ceilings or call.caller.limits.own_only:
        return []
    book, now = newest_book(call.runtime), call.runtime.now()
    return [described(usage_of(ceiling, book, now), now) for ceiling in ceilings]


def described(state: CeilingUsage, now: datetime) -> schemas.Ceiling:
    """Describe one ceiling."""
    ceiling = state.ceiling
    return {
        "name": ceiling.name,
        "limit": _shown(state, ceiling.limit),
        "spent": _shown(state, state.used),
        "reserved": _shown(state, state.reserved),
        "left": _shown(state, state.left),
        "resets_at": ceiling.interval.end(now).isoformat(),
    }


def described_deferral(job: Job) -> schemas.Deferral | None:
    """Describe why a job waits outside its lane; None if it does not."""
    deferral: Deferral | None = job.deferral
    if deferral is None:
        return None
    return {
        "reason": deferral.reason,
        "ceiling": deferral.ceiling,
        "since": deferral.since.isoformat(),
    }


def _shown(state: CeilingUsage, amount: int) -> str:
    if state.ceiling.money is None:
        return str(amount)
    from decimal import Decimal  # noqa: PLC0415  few stacks have ceilings

    return f"{(Decimal(amount) / UNITS).normalize():f}"
