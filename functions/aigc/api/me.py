"""The caller's own key: its permissions, its limits, and how much of them is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.quotas import count_left
from aigc.periods import DAY, MINUTE, MONTH, UNITS
from aigc.prices import decimal_text
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.periods import Period


def respond(call: Call) -> HttpResponse:
    """Describe the key of the call; one listing for each limit that it has."""
    limits = call.caller.limits
    body: schemas.Me = {
        "name": call.caller.name,
        "kinds": list(limits.kinds or KINDS),
        "own_only": limits.own_only,
        "may_operate": limits.operate,
        "may_upload": not limits.own_only,
        "requests_per_minute": _count(call, MINUTE, limits.requests_per_minute),
        "jobs_per_day": _count(call, DAY, limits.jobs_per_day),
        "budget_per_month": _budget(call),
        "currency": call.runtime.prices().currency or None,
    }
    return HttpResponse(status=200, body=body)


def _count(call: Call, period: Period, limit: int | None) -> schemas.KeyLimit | None:
    if limit is None:
        return None
    left = count_left(call.caller, period, limit, call.runtime)
    return _described(call, period, str(limit), str(left))


def _budget(call: Call) -> schemas.KeyLimit | None:
    from decimal import Decimal  # noqa: PLC0415  few keys have a budget

    budget = call.caller.limits.budget_per_month
    if budget is None:
        return None
    left = Decimal(count_left(call.caller, MONTH, int(budget * UNITS), call.runtime)) / UNITS
    return _described(call, MONTH, decimal_text(budget) or "0", decimal_text(left) or "0")


def _described(call: Call, period: Period, limit: str, left: str) -> schemas.KeyLimit:
    resets_at = period.end(call.runtime.now()).isoformat()
    return {"limit": limit, "left": left, "resets_at": resets_at}
