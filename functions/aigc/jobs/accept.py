"""Accept: an order becomes exactly one job, even if it is repeated or an invocation dies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aigc.jobs.job import Job, OutputLocation, Source, first_attempt
from aigc.jobs.launch import enqueue, launch
from aigc.jobs.ledger.lanes import marker_key

if TYPE_CHECKING:
    from datetime import datetime

    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A task with its options, and the id that a repeat of the same request also has."""

    id: str
    kind: str
    task: Task
    source: Source
    output_location: OutputLocation
    priority: int = 0
    start_by: datetime | None = None
    webhook_url: str = ""
    visible_label: bool = False
    """Whether the vendor draws its logo if the task does not say."""
    is_repeatable: bool = True
    """Whether another call may have the same id, and so create the same job."""


class Accepted(NamedTuple):
    """The job of an order; not new if an earlier order had the same id."""

    job: Job
    is_new: bool


def accept(order: Order, runtime: Runtime, *, starts: bool = True) -> Accepted:
    """Write the job and start it if its lane has a free slot, or leave that to the next pump.

    Once the record is written, the job will end. An earlier job with the same id is returned
    unchanged, even if its task differs: compare `fingerprint`s.

    Raises:
        CloudError: The job could not be written.
    """
    if order.is_repeatable:
        existing = runtime.ledger.claims.find_or_win(order.id)
        if existing is not None:
            return Accepted(existing, is_new=False)
    write = launch if starts else enqueue
    return Accepted(write(_new_job(order, runtime), runtime), is_new=True)


def fingerprint(task: Task) -> str:
    """Return a digest of a task; it distinguishes a repeat from another task with the same id."""
    return hashlib.sha256(json.dumps(_recorded(task), sort_keys=True).encode()).hexdigest()


def _recorded(task: Task) -> dict[str, object]:
    """Return a task in the form that a record contains."""
    return task.model_dump(mode="json", exclude_none=True)


def _new_job(order: Order, runtime: Runtime) -> Job:
    now = runtime.now()
    task, warnings = _with_label_default(order, runtime)
    return Job(
        id=order.id,
        kind=order.kind,
        lane=order.kind,
        state="queued",
        is_repeatable=order.is_repeatable,
        marker=marker_key(
            order.id, order.kind, order.priority, not_before=now, start_by=order.start_by
        ),
        priority=order.priority,
        created_at=now,
        updated_at=now,
        source=order.source,
        task=_recorded(task),
        fingerprint=fingerprint(order.task),
        warnings=warnings,
        output_location=order.output_location,
        start_by=order.start_by,
        webhook_url=order.webhook_url,
        attempts=(first_attempt(order.id, runtime.settings.ledger_bucket),),
    )


def _with_label_default(order: Order, runtime: Runtime) -> tuple[Task, tuple[str, ...]]:
    """Request a visible label if it is the default; return the task and its warnings.

    The fingerprint is made of the task before this: a repeat stays one if the default changes.
    """
    task = order.task
    if order.visible_label or runtime.settings.labels == "visible":
        task = task.with_visible_label()
        if task.visible_label() is None:
            no_logo = f"no visible label: {order.kind} has no parameter for it"
            return task, (*task.warnings(), no_logo)
    return task, task.warnings()
