"""Settling: a task that is done upstream becomes pictures in the bucket and a job that ended."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from aigc.errors import BadPictureError, CloudError, RefusedError
from aigc.jobs.job import Job, JobError
from aigc.jobs.results import store_pictures, tidy_staging
from aigc.jobs.runtime import staging_path
from aigc.jobs.start import MAX_DEATHS, end, expire, fail, is_past, pump, queue_again, started
from aigc.jobs.webhooks import tell

if TYPE_CHECKING:
    from aigc.jobs.job import Slot
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import UpstreamTask

logger = logging.getLogger(__name__)

LONGEST_RUN_S = 3 * 86400
"""How long a task may run: VOD forgets it after three days, MPS after seven."""

RESULT_PATIENCE_S = 6 * 3600
"""How long a finished task's pictures are tried for; MPS keeps them 12 hours, VOD 7 days."""

OWNER_PATIENCE = 6
"""Looks, half a second apart, at a job whose sender has yet to write down that it sent it."""

DONE_PATIENCE = 4
"""Queries, half a second apart, for a task whose picture came before its state changed."""


def look(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job and bring it up to date, at the price of at most one query upstream.

    A job that its caller wants sent by now, and that was not, is cancelled.

    Errors of the query are logged and not raised: what is known of the job still is the answer.
    """
    job = runtime.ledger.read(job_id)
    if job is None or not _may_be_done(job, runtime):
        return job and expire(job, runtime)
    if not runtime.pacer.may_ask(job.id, runtime.now()):
        return job
    try:
        return settle(job, runtime)
    except CloudError as error:
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return job


def on_callback(job_id: str, session_id: str, task_id: str, runtime: Runtime) -> None:
    """Settle the job whose task VOD says is done; what it says is checked by a query.

    While the job's sender may be at work, and may be dead, the task's id is kept for who goes on.
    """
    job = once_sent(job_id, runtime)
    if job is None or job.attempt.session_id != session_id:
        logger.info("callback_of_no_attempt", extra={"job": job_id, "task_id": task_id})
        return
    if job.state == "submitting":
        runtime.ledger.note_task(job_id, session_id, task_id)
        job = _adopt(job, task_id, runtime)
    if job is not None and job.attempt.task_id == task_id:
        settle(job, runtime)


def on_stored(job_id: str, attempt: int, runtime: Runtime) -> None:
    """Settle the job whose pictures MPS has left in the bucket."""
    job = once_sent(job_id, runtime)
    if job is None or job.attempt.number != attempt:
        logger.info("pictures_of_no_attempt", extra={"job": job_id, "attempt": attempt})
        return
    if job.state == "submitting":
        take_staged(job, runtime)
        return
    for _ in range(DONE_PATIENCE):
        if settle(job, runtime).state != "running" or not runtime.has_time(1):
            return
        runtime.sleep(0.5)


def settle(job: Job, runtime: Runtime) -> Job:
    """Ask upstream about a running job, or go on with one whose storing was cut off.

    The query is made before the claim: it changes nothing, and a claim that was taken for a task
    that still runs would lock the job for a lease.

    Raises:
        CloudError: The vendor could not be asked; nothing has changed.
    """
    if job.state == "storing":
        return _claimed_store(job, runtime)
    if job.state != "running":
        return job
    observed = _observe(job, runtime)
    if observed is None or observed.state in {"waiting", "running"}:
        return _give_up_if_late(job, runtime)
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    settled = _conclude(claimed, observed, runtime)
    return _followed(settled, runtime, claimed.attempt.slot)


def take_staged(job: Job, runtime: Runtime) -> Job:
    """Finish a job whose submission nobody heard of by the pictures that it left."""
    if not runtime.results.list(staging_path(job), limit=1):
        return job
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    settled = _store(claimed.finish_attempt(runtime.now()), runtime)
    return _followed(settled, runtime, claimed.attempt.slot)


def _followed(settled: Job, runtime: Runtime, released: Slot | None) -> Job:
    """Give the slot to the next job; then finish what the sweep could do too."""
    pump(settled.lane, runtime, released=released)
    if settled.state == "succeeded":
        with contextlib.suppress(CloudError):
            tidy_staging(settled, runtime)
    tell(settled, runtime)
    return settled


def _may_be_done(job: Job, runtime: Runtime) -> bool:
    return job.state == "running" or (job.state == "storing" and not job.is_owned(runtime.now()))


def once_sent(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job, waiting a little while its sender is still about to write that it was sent."""
    job = runtime.ledger.read(job_id)
    for _ in range(OWNER_PATIENCE):
        if job is None or job.state != "submitting" or not job.is_owned(runtime.now()):
            break
        runtime.sleep(0.5)
        job = runtime.ledger.read(job_id)
    return job


def _adopt(job: Job, task_id: str, runtime: Runtime) -> Job | None:
    """Learn from a callback that a submission without an answer had arrived."""
    claimed = runtime.ledger.claim(job)
    return None if claimed is None else started(claimed, task_id, runtime)


def _observe(job: Job, runtime: Runtime) -> UpstreamTask | None:
    """Ask how the task is; None where the vendor refuses to tell, having forgotten it perhaps."""
    kind = runtime.kind_of(job)
    call = kind.describe(job.attempt.task_id, runtime.settings.sub_app_id)
    try:
        return kind.observe(job.attempt.task_id, runtime.upstream.call(call))
    except RefusedError as error:
        logger.warning("query_refused", extra={"job": job.id, "code": error.code})
        return None


def _give_up_if_late(job: Job, runtime: Runtime) -> Job:
    """End a job whose task did not end while the vendor knew of it: its lane must go on."""
    if not is_past(job.attempt.submitted_at, LONGEST_RUN_S, runtime):
        return job
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    message = f"task {job.attempt.task_id} had not ended after {LONGEST_RUN_S // 86400} days"
    failed = fail(claimed, JobError(type="task_failed", message=message), runtime)
    return _followed(failed, runtime, claimed.attempt.slot)


def _conclude(job: Job, observed: UpstreamTask, runtime: Runtime) -> Job:
    known = job.finish_attempt(runtime.now(), observed.vendor_status, observed.image_urls)
    if observed.state == "succeeded":
        return _store(known, runtime)
    if observed.state == "cancelled":
        return end(known.cancel(), runtime)
    error = _error_of(observed)
    if error.type == "throttled":
        return queue_again(known, error, runtime)
    return fail(known, error, runtime)


def _error_of(observed: UpstreamTask) -> JobError:
    fault = observed.fault
    if fault is None:
        return JobError(type="task_failed", message="the vendor's task failed without a reason")
    types = {
        "rejected": "refused",
        "moderated": "moderated",
        "throttled": "throttled",
        "failed": "task_failed",
    }
    return JobError.model_validate(
        {
            "type": types[fault.outcome],
            "message": f"task {observed.task_id} failed: {fault.message or fault.code}",
            "code": fault.code,
            "retryable": fault.outcome in {"throttled", "failed"},
        }
    )


def _claimed_store(job: Job, runtime: Runtime) -> Job:
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    return _followed(_store(claimed, runtime), runtime, claimed.attempt.slot)


def _store(job: Job, runtime: Runtime) -> Job:
    """Store the pictures of a claimed job, then end it.

    Done twice it writes the same objects again: their keys follow from the job.
    """
    reason = _cannot_be_stored(job, runtime)
    if reason:
        message = f"the pictures could not be stored: {reason}"
        return fail(job, JobError(type="result_unusable", message=message), runtime)
    storing = runtime.ledger.write(job.store(runtime.ledger.owned_until()))
    try:
        pictures = store_pictures(storing, runtime)
    except BadPictureError as error:
        return fail(storing, JobError(type="result_unusable", message=str(error)), runtime)
    except CloudError as error:
        return _store_later(storing, error, runtime)
    return end(storing.succeed(pictures), runtime)


def _cannot_be_stored(job: Job, runtime: Runtime) -> str:
    """Say why there is no use in another try; empty where there may be."""
    if is_past(job.attempt.finished_at, RESULT_PATIENCE_S, runtime):
        return f"not within {RESULT_PATIENCE_S // 3600} hours"
    if job.deaths >= MAX_DEATHS:
        return f"{job.deaths} invocations died over them"
    return ""


def _store_later(job: Job, error: CloudError, runtime: Runtime) -> Job:
    """Leave the pictures to the sweep; the task is done, so its slot is another's already.

    The slot is given back while the job still is owned: an invocation that went on with the job
    meanwhile would give the slot back too. The note leads to the job from then on. A result whose
    write had no answer may be written late: it is the same as the one that is written again.
    """
    logger.warning("result_not_stored_yet", extra={"job": job.id, "detail": str(error)})
    runtime.ledger.note_unstored(job)
    slot = job.attempt.slot
    is_released = slot is not None and runtime.ledger.slots.release(job.lane, slot, job.id)
    return runtime.ledger.write(job.store_later(is_slot_released=is_released))
