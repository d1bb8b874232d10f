"""The timer trigger: an asynchronous event at each time of a cron expression."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError
from localcloud.scf.cron import Cron

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.core import Clock


class TimerTrigger:
    """Fires until it is closed; the clock's speed shortens its periods."""

    def __init__(self, cron: Cron, clock: Clock, fire: Callable[[datetime], None]) -> None:
        self._cron = cron
        self._clock = clock
        self._fire = fire
        self._closed = threading.Event()
        self._schedule(datetime.fromtimestamp(clock.now(), timezone.utc))

    def close(self) -> None:
        """Stop firing."""
        self._closed.set()

    def _schedule(self, since: datetime) -> None:
        # The next moment is counted from the planned moment, not from now: at a high speed the
        # wall clock is still before the planned moment, and would plan the same moment again.
        planned = self._cron.next_after(since)
        if planned is not None:
            wait = (planned - since).total_seconds()
            self._clock.after(wait, lambda: self._run(planned))

    def _run(self, planned: datetime) -> None:
        if not self._closed.is_set():
            self._schedule(planned)
            self._fire(planned)


def parse_cron(desc: str) -> Cron:
    """Parse a TriggerDesc: a cron expression, or `{"cron": …}`.

    Raises:
        ApiError: The TriggerDesc has another form, or its cron expression is invalid.
    """
    try:
        expression = json.loads(desc)["cron"] if desc.startswith("{") else desc
        return Cron.parse(expression)
    except (ValueError, KeyError) as error:
        raise ApiError("InvalidParameterValue.TriggerDesc", f"TriggerDesc: {error}") from None


def timer_event(name: str, message: str, planned: datetime) -> dict[str, Any]:
    """Build the event that the function receives."""
    utc = planned.astimezone(timezone.utc)
    return {
        "Type": "Timer",
        "TriggerName": name,
        "Time": utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Message": message,
    }
