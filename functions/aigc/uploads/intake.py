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
from urllib.parse import unquote

from aigc.errors import AigcError, BadPictureError, InvalidRequestError, RefusedError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, fresh_id, id_from
from aigc.pictures import HEAD, MAX_INPUT_BYTES, check_head
from aigc.places import checked_key
from aigc.uploads.entries import Entries, Entry, EntryJob, seconds
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.ports import Peek
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.entries import Kind, Reason
    from aigc.uploads.rules import Rule, Rules

OWN_METADATA = "x-cos-meta-aigc-"
"""Prefix of the headers of an object that are meant for this program."""

PROMPT_HEADER = f"{OWN_METADATA}prompt"

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
        """The object's own metadata by header; headers are ASCII, so it is percent-encoded."""
        headers = self.peek.headers.items()
        return {name: unquote(value) for name, value in headers if name.startswith(OWN_METADATA)}

    @property
    def prompt(self) -> str:
        """The upload's own prompt; empty if it has none."""
        return self.metadata.get(PROMPT_HEADER, "").strip()

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
        orders = orders_of(read, rules, runtime, read.job_id, request_id)
    except (UnwantedError, BadPictureError, InvalidRequestError) as error:
        entry = with_fields(read.entry("none", runtime), reason=_reason(error), detail=str(error))
        Entries(runtime.ledger.bucket).write(entry)
        return TakenIn(entry)
    are_new = [accept(order, runtime).is_new for order in orders]
    entry = with_fields(read.entry("job", runtime), jobs=tuple(map(_job, orders)))
    Entries(runtime.ledger.bucket).write(entry)
    return TakenIn(entry, is_new=any(are_new))


def take_in_again(read: InboxObject, rules: Rules, runtime: Runtime) -> list[Entry]:
    """Accept new jobs of an upload on request, beside those that it has.

    Raises:
        UnwantedError: No rule concerns it, or it is empty or too large.
        BadPictureError: It is not an image that the vendor takes.
        InvalidRequestError: The rule and the upload's metadata make no valid task.
        CloudError: Something could not be read or written.
    """
    entries = []
    for order in orders_of(read, rules, runtime, lambda _rule: fresh_id(runtime.now())):
        accept(replace(order, is_repeatable=False), runtime)
        entry = with_fields(read.entry("redo", runtime), jobs=(_job(order),))
        Entries(runtime.ledger.bucket).write(entry)
        entries.append(entry)
    return entries


def orders_of(
    read: InboxObject,
    rules: Rules,
    runtime: Runtime,
    job_id_for: Callable[[Rule], str],
    request_id: str = "",
) -> list[Order]:
    """Return the orders that the rules make of an object.

    Raises:
        UnwantedError: No rule concerns it, or it is empty or too large.
        BadPictureError: It is not an image that the vendor takes.
        InvalidRequestError: The rule and the upload's metadata make no valid task.
    """
    rule = rules.first_for(read.key)
    if rule is None:
        raise UnwantedError("no rule fits its key", "no_rule")
    _check_content(read.peek)
    return [_order(rule, read, job_id_for(rule), request_id, runtime)]


def _order(rule: Rule, read: InboxObject, job_id: str, request_id: str, runtime: Runtime) -> Order:
    task = rule.task_for(f"cos://{read.bucket}/{read.key}", read.prompt)
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
        output_location=rule.output_location(read.key, job_id=job_id, today=runtime.now()),
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
    return "not_an_image" if isinstance(error, BadPictureError) else "invalid"


def _job(order: Order) -> EntryJob:
    return EntryJob(rule=order.source.name, id=order.id)
