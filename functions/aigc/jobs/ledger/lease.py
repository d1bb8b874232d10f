"""The lease: the time after which an invocation that wrote something cannot be alive any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from aigc.jobs.ports import Clock


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a holder of something may be at work, measured on a clock."""

    duration: timedelta
    clock: Clock

    def has_expired(self, since: datetime) -> bool:
        """Whether an invocation that wrote at this time cannot be alive any more."""
        return self.clock.now() - since > self.duration

    def owned_until(self) -> datetime:
        """Time until which the present holder of a claim may be at work."""
        return self.clock.now() + self.duration

    def landed_by(self) -> datetime:
        """Time by which a write without an answer has taken effect, or never will."""
        return self.clock.now() + self.duration / 5
