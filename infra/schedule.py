"""Checks SCF's cron expressions before deployment.

https://cloud.tencent.com/document/product/583/9708
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an expression: its numbers, and names for them."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names of the numbers, from `low` upwards."""


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("weekday", 0, 6, WEEKDAYS),
    Field("year", 1970, 2099),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]{1,4}))?")


def check_schedule(expression: str) -> None:
    """Check the fields of an expression against their ranges.

    Raises:
        ValueError: The text is not a cron expression of 7 fields.
    """
    texts = expression.split(" ")
    if len(texts) != len(FIELDS):
        raise ValueError(f"{len(texts)} fields, not {len(FIELDS)}")
    for field, text in zip(FIELDS, texts, strict=True):
        for part in text.split(","):
            _check_part(field, part)


def _check_part(field: Field, text: str) -> None:
    part = _PART.fullmatch(text)
    if part is None:
        raise ValueError(f"{field.name} is {text!r}")
    first = field.low if part["first"] is None else _number(field, part["first"])
    last = first if part["last"] is None else _number(field, part["last"])
    step = 1 if part["step"] is None else int(part["step"])
    if first > last or not 1 <= step <= field.high:
        raise ValueError(f"{field.name} is {text!r}")


def _number(field: Field, text: str) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.low
    if not text.isascii() or not text.isdigit() or not field.low <= int(text) <= field.high:
        raise ValueError(f"{field.name} is {text!r}")
    return int(text)
