"""Records that this version cannot read are set aside: they stop nothing, and nothing is lost.

A newer version may have written such a record, before this one was deployed again, or it is
damaged. Its job keeps its markers, its slot and its claims: its task may run. A note
`dead/records/<id>.json` says why the record cannot be read. The sweep reads the record again; when
a version that understands it is deployed, the job goes on by itself and the note is removed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc.errors import BadRecordError
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)


def set_aside(error: BadRecordError, runtime: Runtime) -> None:
    """Note that a record cannot be read; the first time, log it."""
    if runtime.ledger.records.set_aside(error.job_id, error.reason):
        logger.error("record_set_aside", extra={"job": error.job_id, "reason": error.reason})
