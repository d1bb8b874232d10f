"""SCF's cron expressions: second, minute, hour, day, month, weekday, year."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6), (1970, 2099))
_NAMES = {
    name: number
    for names, first in (
        ("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1),
        ("SUN MON TUE WED THU FRI SAT", 0),
    )
    for number, name in enumerate(names.split(), first)
}
_HORIZON = timedelta(days=366 * 4)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron expression; its times are Beijing time.

    If day and weekday are both restricted, a date matches by either of them, as in the cloud.
    https://cloud.tencent.com/document/product/583/9708
    """

    fields: tuple[frozenset[int], ...]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Parse an expression of seven fields, or of five fields without second and year.

        Raises:
            ValueError: The expression is invalid; the message contains the invalid part.
        """
        parts = text.upper().split()
        if len(parts) == 5:  # noqa: PLR2004  minute to weekday
            parts = ["0", *parts, "*"]
        if len(parts) != len(_BOUNDS):
            raise ValueError(f"cron is {text!r}; allowed: {len(_BOUNDS)} fields, or 5")
        values = tuple(_field(part, *bounds) for part, bounds in zip(parts, _BOUNDS, strict=True))
        return cls(values, parts[3] == "*", parts[5] == "*")

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first fire time after a moment; None if there is none within four years."""
        local = moment.astimezone(BEIJING)
        seconds, minutes, hours = (sorted(values) for values in self.fields[:3])
        day, last = local.date(), local.date() + _HORIZON
        while day <= last:
            if self._matches_date(day):
                for hour, minute, second in itertools.product(hours, minutes, seconds):
                    fire_time = datetime.combine(day, time(hour, minute, second), BEIJING)
                    if fire_time > local:
                        return fire_time
            day += timedelta(days=1)
        return None

    def _matches_date(self, day: date) -> bool:
        _, _, _, days, months, weekdays, years = self.fields
        by_number, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        has_wildcard = self.any_day or self.any_weekday
        matches = (by_number and by_weekday) if has_wildcard else (by_number or by_weekday)
        return matches and day.month in months and day.year in years


def _field(text: str, low: int, high: int) -> frozenset[int]:
    return frozenset(itertools.chain(*(_part(part, low, high) for part in text.split(","))))


def _part(text: str, low: int, high: int) -> range:
    span, _, step = text.partition("/")
    first, dash, last = span.partition("-")
    try:
        start = low if span == "*" else _number(first)
        end = high if span == "*" or (step and not dash) else _number(last or first)
        values = range(start, end + 1, int(step or 1))
    except ValueError:
        values = range(0)
    if not values or values.start < low or values.stop > high + 1:
        raise ValueError(f"cron field is {text!r}; allowed: {low} to {high}, with , - * /")
    return values


def _number(text: str) -> int:
    return _NAMES[text] if text in _NAMES else int(text)
