"""The ledger's clock: the time by COS, so that leases do not depend on the clocks of instances.

Each answer of COS has a `Date` in whole seconds. COS wrote it after the request was sent and
before the answer arrived. So an answer bounds how far COS's clock is ahead of the instance's
steady clock, and the bounds of several answers are narrowed down to those that all of them allow.

`now` is the lower bound and `latest` the upper one. The end of a lease is set by `latest`, and
`now` decides whether it has expired: so an uncertain time only lengthens leases.

| what can happen to the clocks of an instance | what follows |
|---|---|
| the wall clock is wrong, by any time | nothing: it is not used once COS has answered |
| the wall clock jumps | COS is asked before the next request |
| the instance is suspended, and its steady clock stops | the same, if the wall clock runs |
| it is suspended, and both clocks stop | both lag until the first answer of COS arrives |
| the steady clock is slow or fast | an answer narrows the bounds for a minute only |
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from aigc.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Callable

DATE_S = 1.0
"""Resolution of the header `Date`."""

REMEMBERED_S = 60.0
"""Seconds for which an answer narrows the bounds of later ones."""

TIME_REQUESTS = 3
"""Requests for the time, one after the other, until one is answered."""

ASK_AGAIN_S = 5.0
"""Seconds until COS is asked again after it did not answer with the time."""

JUMP_S = 1.0
"""How far wall clock and steady clock may drift apart before COS is asked again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the difference between COS's clock and the steady clock, in seconds."""

    least: float
    most: float
    learned_at: float
    """By the steady clock."""
    wall_ahead: float
    """Seconds by which the wall clock was ahead of the steady clock."""

    def narrowed(self, newer: Bounds) -> Bounds:
        """Return the bounds that agree with both; the newer ones if they contradict each other."""
        least, most = max(self.least, newer.least), min(self.most, newer.most)
        if least > most or newer.learned_at - self.learned_at > REMEMBERED_S:
            return newer
        return Bounds(least, most, newer.learned_at, newer.wall_ahead)


class LedgerClock:
    """The time by COS, from the answers to the requests of this instance."""

    def __init__(
        self,
        *,
        ask: Callable[[], object],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a clock that has not learned anything.

        Args:
            ask: Makes a request to COS whose answer is passed to `learn`; it may fail.
            wall: Returns the Unix time of the instance.
            steady: Returns seconds that never decrease.
            sleep: Returns after a number of seconds.
        """
        self._ask = ask
        self._wall = wall
        self._steady = steady
        self._sleep = sleep
        self._bounds: Bounds | None = None
        self._lock = threading.RLock()
        self._asking_thread = 0
        self._failed_at = -math.inf

    def now(self) -> datetime:
        """Return the present moment by the ledger's clock, or one shortly before it."""
        return _moment(self._steady() + self._current_bounds().least)

    def latest(self) -> datetime:
        """Return the present moment by the ledger's clock, or one shortly after it."""
        return _moment(self._steady() + self._current_bounds().most)

    def sleep(self, seconds: float) -> None:
        """Return after a number of seconds."""
        self._sleep(seconds)

    def own_seconds(self) -> float:
        """Return seconds of the instance's own steady clock, to measure how long work takes."""
        return self._steady()

    def learn(self, date: str, elapsed_s: float) -> None:
        """Learn from an answer that has just arrived.

        Args:
            date: The header `Date`; one that is no date is ignored.
            elapsed_s: Seconds since the request was sent, or more.
        """
        try:
            cos_time = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return
        received = self._steady()
        least, most = cos_time - received, cos_time + DATE_S - (received - elapsed_s)
        newer = Bounds(least, most, received, self._wall_ahead())
        with self._lock:
            self._bounds = self._bounds.narrowed(newer) if self._bounds else newer

    def unix_seconds(self) -> float:
        """Return the Unix time for signatures, without asking COS."""
        bounds = self._bounds
        return self._wall() if bounds is None else self._steady() + bounds.least

    def ensure(self) -> None:
        """Ask COS for the time if nothing is known, or if a clock of the instance has jumped.

        Without an answer the wall clock is used, and COS is asked again some seconds later.
        """
        if not self._is_doubtful() or self._asking_thread == threading.get_ident():
            return
        with self._lock:  # other threads wait for the answer
            if self._is_doubtful() and self._steady() - self._failed_at > ASK_AGAIN_S:
                self._bounds = None
                self._asking_thread = threading.get_ident()
                try:
                    self._ask_until_answered()
                finally:
                    self._asking_thread = 0
                    if self._bounds is None:
                        self._failed_at = self._steady()

    def _ask_until_answered(self) -> None:
        for _ in range(TIME_REQUESTS):
            with contextlib.suppress(CloudError):  # a refusal has a date, too
                self._ask()
            if self._bounds is not None:
                return

    def _current_bounds(self) -> Bounds:
        self.ensure()
        return self._bounds or Bounds(self._wall_ahead(), self._wall_ahead(), 0, 0)

    def _is_doubtful(self) -> bool:
        bounds = self._bounds
        return bounds is None or abs(self._wall_ahead() - bounds.wall_ahead) > JUMP_S

    def _wall_ahead(self) -> float:
        return self._wall() - self._steady()


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, timezone.utc)
