"""Processes COS events; each record is an object of the inbox or of the staging folder."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc.jobs.job import id_from
from aigc.jobs.settle import on_stored
from aigc.uploads.entries import Entries, EntryJob, content_of
from aigc.uploads.inbox_object import UnwantedError, read_object
from aigc.uploads.intake import ProcessedUpload, process_upload
from aigc.uploads.rules import ANY_EVENT
from aigc.wire import with_fields

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.triggers.cos import CosEvent, ObjectCreated
    from aigc.uploads.entries import Entry
    from aigc.uploads.inbox_object import InboxObject
    from aigc.uploads.rules import Rules

logger = logging.getLogger("aigc.uploads")

_JOB_ID = re.compile("[0-9a-f]{32}")
_ATTEMPT = re.compile("[0-9]{1,4}")
_NOT_AN_UPLOAD = "no rule has the event {}"


@dataclass(frozen=True, slots=True)
class ProcessedEvent:
    """The outcomes of the records of an event."""

    counts: Counter[str]
    """Outcome → number of records."""
    errors: list[Exception] = field(default_factory=list)
    """Errors that a repeat of the event may resolve."""
    batches: set[str] = field(default_factory=set)
    """Batches whose files were uploaded."""


def process_event(event: CosEvent, rules: Rules, runtime: Runtime) -> ProcessedEvent:
    """Process every record; an error in one does not affect the others."""
    processed = ProcessedEvent(Counter(ignored=len(event.ignored)))
    for reason in event.ignored:
        logger.warning("record_ignored", extra={"reason": reason})
    for created in event.created:
        try:
            outcome = _process_record(created, rules, runtime, processed.batches)
            processed.counts[outcome] += 1
        except Exception as error:  # noqa: BLE001  the other records must be processed
            logger.warning("record_failed", extra={**_log_fields(created), "reason": repr(error)})
            processed.errors.append(error)
    for batch_id in processed.batches:  # after all records: a batch takes the remaining time
        _begin_batch(batch_id, runtime)
    return processed


def _process_record(
    created: ObjectCreated, rules: Rules, runtime: Runtime, batches: set[str]
) -> str:
    """Process a record and return the name of its outcome; a new batch is added to `batches`."""
    settings = runtime.settings
    try:
        if created.bucket == settings.results_bucket and created.key.startswith(runtime.staging):
            return _settle(created, runtime)
        if created.bucket == settings.inbox_bucket:
            return _process_inbox_object(created, rules, runtime, batches)
        raise UnwantedError(f"{created.bucket} is not the inbox")
    except UnwantedError as reason:
        _log_unwanted(created, str(reason))
        return "not_wanted"


def _process_inbox_object(
    created: ObjectCreated, rules: Rules, runtime: Runtime, batches: set[str]
) -> str:
    """Process an object of the inbox; return the name of the outcome."""
    keys = [key for key in (created.key, *created.other_keys) if rules.may_match(key)]
    if not keys:
        raise UnwantedError("no rule matches its key")
    upload = _find(keys, runtime)
    if upload is None:
        # The event may name the key in a form that is not known here. If the object still exists,
        # the reconciliation processes it.
        logger.warning("upload_not_found", extra=_log_fields(created))
        return "not_found"
    if not rules.for_event(created.event).may_match(upload.key):
        _write_not_an_upload(created, upload, runtime)
        raise UnwantedError(_NOT_AN_UPLOAD.format(created.event))
    if created.event == ANY_EVENT and "before" in _known_kinds(upload, runtime):
        raise UnwantedError("it was in the inbox before a rule matched it")
    processed = _job_of_earlier_version(created, upload, rules, runtime)
    processed = processed or process_upload(upload, rules, runtime, created.request_id)
    if processed.entry.reason is not None:
        _log_unwanted(created, processed.entry.detail)
        return "not_wanted"
    outcome = "accepted" if processed.is_new else "known"
    if processed.entry.batch:
        batches.add(processed.entry.batch)
    _log_processed({**_log_fields(created), "outcome": outcome}, processed.entry)
    return outcome


def _write_not_an_upload(created: ObjectCreated, upload: InboxObject, runtime: Runtime) -> None:
    """Write an entry that no rule has this event, so that no sweep processes the object.

    If the content has an entry already, the object was copied onto itself, and the entry is kept.
    """
    if _known_kinds(upload, runtime):
        return
    detail = _NOT_AN_UPLOAD.format(created.event)
    entry = with_fields(upload.entry("none", runtime), reason="not_an_upload", detail=detail)
    Entries(runtime.ledger.bucket).write(entry)


def _known_kinds(upload: InboxObject, runtime: Runtime) -> set[str]:
    """Return the kinds of the entries that exist for this content."""
    content = content_of(upload.peek.etag)
    names = Entries(runtime.ledger.bucket).of_key(upload.key)
    return {name.kind for name in names if name.content == content}


def _find(keys: list[str], runtime: Runtime) -> InboxObject | None:
    """Read the object under the first of the keys that exists; None if there is none."""
    first_error: UnwantedError | None = None
    for key in keys:
        try:
            upload = read_object(key, runtime)
        except UnwantedError as error:
            first_error = first_error or error
            continue
        if upload is not None:
            return upload
    if first_error is not None:
        raise first_error
    return None


def _job_of_earlier_version(
    created: ObjectCreated, upload: InboxObject, rules: Rules, runtime: Runtime
) -> ProcessedUpload | None:
    """Return the job that an earlier version of this program made of the same event.

    Its id was derived from the request id of the upload. Only an event that SCF repeats during an
    update can have such a job.
    """
    job_id = id_from("upload", created.bucket, upload.key, created.occurrence)
    if runtime.ledger.records.read(job_id) is None:
        return None
    applied = rules.select(upload.facts).applied
    jobs = (EntryJob(rule=applied[0].name if applied else "", id=job_id),)
    entry = with_fields(upload.entry("job", runtime), jobs=jobs)
    Entries(runtime.ledger.bucket).write(entry)
    return ProcessedUpload(entry)


def _begin_batch(batch_id: str, runtime: Runtime) -> None:
    from aigc.uploads.batches.work import begin_batch  # noqa: PLC0415  few uploads are batches

    begin_batch(batch_id, runtime)


def _settle(created: ObjectCreated, runtime: Runtime) -> str:
    job_id, _, rest = created.key.removeprefix(runtime.staging).partition("/")
    attempt, _, name = rest.partition("/")
    if not name or not _JOB_ID.fullmatch(job_id) or not _ATTEMPT.fullmatch(attempt):
        raise UnwantedError("an image of MPS has the id and the attempt of a job in its key")
    on_stored(job_id, int(attempt), runtime)
    return "stored"


def _log_processed(fields: dict[str, Any], entry: Entry) -> None:
    if entry.batch:
        logger.info("batch_taken", extra={**fields, "batch": entry.batch})
    elif entry.detail:
        logger.info("upload_not_wanted", extra={**fields, "reason": entry.detail})
    for job in entry.jobs:
        logger.info("upload_taken", extra={**fields, "job": job.id, "rule": job.rule})


def _log_unwanted(created: ObjectCreated, reason: str) -> None:
    logger.info("upload_not_wanted", extra={**_log_fields(created), "reason": reason})


def _log_fields(created: ObjectCreated) -> dict[str, Any]:
    return {"bucket": created.bucket, "key": created.key, "size": created.size}
