"""Pauses: one object for each lane whose calls the vendor refuses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc.jobs.ledger.pause import Pause
    from aigc.jobs.ports import ObjectStore

logger = logging.getLogger(__name__)


class Pauses:
    """The pauses of all lanes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, lane: str) -> Pause | None:
        """Read a lane's pause; None if it has none, or one that this version cannot read.

        No promise depends on a pause, so an unreadable one does not stop the lane.
        """
        body = self._store.get(pause_key(lane))
        if body is None:
            return None
        from aigc.jobs.ledger.pause import Pause  # noqa: PLC0415  few invocations need it

        try:
            return Pause.model_validate_json(body)
        except ValueError:
            logger.warning("pause_unreadable", extra={"lane": lane})
            return None

    def write(self, lane: str, pause: Pause) -> None:
        """Write a lane's pause over the one before; without an answer it may be written later."""
        self._store.put(pause_key(lane), pause.model_dump_json().encode())

    def remove(self, lane: str) -> None:
        """Remove a lane's pause."""
        self._store.delete(pause_key(lane))


def pause_key(lane: str) -> str:
    """Name the object of a lane's pause; a listing of the lane shows it before slots and queue."""
    return f"lanes/{lane}/pause"
