"""Settle: query how the vendor's task ended, and end the job or store its images."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from aigc.errors import (
    AccountError,
    BadRecordError,
    CloudError,
    RefusedError,
)
from aigc.jobs.capacity import slow_down
from aigc.jobs.dispatch import pump
from aigc.jobs.job import Job, JobError
from aigc.jobs.pauses import end_query_pause, note_refused_query
from aigc.jobs.results import (
    has_staged,
    remove_staged,
)
from aigc.jobs.runtime import QueryPacer
from aigc.jobs.set_aside import set_aside
from aigc.jobs.storing import store_images
from aigc.jobs.transitions import (
    end,
    expire,
    fail,
    has_passed,
    mark_running,
    queue_again,
)
from aigc.jobs.webhooks import deliver

if TYPE_CHECKING:
    from aigc.jobs.job import Slot
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import ApiCall, UpstreamTask

logger = logging.getLogger(__name__)

LONGEST_RUN_S = 3 * 86400
"""How long a task may run: VOD forgets it after three days, MPS after seven."""

OWNER_READS = 6
"""Reads, half a second apart, of a job whose owner has yet to write that it was submitted."""

DONE_WAITS_S = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Waits before each query of a task whose image is stored, although it may not be finished yet."""


def refresh(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job and bring it up to date with at most one query to the vendor.

    A job that still waits after its `start_by` is cancelled. An error of the query is logged and
    not raised: the job is returned as it was read.
    """
    job = runtime.ledger.records.read(job_id)
    if job is None:
        return None
    may_be_stored = job.state == "storing" and not job.is_owned(runtime.now())
    if job.state != "running" and not may_be_stored:
        return expire(job, runtime)
    if not runtime.memory.of(QueryPacer).may_query(
        job.id, runtime.now(), runtime.settings.poll_interval_s
    ):
        return job
    try:
        return settle(job, runtime)
    except CloudError as error:
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return job


def on_callback(job_id: str, session_id: str, task_id: str, runtime: Runtime) -> None:
    """Settle the job whose task VOD reports as done; the report is checked by a query.

    The task id is kept in a note if this version cannot read the record, or while the job has an
    owner: the owner may be dead, and the invocation that takes over reads the note.
    """
    try:
        _settle_reported(job_id, session_id, task_id, runtime)
    except BadRecordError as error:
        runtime.ledger.claims.note_task(job_id, session_id, task_id)
        set_aside(error, runtime)


def _settle_reported(job_id: str, session_id: str, task_id: str, runtime: Runtime) -> None:
    job = wait_until_submitted(job_id, runtime)
    if job is None or job.attempt.session_id != session_id:
        logger.info("callback_not_matched", extra={"job": job_id, "task_id": task_id})
        return
    if job.state == "submitting":
        runtime.ledger.claims.note_task(job_id, session_id, task_id)
        claimed = runtime.ledger.claims.claim(job)
        job = None if claimed is None else mark_running(claimed, task_id, runtime)
    if job is not None and job.attempt.task_id == task_id:
        settle(job, runtime)


def on_stored(job_id: str, attempt: int, runtime: Runtime) -> None:
    """Settle the job whose images MPS has stored in the staging folder.

    If this version cannot read the record, the sweep finds the images later.
    """
    try:
        _settle_stored(job_id, attempt, runtime)
    except BadRecordError as error:
        set_aside(error, runtime)


def _settle_stored(job_id: str, attempt: int, runtime: Runtime) -> None:
    job = wait_until_submitted(job_id, runtime)
    if job is None or job.attempt.number != attempt:
        logger.info("images_not_matched", extra={"job": job_id, "attempt": attempt})
        return
    if job.state == "submitting":
        store_staged(job, runtime)
        return
    for wait_s in DONE_WAITS_S:
        runtime.sleep(wait_s)
        if settle(job, runtime).state != "running" or not runtime.has_time(1):
            return


def settle(job: Job, runtime: Runtime) -> Job:
    """Query the task of a running job, or continue to store the images of a finished one.

    The query is made before the claim: it changes nothing, and a claim that was taken for a task
    that still runs would lock the job for a lease.

    Raises:
        CloudError: The query failed; nothing has changed.
    """
    if job.state == "storing":
        return _claim_and_store(job, runtime)
    if job.state != "running":
        return job
    observed = _observe_running(job, runtime)
    if observed is None or observed.state in {"waiting", "running"}:
        return _enforce_time_limits(job, runtime)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    settled = _conclude(claimed, observed, runtime)
    released = None if observed.state == "succeeded" else claimed.attempt.slot
    return after_settle(settled, runtime, released)


def store_staged(job: Job, runtime: Runtime) -> Job:
    """End a job whose submission is ambiguous by the images that its task has staged."""
    if not has_staged(job, runtime):
        return job
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    return after_settle(store_images(claimed.finish_attempt(runtime.now()), runtime), runtime)


def after_settle(settled: Job, runtime: Runtime, released: Slot | None = None) -> Job:
    """Start the next job in a released slot; then deliver the webhook and remove staged images.

    The sweep does the same later if this invocation dies.
    """
    if released is not None:
        pump(settled.lane, runtime, released=released)
    if settled.state == "succeeded":
        with contextlib.suppress(CloudError):
            remove_staged(settled, runtime)
    deliver(settled, runtime)
    return settled


def wait_until_submitted(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job; wait some seconds if its owner has yet to write that it was submitted."""
    job = runtime.ledger.records.read(job_id)
    for _ in range(OWNER_READS):
        if job is None or job.state != "submitting" or not job.is_owned(runtime.now()):
            break
        runtime.sleep(0.5)
        job = runtime.ledger.records.read(job_id)
    return job


def observe(job: Job, runtime: Runtime) -> UpstreamTask | None:
    """Query the task of a job; None if the vendor refuses, for example for a forgotten task.

    Raises:
        CloudError: The vendor did not answer, or refuses the account.
    """
    try:
        response = runtime.upstream.call(_query(job, runtime))
    except RefusedError as error:
        logger.warning("query_refused", extra={"job": job.id, "code": error.code})
        return None
    return runtime.kind_of(job).observe(job.attempt.task_id, response)


def _query(job: Job, runtime: Runtime) -> ApiCall:
    return runtime.kind_of(job).describe(job.attempt.task_id, runtime.settings.sub_app_id)


def _observe_running(job: Job, runtime: Runtime) -> UpstreamTask | None:
    """Query the task of a running job; None if the vendor does not tell its state.

    If the account is refused, the lane is paused. Other errors are raised unless the task is
    overdue: its slot must not wait for an answer.
    """
    try:
        observed = observe(job, runtime)
    except AccountError as error:
        note_refused_query(job.lane, error, _query(job, runtime), runtime)
        return None
    except CloudError as error:
        if not _is_overdue(job, runtime):
            raise
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return None
    if observed is not None:
        end_query_pause(job, runtime)
    return observed


def _enforce_time_limits(job: Job, runtime: Runtime) -> Job:
    """Release the slot of an overdue task; fail a job whose task exceeds `LONGEST_RUN_S`."""
    if has_passed(LONGEST_RUN_S, job.attempt.submitted_at, runtime):
        return _fail_late(job, runtime)
    if job.attempt.slot is not None and _is_overdue(job, runtime):
        return _release_overdue(job, runtime)
    return job


def _is_overdue(job: Job, runtime: Runtime) -> bool:
    """Whether the task of a running job is overdue, counted from the last write of its record."""
    return has_passed(runtime.settings.overdue_after(job.kind), job.updated_at, runtime)


def _release_overdue(job: Job, runtime: Runtime) -> Job:
    """Release the slot of an overdue task; from then on the sweep finds the job by a note.

    The note is written first, so that the sweep can find the job at any time. The lane is slowed
    down for a while, since the task may still count towards the vendor's limit.
    """
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    slot = claimed.attempt.slot
    runtime.ledger.records.note_follow_up(claimed.id, runtime.now())
    slow_down(claimed.lane, runtime)
    is_released = slot is None or runtime.ledger.slots.release(claimed.lane, slot, claimed.id)
    overdue = runtime.ledger.records.write(
        claimed.mark_overdue(runtime.now(), is_slot_released=is_released)
    )
    logger.error(
        "task_overdue",
        extra={"job": job.id, "kind": job.kind, "task_id": job.attempt.task_id},
    )
    return after_settle(overdue, runtime, slot if is_released else None)


def _fail_late(job: Job, runtime: Runtime) -> Job:
    """Fail a job whose task has not ended in the time for which the vendor remembers it."""
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    message = f"task {job.attempt.task_id} had not ended after {LONGEST_RUN_S // 86400} days"
    failed = fail(claimed, JobError(type="task_failed", message=message), runtime)
    return after_settle(failed, runtime, claimed.attempt.slot)


def _conclude(job: Job, observed: UpstreamTask, runtime: Runtime) -> Job:
    """End a claimed job whose task has ended, store its images, or queue it again."""
    finished = job.finish_attempt(runtime.now(), observed.vendor_status, observed.image_urls)
    if observed.state == "succeeded":
        return store_images(finished, runtime)
    if observed.state == "cancelled":
        return end(finished.cancel(), runtime)
    error = _job_error(observed)
    if error.type == "throttled":
        return queue_again(finished, error, runtime)
    return fail(finished, error, runtime)


def _job_error(observed: UpstreamTask) -> JobError:
    failure = observed.failure
    if failure is None:
        return JobError(type="task_failed", message="the vendor's task failed without a reason")
    types = {
        "rejected": "refused",
        "moderated": "moderated",
        "throttled": "throttled",
        "failed": "task_failed",
    }
    return JobError.model_validate(
        {
            "type": types[failure.outcome],
            "message": f"task {observed.task_id} failed: {failure.message or failure.code}",
            "code": failure.code,
            "retryable": failure.outcome in {"throttled", "failed"},
        }
    )


def _claim_and_store(job: Job, runtime: Runtime) -> Job:
    """Continue to store the images of a job, unless its next try is not due yet."""
    if job.store_after is not None and runtime.now() < job.store_after:
        return job
    image_urls = _renewed_urls(job, runtime)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    return after_settle(store_images(claimed.renew_urls(image_urls), runtime), runtime)


def _renewed_urls(job: Job, runtime: Runtime) -> tuple[str, ...]:
    """Query new URLs of a job's images after a failed try, since the old ones may have expired.

    VOD answers for three days and keeps the images for seven; after three days the old URLs are
    used.
    """
    if not job.storing_error or not job.attempt.task_id:
        return job.attempt.image_urls
    try:
        observed = observe(job, runtime)
    except CloudError as error:
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return job.attempt.image_urls
    renewed = observed.image_urls if observed is not None else ()
    are_complete = len(renewed) == len(job.attempt.image_urls)
    return renewed if are_complete else job.attempt.image_urls
