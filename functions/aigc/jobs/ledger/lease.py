"""The lease: the time after which an invocation that wrote something cannot be alive any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from aigc.jobs.ports import Clock


class Lease(NamedTuple):
    """How long a holder of something may be at work, measured on a clock."""

    duration: timedelta
    clock: Clock

    def has_expired(self, since: datetime) -> bool:
        """Whether an invocation that wrote at this time cannot be alive any more."""
        return self.clock.now() - since > self.duration

    def owned_until(self) -> datetime:
        """Return the end of a lease that begins now."""
        return self.clock.latest() + self.duration

    def effective_by(self) -> datetime:
        """Return the time after which a write without an answer, made now, takes no effect."""
        return self.clock.latest() + self.duration / 5
