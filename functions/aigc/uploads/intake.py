"""Intake: an object of the inbox becomes the jobs of its rules, or gets the reason why not.

An event and the reconciliation lead to the same jobs: a job's id follows from bucket, key, ETag,
the rule's name and the object's own metadata, all of which one read of the object returns. The
entry is written last. An invocation that dies before leaves no entry, so a repeat of the event or
the reconciliation does the same again and finds the jobs that exist.
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
"""COS's codes for an object that cannot be read as it is: it is archived."""


class UnwantedError(AigcError):
    """An object does not become a job. The message says why."""

    def __init__(self, message: str, reason: Reason = "no_rule") -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class InboxObject:
    """An object of the inbox, as one read shows it."""

    bucket: str
    key: str
    peek: Peek

    @property
    def metadata(self) -> dict[str, str]:
        """The object's own metadata by name, decoded."""
        return own_metadata(self.peek.headers)

    @property
    def facts(self) -> UploadFacts:
        """What rules can know of it."""
        return UploadFacts(
            bucket=self.bucket,
            key=self.key,
            size=self.peek.size,
            content_type=content_type_of(self.peek.head) or "",
            metadata=self.metadata,
        )

    @property
    def metadata_digest(self) -> str:
        """A digest of the object's own metadata; empty without any."""
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
        cause = ["upload", self.bucket, self.key, self.peek.etag, rule.name, self.metadata_digest]
        if rule.repeat:
            cause.append(str(seconds(self.modified)))
        return id_from(*cause)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an object."""

    entry: Entry
    is_new: bool = False
    """Whether it became a job that did not exist before."""


def read_object(key: str, runtime: Runtime) -> InboxObject | None:
    """Read the first bytes and the headers of an object; None if it is not there.

    Raises:
        UnwantedError: No object with this key can be requested, or COS cannot read it as it is.
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


def take_in(read: InboxObject, rules: Rules, runtime: Runtime, request_id: str = "") -> TakenIn:
    """Accept the jobs of an upload, or find the reason why there is none, and write its entry.

    Raises:
        CloudError: Something could not be read or written; a repeat continues.
    """
    try:
        rule = batch_rule_of(read, rules)
        if rule is not None:
            return _take_in_batch(read, rule, read.job_id(rule), runtime, request_id=request_id)
        plan = plan_of(read, rules, runtime, read.job_id, request_id)
    except (UnwantedError, BadImageError, InvalidRequestError) as error:
        entry = with_fields(read.entry("none", runtime), reason=_reason(error), detail=str(error))
        Entries(runtime.ledger.bucket).write(entry)
        return TakenIn(entry)
    are_new = [accept(order, runtime).is_new for order in plan.orders]
    entry = with_fields(
        read.entry("job", runtime), jobs=tuple(map(_job, plan.orders)), detail=plan.detail
    )
    Entries(runtime.ledger.bucket).write(entry)
    return TakenIn(entry, is_new=any(are_new))


def take_in_again(read: InboxObject, rules: Rules, runtime: Runtime) -> list[Entry]:
    """Accept new jobs of an upload on request, beside those that it has.

    Raises:
        UnwantedError: No rule matches it, or it is empty or too large.
        BadImageError: It is not an image that the vendor takes.
        InvalidRequestError: No rule makes a valid task of it.
        CloudError: Something could not be read or written.
    """
    rule = batch_rule_of(read, rules)
    if rule is not None:
        return [_take_in_batch(read, rule, fresh_id(runtime.now()), runtime, kind="redo").entry]
    entries = []
    for order in plan_of(read, rules, runtime, lambda _rule: fresh_id(runtime.now())).orders:
        accept(replace(order, is_repeatable=False), runtime)
        entry = with_fields(read.entry("redo", runtime), jobs=(_job(order),))
        Entries(runtime.ledger.bucket).write(entry)
        entries.append(entry)
    return entries


def batch_rule_of(read: InboxObject, rules: Rules) -> Rule | None:
    """Return the rule by which an object is a batch; None if it is not."""
    if not any(rule.is_batch for rule in rules.rule):
        return None
    return next((rule for rule in rules.select(read.facts).applied if rule.is_batch), None)


def _take_in_batch(  # noqa: PLR0913  each is part of the entry
    read: InboxObject,
    rule: Rule,
    batch_id: str,
    runtime: Runtime,
    *,
    request_id: str = "",
    kind: Kind = "job",
) -> TakenIn:
    from aigc.uploads.batches.intake import create_batch  # noqa: PLC0415  few uploads are batches

    batch, is_new = create_batch(read, rule, batch_id, runtime, request_id)
    report = f"{runtime.settings.results_prefix}{batch.report_key}"
    detail = f"a batch by the rule {rule.name}; its report: {report}"
    entry = with_fields(read.entry(kind, runtime), batch=batch_id, detail=detail)
    Entries(runtime.ledger.bucket).write(entry)
    return TakenIn(entry, is_new=is_new)


@dataclass(frozen=True, slots=True)
class Plan:
    """The orders that the rules make of an object; at least one."""

    orders: list[Order]
    detail: str
    """The rules that match and make no valid task of it, with the reasons; empty if there are
    none."""


def plan_of(
    read: InboxObject,
    rules: Rules,
    runtime: Runtime,
    job_id_for: Callable[[Rule], str],
    request_id: str = "",
) -> Plan:
    """Return the orders that the rules make of an object. A rule that fails stops no other.

    Raises:
        UnwantedError: No rule matches it, or it is empty or too large.
        BadImageError: It is not an image that the vendor takes.
        InvalidRequestError: No rule makes a valid task of it.
    """
    if not rules.may_concern(read.key):
        raise UnwantedError("no rule fits its key", "no_rule")
    _check_content(read.peek)
    selection = rules.select(read.facts)
    if not selection.applied:
        reasons = (f"{rule.name}: {reason}" for rule, reason in selection.passed_over)
        raise UnwantedError(f"no rule fits it: {'; '.join(reasons)}"[:_LONGEST_DETAIL], "no_rule")
    orders, errors = [], []
    for rule in selection.applied:
        try:
            orders.append(_order(rule, read, job_id_for(rule), request_id, runtime))
        except InvalidRequestError as error:
            errors.append((rule.name, error))
    if not orders:
        raise errors[0][1]
    detail = "; ".join(f"{rule}: {error}" for rule, error in errors)
    return Plan(orders, detail[:_LONGEST_DETAIL])


def _order(rule: Rule, read: InboxObject, job_id: str, request_id: str, runtime: Runtime) -> Order:
    today = runtime.now()
    task = rule.task_for(read.facts, job_id=job_id, today=today)
    return Order(
        id=job_id,
        kind=rule.kind,
        task=task,
        source=Source(
            type="upload",
            name=rule.name,
            bucket=read.bucket,
            key=read.key,
            request_id=request_id,
        ),
        output_location=rule.output_location(read.facts, job_id=job_id, today=today),
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
