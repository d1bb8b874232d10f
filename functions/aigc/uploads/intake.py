"""Intake: accepts the jobs of an object of the inbox and writes its entry.

An event and the reconciliation make the same jobs: the id of a job follows from bucket, key, ETag,
name of the rule and own metadata, which are read by one request. The entry is written last. If an
invocation dies before that, the repeated event or the reconciliation finds the existing jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aigc.errors import AigcError, BadImageError, InvalidRequestError
from aigc.image_files import MAX_INPUT_BYTES, check_head
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, fresh_id
from aigc.uploads.batches import BatchFileError
from aigc.uploads.entries import Entries, Entry, EntryJob
from aigc.uploads.inbox_object import InboxObject, UnwantedError
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


@dataclass(frozen=True, slots=True)
class ProcessedUpload:
    """The outcome of processing an object."""

    entry: Entry
    is_new: bool = False
    """Whether a new job was accepted."""


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
