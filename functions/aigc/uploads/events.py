"""Processes COS events: each record is one object, in the inbox or in the staging folder."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc.errors import BadPictureError, InvalidRequestError
from aigc.jobs.buckets import STAGING
from aigc.jobs.settle import on_stored
from aigc.uploads.intake import UnwantedError, take_in

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.triggers.cos import CosEvent, ObjectCreated
    from aigc.uploads.rules import Rules

logger = logging.getLogger("aigc.uploads")

_JOB_ID = re.compile("[0-9a-f]{32}")
_ATTEMPT = re.compile("[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of the records of one event."""

    counts: Counter[str]
    """Outcome → number of records."""
    errors: list[Exception] = field(default_factory=list)
    """Errors of records that a repeat of the event may resolve."""


def process(event: CosEvent, rules: Rules, runtime: Runtime) -> Processed:
    """Process every record; an error in one does not affect the others."""
    processed = Processed(Counter(ignored=len(event.ignored)))
    for reason in event.ignored:
        logger.warning("record_ignored", extra={"reason": reason})
    for created in event.created:
        try:
            processed.counts[_process_record(created, rules, runtime)] += 1
        except Exception as error:  # noqa: BLE001  the records behind it must not be lost with it
            logger.warning("record_failed", extra={**_named(created), "reason": repr(error)})
            processed.errors.append(error)
    return processed


def _process_record(created: ObjectCreated, rules: Rules, runtime: Runtime) -> str:
    """Process one record and return the name of the outcome."""
    settings = runtime.settings
    try:
        if created.bucket == settings.results_bucket and created.key.startswith(STAGING):
            return _settle(created, runtime)
        if created.bucket == settings.inbox_bucket:
            return take_in(created, rules, runtime)
        raise UnwantedError(f"{created.bucket} is not a bucket that uploads are taken from")
    except (UnwantedError, BadPictureError, InvalidRequestError) as reason:
        logger.info("upload_not_wanted", extra={**_named(created), "reason": str(reason)})
        return "not_wanted"


def _settle(created: ObjectCreated, runtime: Runtime) -> str:
    job_id, _, rest = created.key.removeprefix(STAGING).partition("/")
    attempt, _, name = rest.partition("/")
    if not name or not _JOB_ID.fullmatch(job_id) or not _ATTEMPT.fullmatch(attempt):
        raise UnwantedError("MPS leaves pictures under the id and attempt of a job")
    on_stored(job_id, int(attempt), runtime)
    return "stored"


def _named(created: ObjectCreated) -> dict[str, Any]:
    return {"bucket": created.bucket, "key": created.key, "size": created.size}
