"""The recent changes of a bucket's keys; late listings are computed from them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from localcloud.faults import MAX_LAG_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.cos.store import StoredObject


class Changes:
    """The previous entry of each key that changed in the last `MAX_LAG_S` real seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._changes: deque[tuple[float, bytes, StoredObject | None]] = deque()

    def record(self, key: bytes, previous: StoredObject | None) -> None:
        """Record the previous entry of a key that changes now; None if the key is new."""
        now = self._now()
        while self._changes and now - self._changes[0][0] > MAX_LAG_S:
            self._changes.popleft()
        # Listings need no content, and the contents of a minute could be large.
        entry = None if previous is None else replace(previous, small=None)
        self._changes.append((now, key, entry))

    def previous_entries(self, seconds: float) -> dict[bytes, StoredObject | None]:
        """Return the entries that the changed keys had this long ago; None if a key was missing."""
        since = self._now() - seconds
        entries: dict[bytes, StoredObject | None] = {}
        for changed, key, previous in reversed(self._changes):
            if changed <= since:
                break
            entries[key] = previous
        return entries
