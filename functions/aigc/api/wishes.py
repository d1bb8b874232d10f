"""What a caller wishes for in headers: when to start, how urgent it is, how long to wait."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from aigc.tasks.fields import refused, shown

if TYPE_CHECKING:
    from datetime import datetime

    from aigc.triggers.http import HttpRequest

LONGEST_PATIENCE_S = 7 * 86400
LOW_PRIORITY = -10

_WAIT = re.compile(r'wait(?:\s*=\s*"?(?P<seconds>[0-9]{1,6})"?)?\s*(;.*)?', re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?")


def start_by(request: HttpRequest, now: datetime) -> datetime | None:
    """Tell by when a task must have been sent, of `X-Fal-Request-Timeout`; None: whenever."""
    name = "X-Fal-Request-Timeout"
    given = request.header(name).strip()
    if not given:
        return None
    if not _SECONDS.fullmatch(given) or not 1 <= float(given) <= LONGEST_PATIENCE_S:
        allowed = f"seconds, 1 to {LONGEST_PATIENCE_S}"
        raise refused(name, f"{shown(given)} is not allowed", allowed=allowed)
    return now + timedelta(seconds=float(given))


def priority(request: HttpRequest) -> int:
    """Tell where a job waits, of `X-Fal-Queue-Priority`."""
    name = "X-Fal-Queue-Priority"
    given = request.header(name).strip()
    if given.lower() not in {"", "normal", "low"}:
        raise refused(name, f"{shown(given)} is not allowed", allowed="normal, low")
    return LOW_PRIORITY if given.lower() == "low" else 0


class Patience(NamedTuple):
    """How long a caller waits for a result, and how that was said."""

    seconds: int
    preference: str


_AS_LONG_AS_CAN_BE = Patience(LONGEST_PATIENCE_S, "wait")


def patience(request: HttpRequest) -> Patience | None:
    """Tell how long the caller would wait for the result, of `Prefer: wait=…`; None: not at all.

    `wait` alone is as long as can be. What cannot be read is no preference (RFC 7240, section 2).
    """
    for preference in request.header("prefer").split(","):
        match = _WAIT.fullmatch(preference.strip())
        if match:
            seconds = match["seconds"]
            return Patience(int(seconds), f"wait={seconds}") if seconds else _AS_LONG_AS_CAN_BE
    return None
