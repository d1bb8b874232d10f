"""Intake: accepts the jobs of an object of the inbox and writes its entry.

An event and the reconciliation make the same jobs: the id of a job follows from bucket, key, ETag,
name of the rule and own metadata, which are read by one request. The entry is written last. If an
invocation dies before that, the repeated event or the reconciliation finds the existing jobs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aigc.errors import AigcError, BadImageError, InvalidRequestError, RefusedError
from aigc.image_files import HEAD, MAX_INPUT_BYTES, check_head, content_type_of
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, fresh_id, id_from
from aigc.object_keys import checked_key
from aigc.uploads.batches import BatchFileError
from aigc.uploads.conditions import UploadFacts, own_metadata
from aigc.uploads.entries import Entries, Entry, EntryJob, seconds
from aigc.uploads.templates import MissingMetadataError
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.ports import Peek
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.entries import Kind, Reason
    from aigc.uploads.rule import Rule
    from aigc.uploads.rules import Rules

_LONGEST_DETAIL = 1000

UNREADABLE_CODES = frozenset({"InvalidObjectState"})
"""COS's codes for an object that cannot be read, since it is archived."""


class UnwantedError(AigcError):
    """An object does not become a job; the message has the reason."""

    def __init__(self, message: str, reason: Reason = "no_rule") -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class InboxObject:
    """An object of the inbox: its headers and its first bytes, from one request."""

    bucket: str
    key: str
    peek: Peek

    @property
    def metadata(self) -> dict[str, str]:
        """The object's own metadata by name, decoded."""
        return own_metadata(self.peek.headers)

    @property
    def facts(self) -> UploadFacts:
        """The properties that rules can use."""
        return UploadFacts(
            bucket=self.bucket,
            key=self.key,
            size=self.peek.size,
            content_type=content_type_of(self.peek.head) or "",
            metadata=self.metadata,
        )

    @property
    def metadata_digest(self) -> str:
        """A digest of the object's own metadata; empty if it has none."""
        if not self.metadata:
            return ""
        text = "\0".join(f"{name}={value}" for name, value in sorted(self.metadata.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def modified(self) -> datetime:
        """When the object was written, to the second."""
        return self.peek.modified or datetime.fromtimestamp(0, timezone.utc)

    def entry(self, kind: Kind, runtime: Runtime) -> Entry:
        """Return an entry for this content."""
        return Entry(
            key=self.key,
            etag=self.peek.etag,
            size=self.peek.size,
            modified=self.modified,
            kind=kind,
            noted_at=runtime.now(),
            metadata=self.metadata_digest,
        )

    def job_id(self, rule: Rule) -> str:
        """Return the id of the job that a rule makes of this content."""
        parts = ["upload", self.bucket, self.key, self.peek.etag, rule.name, self.metadata_digest]
        if rule.repeat:
            parts.append(str(seconds(self.modified)))
        return id_from(*parts)


@dataclass(frozen=True, slots=True)
class ProcessedUpload:
    """The outcome of processing an object."""

    entry: Entry
    is_new: bool = False
    """Whether a new job was accepted."""


def read_object(key: str, runtime: Runtime) -> InboxObject | None:
    """Read the first bytes and the headers of an object; None if it does not exist.

    Raises:
        UnwantedError: The key cannot be used in requests, or the object is archived.
        CloudError: COS did not answer, or refuses the function.
    """
    try:
        checked_key(key)
    except ValueError as reason:
        raise UnwantedError(f"its key {reason}", "unusable_key") from None
    try:
        peek = runtime.buckets.inbox.peek(key, HEAD)
    except RefusedError as error:
        if error.code not in UNREADABLE_CODES:
            raise
        raise UnwantedError(f"it cannot be read: {error.code}", "unreadable") from None
    return None if peek is None else InboxObject(runtime.settings.inbox_bucket, key, peek)


def process_upload(
    upload: InboxObject, rules: Rules, runtime: Runtime, request_id: str = ""
) -> ProcessedUpload:
    """Accept the jobs of an upload and write its entry, which has the reason if there is no job.

    Raises:
        CloudError: Something could not be read or written; a repeat continues.
    """
    try:
        rule = batch_rule_of(upload, rules)
        if rule is not None:
            return _process_batch(upload, rule, upload.job_id(rule), runtime, request_id=request_id)
        plan = plan_of(upload, rules, runtime, upload.job_id, request_id)
    except (UnwantedError, BadImageError, InvalidRequestError) as error:
        entry = with_fields(upload.entry("none", runtime), reason=_reason(error), detail=str(error))
        Entries(runtime.ledger.bucket).write(entry)
        return ProcessedUpload(entry)
    are_new = [accept(order, runtime).is_new for order in plan.orders]
    entry = with_fields(
        upload.entry("job", runtime), jobs=tuple(map(_job, plan.orders)), detail=plan.detail
    )
    Entries(runtime.ledger.bucket).write(entry)
    return ProcessedUpload(entry, is_new=any(are_new))


def process_again(upload: InboxObject, rules: Rules, runtime: Runtime) -> list[Entry]:
    """Accept new jobs of an upload on request, in addition to its existing jobs.

    Raises:
        UnwantedError: No rule matches it, or it is empty or too large.
        BadImageError: It is not an image that the vendor accepts.
        InvalidRequestError: No rule makes a valid task of it.
        CloudError: Something could not be read or written.
    """
    rule = batch_rule_of(upload, rules)
    if rule is not None:
        return [_process_batch(upload, rule, fresh_id(runtime.now()), runtime, kind="redo").entry]
    entries = []
    for order in plan_of(upload, rules, runtime, lambda _rule: fresh_id(runtime.now())).orders:
        accept(replace(order, is_repeatable=False), runtime)
        entry = with_fields(upload.entry("redo", runtime), jobs=(_job(order),))
        Entries(runtime.ledger.bucket).write(entry)
        entries.append(entry)
    return entries


def batch_rule_of(upload: InboxObject, rules: Rules) -> Rule | None:
    """Return the rule for batches that applies to an object; None if there is none."""
    if not any(rule.is_batch for rule in rules.rule):
        return None
    return next((rule for rule in rules.select(upload.facts).applied if rule.is_batch), None)


def _process_batch(  # noqa: PLR0913  each is part of the entry
    upload: InboxObject,
    rule: Rule,
    batch_id: str,
    runtime: Runtime,
    *,
    request_id: str = "",
    kind: Kind = "job",
) -> ProcessedUpload:
    from aigc.uploads.batches.intake import create_batch  # noqa: PLC0415  few uploads are batches

    batch, is_new = create_batch(upload, rule, batch_id, runtime, request_id)
    report = f"{runtime.settings.results_prefix}{batch.report_key}"
    detail = f"a batch by the rule {rule.name}; its report: {report}"
    entry = with_fields(upload.entry(kind, runtime), batch=batch_id, detail=detail)
    Entries(runtime.ledger.bucket).write(entry)
    return ProcessedUpload(entry, is_new=is_new)


@dataclass(frozen=True, slots=True)
class Plan:
    """The orders that the rules make of an object; at least one."""

    orders: list[Order]
    detail: str
    """The rules that match but make no valid task, with the reasons; empty if there are none."""


def plan_of(
    upload: InboxObject,
    rules: Rules,
    runtime: Runtime,
    job_id_for: Callable[[Rule], str],
    request_id: str = "",
) -> Plan:
    """Return the orders that the rules make of an object; a rule that fails is left out.

    Raises:
        UnwantedError: No rule matches it, or it is empty or too large.
        BadImageError: It is not an image that the vendor accepts.
        InvalidRequestError: No rule makes a valid task of it.
    """
    if not rules.may_match(upload.key):
        raise UnwantedError("no rule matches its key", "no_rule")
    _check_content(upload.peek)
    selection = rules.select(upload.facts)
    if not selection.applied:
        reasons = (f"{rule.name}: {reason}" for rule, reason in selection.skipped)
        raise UnwantedError(
            f"no rule matches it: {'; '.join(reasons)}"[:_LONGEST_DETAIL], "no_rule"
        )
    orders, errors = [], []
    for rule in selection.applied:
        try:
            orders.append(_order(rule, upload, job_id_for(rule), request_id, runtime))
        except InvalidRequestError as error:
            errors.append((rule.name, error))
    if not orders:
        raise errors[0][1]
    detail = "; ".join(f"{rule}: {error}" for rule, error in errors)
    return Plan(orders, detail[:_LONGEST_DETAIL])


def _order(
    rule: Rule, upload: InboxObject, job_id: str, request_id: str, runtime: Runtime
) -> Order:
    today = runtime.now()
    task = rule.task_for(upload.facts, job_id=job_id, today=today)
    return Order(
        id=job_id,
        kind=rule.kind,
        task=task,
        source=Source(
            type="upload",
            name=rule.name,
            bucket=upload.bucket,
            key=upload.key,
            request_id=request_id,
        ),
        output_location=rule.output_location(upload.facts, job_id=job_id, today=today),
        priority=task.tasks_priority or 0,
    )


def _check_content(peek: Peek) -> None:
    if peek.size == 0:
        raise UnwantedError("it is empty", "empty")
    if peek.size > MAX_INPUT_BYTES:
        detail = f"it has {peek.size} bytes, more than {MAX_INPUT_BYTES}"
        raise UnwantedError(detail, "too_large")
    check_head(peek.head)


def _reason(error: AigcError) -> Reason:
    if isinstance(error, UnwantedError):
        return error.reason
    if isinstance(error, BatchFileError):
        return "not_a_batch"
    if isinstance(error, MissingMetadataError):
        return "missing_metadata"
    return "not_an_image" if isinstance(error, BadImageError) else "invalid"


def _job(order: Order) -> EntryJob:
    return EntryJob(rule=order.source.name, id=order.id)
