"""The function behind the COS triggers: uploads become jobs, MPS's pictures settle theirs."""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aigc.errors import AigcError, BadPictureError, InvalidRequestError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source, id_from
from aigc.jobs.settle import on_stored
from aigc.logs import invocation, note
from aigc.pictures import HEAD, MAX_INPUT_BYTES, check_head
from aigc.places import RESERVED, checked_key
from aigc.rules import Rules, packaged_rules
from aigc.triggers.cos import CosEvent

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.rules import Rule
    from aigc.triggers.cos import ObjectCreated

logger = logging.getLogger("aigc.upload")

PROMPT_HEADER = "x-cos-meta-aigc-prompt"

_JOB_ID = re.compile("[0-9a-f]{32}")
_ATTEMPT = re.compile("[0-9]{1,4}")


class UnwantedError(AigcError):
    """An object is nothing to make a picture from; it says why."""


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, int]:
    """Take in the objects of one event."""
    with invocation(context):
        return handle(CosEvent.parse(event), rules=_rules(), runtime=_runtime(context))


def handle(event: CosEvent, *, rules: Rules, runtime: Runtime) -> dict[str, int]:
    """Go through every record and count what became of each.

    Raises:
        Exception: The first fault that a repeat may mend, after all records had their turn:
            SCF repeats an event only when its handler raises, and a repeat finds the jobs
            that there are.
    """
    counts = Counter(ignored=len(event.ignored))
    faults: list[Exception] = []
    for reason in event.ignored:
        logger.warning("record_ignored", extra={"reason": reason})
    for created in event.created:
        try:
            counts[_take(created, rules, runtime)] += 1
        except Exception as fault:  # noqa: BLE001  the records behind it must not be lost with it
            logger.warning("record_failed", extra={**_named(created), "reason": repr(fault)})
            faults.append(fault)
    note(**counts, faults=len(faults))
    if faults:
        raise faults[0]
    return dict(counts)


def _take(created: ObjectCreated, rules: Rules, runtime: Runtime) -> str:
    """Do what an object asks for, and name the outcome."""
    settings = runtime.settings
    try:
        if created.bucket == settings.results_bucket and created.key.startswith(runtime.staging):
            return _settle(created, runtime)
        if created.bucket == settings.inbox_bucket:
            return _accept(created, rules, runtime)
        raise UnwantedError(f"{created.bucket} is not a bucket that uploads are taken from")
    except (UnwantedError, BadPictureError, InvalidRequestError) as reason:
        logger.info("upload_not_wanted", extra={**_named(created), "reason": str(reason)})
        return "not_wanted"


def _settle(created: ObjectCreated, runtime: Runtime) -> str:
    job_id, _, rest = created.key.removeprefix(runtime.staging).partition("/")
    attempt, _, name = rest.partition("/")
    if not name or not _JOB_ID.fullmatch(job_id) or not _ATTEMPT.fullmatch(attempt):
        raise UnwantedError("MPS leaves pictures under the id and attempt of a job")
    on_stored(job_id, int(attempt), runtime)
    return "stored"


def _accept(created: ObjectCreated, rules: Rules, runtime: Runtime) -> str:
    order = _order(created, rules, runtime)
    accepted = accept(order, runtime)
    outcome = "accepted" if accepted.is_new else "known"
    fields = {**_named(created), "job": order.id, "rule": order.source.name}
    logger.info("upload_taken", extra={**fields, "outcome": outcome})
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
        priority=getattr(task, "tasks_priority", None) or 0,
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
    """Return the key under which the picture lies: the event may be read in two ways."""
    for key in filter(None, (created.key, created.other_key)):
        head = runtime.inbox.head(_checked(key), HEAD)
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
    """Return the upload's own prompt; headers are ASCII, so it comes percent-encoded."""
    told = created.meta.get(PROMPT_HEADER)
    if told is None:  # nothing promises that an event brings every header
        told = (runtime.inbox.metadata(key) or {}).get(PROMPT_HEADER, "")
    return unquote(told).strip()


def _named(created: ObjectCreated) -> dict[str, Any]:
    return {"bucket": created.bucket, "key": created.key, "size": created.size}


@functools.cache
def _rules() -> Rules:
    return packaged_rules(Path(__file__).with_name("rules.json"))


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.cloud.runtime import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
