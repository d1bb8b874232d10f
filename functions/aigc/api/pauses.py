"""Pauses of lanes in answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aigc.errors import CloudError
from aigc.jobs.pauses import read_pause

if TYPE_CHECKING:
    from aigc.api.openapi import schemas
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.pause import Pause
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)


def pause_sentence(job: Job, runtime: Runtime) -> str:
    """Return a sentence that says that a pause stops a job; empty if none does."""
    try:
        pause = read_pause(job, runtime)
    except CloudError as error:
        logger.warning("pause_not_read", extra={"lane": job.lane, "code": error.code})
        return ""
    if pause is None:
        return ""
    return (
        f" It waits since the vendor refuses the account ({pause.code}: {pause.message}), and"
        " continues by itself when the account is repaired."
    )


def described_pause(pause: Pause | None) -> schemas.Pause | None:
    """Describe why a lane is paused; None if it is not."""
    if pause is None or not pause.is_active:
        return None
    return {
        "action": pause.action,
        "code": pause.code,
        "message": pause.message,
        "request_id": pause.request_id,
        "since": pause.since.isoformat(),
        "next_probe": pause.next_probe.isoformat(),
    }
