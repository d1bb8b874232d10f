"""Intake: an object of the inbox becomes the job of its rule."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aigc.errors import AigcError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, id_from
from aigc.pictures import HEAD, MAX_INPUT_BYTES, check_head, content_type_of
from aigc.places import checked_key
from aigc.uploads.conditions import UploadFacts, own_metadata
from aigc.uploads.templates import OWN_METADATA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.runtime import Runtime
    from aigc.triggers.cos import ObjectCreated
    from aigc.uploads.rules import Rule, Rules

logger = logging.getLogger("aigc.uploads")


class UnwantedError(AigcError):
    """An object does not become a job. The message says why."""


def take_in(created: ObjectCreated, rules: Rules, runtime: Runtime) -> str:
    """Accept the jobs of an upload; return `accepted`, or `known` if all of them exist.

    Raises:
        UnwantedError: The object is not an upload, or is empty, too large or gone.
        BadPictureError: It is not an image that the vendor takes.
        InvalidRequestError: The rule, or the upload's metadata, make no valid task.
    """
    outcomes = set()
    for order in _orders(created, rules, runtime):
        accepted = accept(order, runtime)
        outcome = "accepted" if accepted.is_new else "known"
        fields = {"bucket": created.bucket, "key": created.key, "size": created.size}
        fields |= {"job": order.id, "rule": order.source.name, "outcome": outcome}
        logger.info("upload_taken", extra=fields)
        outcomes.add(outcome)
    return min(outcomes)


def _orders(created: ObjectCreated, rules: Rules, runtime: Runtime) -> list[Order]:
    if not rules.may_concern(created.key):
        raise UnwantedError("no rule fits its key")
    _check_size(created)
    upload = _upload(created, runtime)
    selection = rules.select(upload)
    if not selection.applied:
        reasons = (f"{rule.name}: {reason}" for rule, reason in selection.passed_over)
        raise UnwantedError(f"no rule fits it: {'; '.join(reasons)}")
    return [_order(rule, upload, created, runtime) for rule in selection.applied]


def _order(rule: Rule, upload: UploadFacts, created: ObjectCreated, runtime: Runtime) -> Order:
    cause = ("upload", created.bucket, upload.key, created.occurrence, rule.name)
    job_id = id_from(*cause)
    today = runtime.now()
    task = rule.task_for(upload, job_id=job_id, today=today)
    return Order(
        id=job_id,
        kind=rule.kind,
        task=task,
        source=Source(
            type="upload",
            name=rule.name,
            bucket=created.bucket,
            key=upload.key,
            request_id=created.request_id,
        ),
        output_location=rule.output_location(upload, job_id=job_id, today=today),
        priority=task.tasks_priority or 0,
    )


def _check_size(created: ObjectCreated) -> None:
    if created.size == 0:
        raise UnwantedError("it is empty")
    if created.size > MAX_INPUT_BYTES:
        raise UnwantedError(f"it has {created.size} bytes, more than {MAX_INPUT_BYTES}")


def _upload(created: ObjectCreated, runtime: Runtime) -> UploadFacts:
    """Read what rules ask of the object; its key may be written in two ways in the event."""
    for key in filter(None, (created.key, created.other_key)):
        head = runtime.inbox.head(_checked(key), HEAD)
        if head is None:
            continue
        check_head(head)
        # Nothing promises that an event contains every header.
        headers = created.meta if _has_own(created.meta) else runtime.inbox.metadata(key) or {}
        return UploadFacts(
            bucket=created.bucket,
            key=key,
            size=created.size,
            content_type=content_type_of(head) or "",
            metadata=own_metadata(headers),
        )
    raise UnwantedError("it is not there any more")


def _has_own(headers: Mapping[str, str]) -> bool:
    return any(name.startswith(OWN_METADATA) for name in headers)


def _checked(key: str) -> str:
    try:
        return checked_key(key)
    except ValueError as reason:
        raise UnwantedError(f"its key {reason}") from None
