"""Processes COS events: each record is one object, in the inbox or in the staging folder."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc.jobs.job import id_from
from aigc.jobs.settle import on_stored
from aigc.uploads.entries import Entries, EntryJob, content_of
from aigc.uploads.intake import TakenIn, UnwantedError, read_object, take_in
from aigc.uploads.rules import ANY_EVENT
from aigc.wire import with_fields

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.triggers.cos import CosEvent, ObjectCreated
    from aigc.uploads.entries import Entry
    from aigc.uploads.intake import InboxObject
    from aigc.uploads.rules import Rules

logger = logging.getLogger("aigc.uploads")

_JOB_ID = re.compile("[0-9a-f]{32}")
_ATTEMPT = re.compile("[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Processed:
    """The outcome of the records of one event."""

    counts: Counter[str]
    """Outcome → number of records."""
    errors: list[Exception] = field(default_factory=list)
    """Errors of records that a repeat of the event may resolve."""
    batches: set[str] = field(default_factory=set)
    """Batches whose files were uploaded."""


def process(event: CosEvent, rules: Rules, runtime: Runtime) -> Processed:
    """Process every record; an error in one does not affect the others."""
    processed = Processed(Counter(ignored=len(event.ignored)))
    for reason in event.ignored:
        logger.warning("record_ignored", extra={"reason": reason})
    for created in event.created:
        try:
            outcome = _process_record(created, rules, runtime, processed.batches)
            processed.counts[outcome] += 1
        except Exception as error:  # noqa: BLE001  the records behind it must not be lost with it
            logger.warning("record_failed", extra={**_named(created), "reason": repr(error)})
            processed.errors.append(error)
    for batch_id in processed.batches:  # after all records: a batch takes what time is left
        _begin_batch(batch_id, runtime)
    return processed


def _process_record(
    created: ObjectCreated, rules: Rules, runtime: Runtime, batches: set[str]
) -> str:
    """Process one record and return the name of the outcome; note the batch that it began."""
    settings = runtime.settings
    try:
        if created.bucket == settings.results_bucket and created.key.startswith(runtime.staging):
            return _settle(created, runtime)
        if created.bucket == settings.inbox_bucket:
            return _take_in(created, rules, runtime, batches)
        raise UnwantedError(f"{created.bucket} is not a bucket that uploads are taken from")
    except UnwantedError as reason:
        _log_unwanted(created, str(reason))
        return "not_wanted"


def _take_in(created: ObjectCreated, rules: Rules, runtime: Runtime, batches: set[str]) -> str:
    """Take in the object of a record; return the name of the outcome."""
    keys = [key for key in (created.key, *created.other_keys) if rules.may_concern(key)]
    if not keys:
        raise UnwantedError("no rule fits its key")
    read = _find(keys, runtime)
    if read is None:
        # The event may name the key in a form that is not known here. If the object still exists,
        # the reconciliation processes it.
        logger.warning("upload_not_found", extra=_named(created))
        return "not_found"
    if not rules.for_event(created.event).may_concern(read.key):
        _note_no_upload(created, read, runtime)
        raise UnwantedError(f"no rule takes an object by {created.event}")
    if created.event == ANY_EVENT and "before" in _known_kinds(read, runtime):
        raise UnwantedError("it lay in the inbox before a rule concerned it")
    taken = _of_earlier_version(created, read, rules, runtime)
    taken = taken or take_in(read, rules, runtime, created.request_id)
    if taken.entry.reason is not None:
        _log_unwanted(created, taken.entry.detail)
        return "not_wanted"
    outcome = "accepted" if taken.is_new else "known"
    if taken.entry.batch:
        batches.add(taken.entry.batch)
    _log_taken({**_named(created), "outcome": outcome}, taken.entry)
    return outcome


def _note_no_upload(created: ObjectCreated, read: InboxObject, runtime: Runtime) -> None:
    """Note that an object is no upload to any rule, so that no sweep processes it.

    A content that has an entry keeps it: then the object was copied onto itself.
    """
    if _known_kinds(read, runtime):
        return
    detail = f"no rule takes an object by {created.event}"
    entry = with_fields(read.entry("none", runtime), reason="not_an_upload", detail=detail)
    Entries(runtime.ledger.bucket).write(entry)


def _known_kinds(read: InboxObject, runtime: Runtime) -> set[str]:
    """Return the kinds of the entries that exist for this content."""
    content = content_of(read.peek.etag)
    names = Entries(runtime.ledger.bucket).of_key(read.key)
    return {name.kind for name in names if name.content == content}


def _find(keys: list[str], runtime: Runtime) -> InboxObject | None:
    """Read the first of the keys under which an object exists."""
    unusable: UnwantedError | None = None
    for key in keys:
        try:
            read = read_object(key, runtime)
        except UnwantedError as error:
            unusable = unusable or error
            continue
        if read is not None:
            return read
    if unusable is not None:
        raise unusable
    return None


def _of_earlier_version(
    created: ObjectCreated, read: InboxObject, rules: Rules, runtime: Runtime
) -> TakenIn | None:
    """Find the job that an earlier version of this program made of the same event.

    Its id was derived from the request id of the upload. Only an event that SCF repeats during an
    update can have such a job.
    """
    job_id = id_from("upload", created.bucket, read.key, created.occurrence)
    if runtime.ledger.records.read(job_id) is None:
        return None
    applied = rules.select(read.facts).applied
    jobs = (EntryJob(rule=applied[0].name if applied else "", id=job_id),)
    entry = with_fields(read.entry("job", runtime), jobs=jobs)
    Entries(runtime.ledger.bucket).write(entry)
    return TakenIn(entry)


def _begin_batch(batch_id: str, runtime: Runtime) -> None:
    from aigc.uploads.batches.work import begin_batch  # noqa: PLC0415  few uploads are batches

    begin_batch(batch_id, runtime)


def _settle(created: ObjectCreated, runtime: Runtime) -> str:
    job_id, _, rest = created.key.removeprefix(runtime.staging).partition("/")
    attempt, _, name = rest.partition("/")
    if not name or not _JOB_ID.fullmatch(job_id) or not _ATTEMPT.fullmatch(attempt):
        raise UnwantedError("MPS leaves images under the id and attempt of a job")
    on_stored(job_id, int(attempt), runtime)
    return "stored"


def _log_taken(fields: dict[str, Any], entry: Entry) -> None:
    if entry.batch:
        logger.info("batch_taken", extra={**fields, "batch": entry.batch})
    elif entry.detail:
        logger.info("upload_not_wanted", extra={**fields, "reason": entry.detail})
    for job in entry.jobs:
        logger.info("upload_taken", extra={**fields, "job": job.id, "rule": job.rule})


def _log_unwanted(created: ObjectCreated, reason: str) -> None:
    logger.info("upload_not_wanted", extra={**_named(created), "reason": reason})


def _named(created: ObjectCreated) -> dict[str, Any]:
    return {"bucket": created.bucket, "key": created.key, "size": created.size}
