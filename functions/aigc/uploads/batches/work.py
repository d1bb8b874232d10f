"""Reads and refreshes batches: in the function that receives the event, then in the sweep."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aigc.uploads.batches.records import OPEN, Batches

if TYPE_CHECKING:
    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.turns import Turn

logger = logging.getLogger("aigc.batches")

TURN_S = 5.0
"""Least seconds of a turn; a part of 250 lines takes about two."""


def begin_batch(batch_id: str, runtime: Runtime) -> None:
    """Read lines until no time is left. Errors are logged, and the sweep continues."""
    from aigc.uploads.batches.intake import continue_reading  # noqa: PLC0415  few invocations need it

    try:
        batch = Batches(runtime.ledger).read(batch_id)
        if batch is not None:
            continue_reading(batch, runtime)
    except Exception:
        logger.exception("batch_stopped", extra={"batch": batch_id})


def continue_batches(turn: Turn) -> None:
    """Read the remaining lines of batches, and write the reports that are due."""
    batches = Batches(turn.runtime.ledger)

    def work(listed: Listed) -> None:
        _continue(listed, batches, turn.runtime)
        turn.has_time()  # a turn that was cut short continues after the other turns

    turn.each(turn.walk(batches.list_open, pages=1), work)


def _continue(listed: Listed, batches: Batches, runtime: Runtime) -> None:
    from aigc.uploads.batches.intake import continue_reading  # noqa: PLC0415  few sweeps need them
    from aigc.uploads.batches.refresh import refresh  # noqa: PLC0415

    batch_id = listed.key.removeprefix(OPEN)
    batch = batches.read(batch_id)
    if batch is None:
        # The batch is written right after its note, unless the invocation died.
        if runtime.ledger.lease.has_expired(listed.modified):
            batches.close(batch_id)
    elif batch.is_complete:
        batches.close(batch_id)
    else:
        refresh(continue_reading(batch, runtime), runtime)
