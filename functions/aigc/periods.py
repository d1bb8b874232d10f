"""The periods, in UTC, for which limits and ceilings hold."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Period(NamedTuple):
    """A minute, a day or a month, in UTC."""

    name: str
    stamp: str
    """Format of `strftime` that names one period."""
    blocks: int
    """About how many blocks a limit has. With more blocks, less of it is reserved and unused, but
    functions reserve more often."""

    def end(self, now: datetime) -> datetime:
        """Return when the next period begins."""
        if self is MINUTE:
            return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is DAY:
            return midnight + timedelta(days=1)
        return (midnight.replace(day=1) + timedelta(days=31)).replace(day=1)


MINUTE = Period("minute", "%Y%m%d%H%M", 10)
DAY = Period("day", "%Y%m%d", 50)
MONTH = Period("month", "%Y%m", 100)

UNITS = 10_000
"""Money is counted in units; this many are 1 of the currency. The cost of a job is rounded up."""
