"""The state of the sweep, which it keeps in the ledger for the next sweep and for callers.

| key | what it is |
|---|---|
| `sweep/state.json` | when the last sweep started and ended, which turn comes first, cursors |

It only saves time, and shows whether sweeps run. Two concurrent sweeps overwrite each other's
state.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from aigc.errors import CloudError
from aigc.wire import Record

if TYPE_CHECKING:
    from aigc.jobs.ports import ObjectStore

logger = logging.getLogger(__name__)

_KEY = "sweep/state.json"


class Progress(Record):
    """The position of a part's walk, which is kept from one sweep to the next."""

    cursor: str = ""
    """The last item that was handled; empty if the walk begins at the beginning."""
    seen: int = 0
    """Items since the beginning of this walk."""
    total: int = 0
    """Items of the last whole walk."""


class SweepState(Record):
    """The state that one sweep keeps for the next."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    begins_with: str = ""
    """The turn that comes first."""
    progress: dict[str, Progress] = Field(default_factory=dict)
    """The positions of the walks, by the name of the turn."""

    @property
    def is_unfinished(self) -> bool:
        """Whether the last sweep was killed, or still runs."""
        if self.started_at is None:
            return False
        return self.finished_at is None or self.finished_at < self.started_at


def read_state(bucket: ObjectStore) -> SweepState:
    """Read the state that the last sweep wrote; empty if it cannot be read."""
    try:
        body = bucket.get(_KEY)
        return SweepState() if body is None else SweepState.model_validate_json(body)
    except (CloudError, ValidationError):
        logger.warning("sweep_state_unreadable", exc_info=True)
        return SweepState()


def write_state(state: SweepState, bucket: ObjectStore) -> None:
    """Write the state; an error is logged and not raised."""
    try:
        bucket.put(_KEY, state.model_dump_json(exclude_none=True).encode())
    except CloudError as error:
        logger.warning("sweep_state_not_written", extra={"code": error.code})
