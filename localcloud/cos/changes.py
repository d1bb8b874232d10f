"""The recent changes of a bucket's keys, from which a listing of the past is made."""

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
    """What each changed key held before the change, for the last `MAX_LAG_S` real seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._changes: deque[tuple[float, bytes, StoredObject | None]] = deque()

    def note(self, key: bytes, previous: StoredObject | None) -> None:
        """Keep the previous entry of a key that changes now; None where the key is new."""
        now = self._now()
        while self._changes and now - self._changes[0][0] > MAX_LAG_S:
            self._changes.popleft()
        # A listing needs no content; a minute of it could be much.
        entry = None if previous is None else replace(previous, small=None)
        self._changes.append((now, key, entry))

    def undone(self, seconds: float) -> dict[bytes, StoredObject | None]:
        """Return what the keys that changed in the last seconds held before; None: nothing."""
        since = self._now() - seconds
        entries: dict[bytes, StoredObject | None] = {}
        for changed, key, previous in reversed(self._changes):
            if changed <= since:
                break
            entries[key] = previous
        return entries
