"""Records that this version cannot read are set aside; other jobs are not affected.

Such a record is damaged, or a newer version wrote it before this one was deployed again. Its job
keeps its markers, its slot and its claims, since its task may run. A note `dead/records/<id>.json`
says why the record cannot be read. Each sweep reads the record again. When a version that can read
it is deployed, the sweep continues the job and removes the note.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc.errors import BadRecordError
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)


def set_aside(error: BadRecordError, runtime: Runtime) -> None:
    """Note that a record cannot be read, and log it the first time."""
    if runtime.ledger.records.set_aside(error.job_id, error.reason):
        logger.error("record_set_aside", extra={"job": error.job_id, "reason": error.reason})
