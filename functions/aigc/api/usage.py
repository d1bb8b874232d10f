"""Usage: images by day, kind, model and source, with their estimated cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from aigc.api.ceilings import ceilings_of
from aigc.api.errors import InvalidQueryError
from aigc.api.pages import day_parameter
from aigc.jobs.usage import PREFIX, UsageEntry
from aigc.prices import decimal_text
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.api.call import Call
    from aigc.api.openapi import schemas

USUAL_DAYS = 7
MOST_DAYS = 31
PAGE = 1000
LIST_S = 2.0
"""Seconds that one more page and the answer may need."""


@dataclass(slots=True)
class _Sum:
    """Jobs that are counted together."""

    jobs: int = 0
    succeeded: int = 0
    images: int = 0
    cost: Decimal | None = None
    """Sum of the known costs; None if no cost is known."""
    jobs_without_price: int = 0

    def add(self, entry: UsageEntry) -> None:
        self.jobs += 1
        self.succeeded += entry.state == "succeeded"
        self.images += entry.images
        if entry.cost is None:
            self.jobs_without_price += 1
        else:
            self.cost = (self.cost or Decimal(0)) + entry.cost

    def described(self) -> schemas.UsageSum:
        return {
            "jobs": self.jobs,
            "succeeded": self.succeeded,
            "images": self.images,
            "cost": decimal_text(self.cost),
            "jobs_without_price": self.jobs_without_price,
        }


def respond(call: Call) -> HttpResponse:
    """Sum up the jobs that ended in some days, by day, kind, model and source."""
    first, last = _days(call)
    total, sums = _Sum(), dict[tuple[str, ...], _Sum]()
    walk = _Walk(call, first, last)
    for entry in walk.entries():
        source = f"{entry.source.type}:{entry.source.name}"
        row = (entry.day, entry.kind, entry.model, entry.version, source)
        sums.setdefault(row, _Sum()).add(entry)
        total.add(entry)
    body: schemas.UsageReport = {
        "from": first,
        "to": last,
        "currency": call.runtime.prices().currency or None,
        "complete": walk.is_complete,
        "total": total.described(),
        "usage": [_row(row, sums[row]) for row in sorted(sums)],
        "ceilings": ceilings_of(call),
    }
    return HttpResponse(status=200, body=body)


def _row(row: tuple[str, ...], row_sum: _Sum) -> schemas.UsageRow:
    day, kind, model, version, source = row
    return {
        "day": day,
        "kind": kind,
        "model": model,
        "version": version,
        "source": source,
        **row_sum.described(),
    }


class _Walk:
    """A walk through the days; it stops when time is short, and then is not complete."""

    def __init__(self, call: Call, first: str, last: str) -> None:
        self._call = call
        self._after = f"{PREFIX}{first}"  # sorts before all keys of that day
        self._last = last
        self.is_complete = False

    def entries(self) -> Iterator[UsageEntry]:
        """Yield one entry for each end of a job that the caller may see."""
        previous = ""
        for key in self._keys():
            entry = UsageEntry.of(key)
            if entry.end != previous and self._call.caller.may_see(entry.source):
                yield entry
            previous = entry.end

    def _keys(self) -> Iterator[str]:
        runtime = self._call.runtime
        while runtime.has_time(LIST_S):
            page = [listed.key for listed in runtime.ledger.bucket.list(PREFIX, self._after, PAGE)]
            page_in_range = [key for key in page if key.split("/")[1] <= self._last]
            yield from page_in_range
            if len(page_in_range) < PAGE:
                self.is_complete = True
                return
            self._after = page[-1]


def _days(call: Call) -> tuple[str, str]:
    """Read the first and the last day from the query; the default is the last week.

    Raises:
        InvalidQueryError: A value is not a day, or the days are in the wrong order or too many.
    """
    last = day_parameter(call.request, "to") or call.runtime.now().date()
    first = day_parameter(call.request, "from") or last - timedelta(days=USUAL_DAYS - 1)
    days = (last - first).days + 1
    if not 1 <= days <= MOST_DAYS:
        problem = f"{first} to {last} are {max(days, 0)} days"
        raise InvalidQueryError("from", problem, allowed=f"1 to {MOST_DAYS} days")
    return str(first), str(last)
