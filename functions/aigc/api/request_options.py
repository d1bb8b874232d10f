"""Reads the options of a call from its headers: latest start, priority, and time to wait."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from aigc.tasks.fields import invalid_request, shown

if TYPE_CHECKING:
    from datetime import datetime

    from aigc.triggers.http import HttpRequest

LONGEST_WAIT_S = 7 * 86400
LOW_PRIORITY = -10

_WAIT = re.compile(r'wait(?:\s*=\s*"?(?P<seconds>[0-9]{1,6})"?)?\s*(;.*)?', re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?")


def start_by(request: HttpRequest, now: datetime) -> datetime | None:
    """Return the latest start of the task from `X-Fal-Request-Timeout`; None: no limit."""
    name = "X-Fal-Request-Timeout"
    raw_seconds = request.header(name).strip()
    if not raw_seconds:
        return None
    if not _SECONDS.fullmatch(raw_seconds) or not 1 <= float(raw_seconds) <= LONGEST_WAIT_S:
        allowed = f"seconds, 1 to {LONGEST_WAIT_S}"
        raise invalid_request(name, f"{shown(raw_seconds)} is not allowed", allowed=allowed)
    return now + timedelta(seconds=float(raw_seconds))


def priority(request: HttpRequest) -> int:
    """Return the priority in the queue from `X-Fal-Queue-Priority`."""
    name = "X-Fal-Queue-Priority"
    raw_priority = request.header(name).strip()
    if raw_priority.lower() not in {"", "normal", "low"}:
        raise invalid_request(name, f"{shown(raw_priority)} is not allowed", allowed="normal, low")
    return LOW_PRIORITY if raw_priority.lower() == "low" else 0


class WaitPreference(NamedTuple):
    """How long a caller waits for a result, and the text of the preference."""

    seconds: int
    preference: str


_WITHOUT_LIMIT = WaitPreference(LONGEST_WAIT_S, "wait")


def wait_preference(request: HttpRequest) -> WaitPreference | None:
    """Return how long the caller waits for the result from `Prefer: wait=…`; None: not at all.

    `wait` without a value has no limit. An unknown preference is ignored (RFC 7240, section 2).
    """
    for preference in request.header("prefer").split(","):
        match = _WAIT.fullmatch(preference.strip())
        if match:
            seconds = match["seconds"]
            return WaitPreference(int(seconds), f"wait={seconds}") if seconds else _WITHOUT_LIMIT
    return None
