"""Transitions: each writes a change of a claimed job to the ledger, with what belongs to it."""

from __future__ import annotations

import itertools
import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import BadRecordError, RefusedError
from aigc.jobs.capacity import slow_down
from aigc.jobs.job import JobError
from aigc.jobs.ledger.lanes import HIGHEST_PRIORITY, marker_key
from aigc.jobs.ledger.records import follow_up_of
from aigc.jobs.notices import notes_of_end
from aigc.jobs.webhooks import enqueue_delivery

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.job import ErrorType, Job
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
"""Attempts without free capacity upstream before a job fails; about half an hour of waiting."""

MOST_NOTES = 50
"""Most notes that are read to find an overdue task of a lane."""

MAX_DEATHS = 8
"""Invocations that may die while they send a job; then it fails, since it may be the cause."""

REPEAT_SHARE = 1 / 4
"""Wait before a call with an unknown outcome is repeated, as a share of its age."""

LONGEST_REPEAT_WAIT_S = 900
"""Longest wait between two of these repeats."""

PERMANENT_ERRORS: frozenset[ErrorType] = frozenset({"refused", "moderated"})
"""Errors that the same task would cause again, unless the error is marked as retryable."""


def mark_running(job: Job, task_id: str, runtime: Runtime, *, request_id: str = "") -> Job:
    """Write that the vendor has the task.

    The sweep finds a job without a slot by its marker, and later by a note: the note is written
    before the marker is removed.
    """
    changed = job.run(task_id, request_id)
    ledger = runtime.ledger
    running: Job
    if job.attempt.slot is None:
        ledger.records.note_follow_up(job.id, runtime.now())
        running = ledger.records.write(changed)
        ledger.lanes.remove_marker(job.marker)
    else:
        running, _ = runtime.parallel(
            lambda: ledger.records.write(changed),
            lambda: ledger.lanes.remove_marker(job.marker),
        )
    logger.info("task_started", extra={"job": job.id, "kind": job.kind, "task_id": task_id})
    return running


def mark_ambiguous(job: Job, runtime: Runtime) -> Job:
    """Write that no answer shows whether the vendor accepted the task.

    A callback or the sweep finds it out later. If it stays unknown for a long time, and the call
    may be repeated, the job releases its slot.
    """
    logger.warning("submission_ambiguous", extra={"job": job.id, "kind": job.kind})
    is_overdue = has_passed(runtime.settings.unknown_after_s, job.attempt.submitted_at, runtime)
    if is_overdue and runtime.kind_of(job).deduplicates:
        return _wait_to_repeat(job, runtime)
    return runtime.ledger.records.write(job.mark_ambiguous())


def _wait_to_repeat(job: Job, runtime: Runtime) -> Job:
    """Release the slot of a job, and queue the job to repeat its call in another slot.

    Its task may be paid for already, so its new marker has the highest priority. The marker is
    written before the record that names it. The lane is slowed down for a while, since the task
    may still count towards the vendor's limit.
    """
    now = runtime.now()
    age_s = (now - (job.attempt.submitted_at or now)).total_seconds()
    not_before = now + timedelta(seconds=min(REPEAT_SHARE * age_s, LONGEST_REPEAT_WAIT_S))
    marker = marker_key(job.id, job.lane, HIGHEST_PRIORITY, not_before=not_before, start_by=None)
    waiting = job.wait_to_repeat(marker, now)
    if job.attempt.overdue_at is None:
        slow_down(job.lane, runtime)
        logger.error("task_overdue", extra={"job": job.id, "kind": job.kind, "task_id": ""})
    runtime.ledger.lanes.enqueue(waiting)
    written = runtime.ledger.records.write(waiting)
    _release(job, runtime)
    return written


def end(job: Job, runtime: Runtime) -> Job:
    """Write the last revision of a job that has ended, then release its slot.

    The keys by which its webhook, its claims and its images are found are written before the
    record: after it, the sweep does not look at the job any more.
    """
    with_webhook, _, _ = runtime.parallel(
        lambda: enqueue_delivery(job, runtime),
        lambda: runtime.ledger.claims.note_end(job),
        lambda: index_images(job, runtime),
    )
    ended: Job = runtime.ledger.records.write(with_webhook)
    _release(ended, runtime, *notes_of_end(ended, runtime))
    logger.info(
        "job_ended",
        extra={
            "job": job.id,
            "kind": job.kind,
            "state": job.state,
            "error": job.error.type if job.error else "",
            "code": job.error.code if job.error else "",
        },
    )
    return ended


def index_images(job: Job, runtime: Runtime) -> None:
    """Write the entry by which the images of a job are listed; a repeat writes the same key."""
    if job.state != "succeeded":
        return
    from aigc.jobs.ledger.images import image_set  # noqa: PLC0415  few invocations store images

    task = runtime.task_of(job)
    entry = image_set(job, task.model_label(), task.prompt_text())
    try:
        runtime.ledger.write_note(entry.key)
    except RefusedError:
        # COS may refuse a text in a key; a paid job must end all the same.
        runtime.ledger.write_note(entry.without_texts().key)


def fail(job: Job, error: JobError, runtime: Runtime) -> Job:
    """End a job that cannot succeed; it is kept for a replay if the error is not permanent."""
    failed = job.fail(error, runtime.now())
    if not is_permanent(error):
        runtime.ledger.records.bury(failed)
    return end(failed, runtime)


def is_permanent(error: JobError) -> bool:
    """Whether the same task would fail with the same error: then the job is not replayed.

    A refusal is retryable if its code does not show that the task is at fault.
    """
    return error.type in PERMANENT_ERRORS and not error.retryable


def expire(job: Job, runtime: Runtime) -> Job:
    """Cancel a job that still waits after its `start_by`; otherwise return it unchanged."""
    if job.state != "queued" or job.start_by is None or runtime.now() < job.start_by:
        return job
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    deadline = f"{job.start_by:%Y-%m-%dT%H:%M:%SZ}"
    message = f"not started by {deadline}, the latest start of the request; nothing is billed"
    error = JobError(type="not_started", message=message, retryable=True)
    return end(claimed.cancel(error), runtime)


def queue_again(job: Job, error: JobError, runtime: Runtime) -> Job:
    """Queue a job again, with a wait and a new session, since the vendor had no capacity for it.

    The vendor did not run this attempt, or ended it for lack of capacity: a new one is not billed
    twice. The new marker is written before the record that names it.
    """
    slow_down(job.lane, runtime)
    number = job.attempt.number
    attempts = number - job.spent_attempts
    if attempts >= MAX_ATTEMPTS and not _has_overdue_task(job.lane, runtime):
        return fail(job, error, runtime)
    wait_s = with_jitter(runtime.settings.retry_base_s * 2 ** (min(attempts, MAX_ATTEMPTS) - 1))
    not_before = runtime.now() + timedelta(seconds=wait_s)
    marker = marker_key(
        job.id, job.lane, job.priority, not_before=not_before, start_by=job.start_by
    )
    waiting = job.queue_again(error, runtime.now(), marker)
    runtime.ledger.lanes.enqueue(waiting)
    queued = runtime.ledger.records.write(waiting)
    _release(job, runtime)
    logger.warning("job_queued_again", extra={"job": job.id, "attempt": number, "code": error.code})
    return queued


def _has_overdue_task(lane: str, runtime: Runtime) -> bool:
    """Whether an overdue task may use the vendor's capacity; such a task ends within days."""
    notes = itertools.islice(runtime.ledger.records.list_follow_ups(), MOST_NOTES)
    return any(_is_overdue(follow_up_of(note).job_id, lane, runtime) for note in notes)


def _is_overdue(job_id: str, lane: str, runtime: Runtime) -> bool:
    """Whether a job that a note leads to has a task of the lane that still runs."""
    try:
        job = runtime.ledger.records.read(job_id)
    except BadRecordError:  # its task may run in any lane, and the sweep reports it
        return False
    return job is not None and job.lane == lane and job.state == "running"


def hold(job: Job, runtime: Runtime, *, refusals: int, wait_s: float = 0) -> Job:
    """Put a job whose call was refused back into its queue, in the same attempt.

    Without a wait the job keeps its marker, and so its place in the queue. Otherwise the new marker
    is written before the record that names it.
    """
    marker = job.marker
    if wait_s:
        not_before = runtime.now() + timedelta(seconds=wait_s)
        marker = marker_key(
            job.id, job.lane, job.priority, not_before=not_before, start_by=job.start_by
        )
    held = job.hold(marker, refusals=refusals)
    if wait_s:
        runtime.ledger.lanes.enqueue(held)
    queued = runtime.ledger.records.write(held)
    if wait_s:
        _release(job, runtime)
    else:
        _release_slot(job, runtime)
    logger.warning("job_held", extra={"job": job.id, "lane": job.lane, "refusals": refusals})
    return queued


def with_jitter(seconds: float) -> float:
    """Vary a wait by 50 % at random: jobs that failed together then do not retry together."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  no secret


def has_passed(seconds: float, since: datetime | None, runtime: Runtime) -> bool:
    """Whether a number of seconds has passed since a moment; False without a moment."""
    return since is not None and runtime.now() - since > timedelta(seconds=seconds)


def _release(job: Job, runtime: Runtime, *more_requests: Callable[[], object]) -> None:
    """Remove the marker and the note of a job, and release its slot; make more requests beside."""
    ledger = runtime.ledger
    runtime.parallel(
        lambda: ledger.lanes.remove_marker(job.marker),
        lambda: _release_slot(job, runtime),
        lambda: ledger.records.forget_follow_up(job),
        *more_requests,
    )


def _release_slot(job: Job, runtime: Runtime) -> bool:
    """Release the slot of a job, if it has one; False after an error."""
    slot = job.attempt.slot
    return slot is None or runtime.ledger.slots.release(job.lane, slot, job.id)
