"""Intake: an object of the inbox becomes the job of its rule."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aigc.errors import AigcError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, id_from
from aigc.pictures import HEAD, MAX_INPUT_BYTES, check_head
from aigc.places import RESERVED, checked_key

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.triggers.cos import ObjectCreated
    from aigc.uploads.rules import Rule, Rules

logger = logging.getLogger("aigc.uploads")

PROMPT_HEADER = "x-cos-meta-aigc-prompt"


class UnwantedError(AigcError):
    """An object does not become a job. The message says why."""


def take_in(created: ObjectCreated, rules: Rules, runtime: Runtime) -> str:
    """Accept the job of an upload; return `accepted`, or `known` if the job exists.

    Raises:
        UnwantedError: The object is not an upload, or is empty, too large or gone.
        BadPictureError: It is not an image that the vendor takes.
        InvalidRequestError: The rule and the upload's prompt make no valid task.
    """
    order = _order(created, rules, runtime)
    accepted = accept(order, runtime)
    outcome = "accepted" if accepted.is_new else "known"
    fields = {"bucket": created.bucket, "key": created.key, "size": created.size}
    fields |= {"job": order.id, "rule": order.source.name, "outcome": outcome}
    logger.info("upload_taken", extra=fields)
    return outcome


def _order(created: ObjectCreated, rules: Rules, runtime: Runtime) -> Order:
    rule = _rule(created, rules)
    _check_size(created)
    key = _picture_key(created, runtime)
    job_id = id_from("upload", created.bucket, key, created.occurrence)
    task = rule.task_for(f"cos://{created.bucket}/{key}", _prompt(created, key, runtime))
    return Order(
        id=job_id,
        kind=rule.kind,
        task=task,
        source=Source(
            type="upload",
            name=rule.name,
            bucket=created.bucket,
            key=key,
            request_id=created.request_id,
        ),
        output_location=rule.output_location(key, job_id=job_id, today=runtime.now()),
        priority=task.tasks_priority or 0,
    )


def _rule(created: ObjectCreated, rules: Rules) -> Rule:
    rule = None if created.key.startswith(RESERVED) else rules.first_for(created.key)
    if rule is None:
        raise UnwantedError("no rule fits its key")
    return rule


def _check_size(created: ObjectCreated) -> None:
    if created.size == 0:
        raise UnwantedError("it is empty")
    if created.size > MAX_INPUT_BYTES:
        raise UnwantedError(f"it has {created.size} bytes, more than {MAX_INPUT_BYTES}")


def _picture_key(created: ObjectCreated, runtime: Runtime) -> str:
    """Return the key of the object; the event may be read in two ways."""
    for key in filter(None, (created.key, created.other_key)):
        head = runtime.buckets.inbox.head(_checked(key), HEAD)
        if head is None:
            continue
        check_head(head)
        return key
    raise UnwantedError("it is not there any more")


def _checked(key: str) -> str:
    try:
        return checked_key(key)
    except ValueError as reason:
        raise UnwantedError(f"its key {reason}") from None


def _prompt(created: ObjectCreated, key: str, runtime: Runtime) -> str:
    """Return the upload's own prompt; headers are ASCII, so it is percent-encoded."""
    header = created.meta.get(PROMPT_HEADER)
    if header is None:  # nothing promises that an event contains every header
        header = (runtime.buckets.inbox.metadata(key) or {}).get(PROMPT_HEADER, "")
    return unquote(header).strip()
