"""Settle: learn how the vendor's task ended, and end the job or store its images."""

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
from aigc.jobs.pauses import query_answered, refuse_query
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
"""Reads, half a second apart, of a job whose owner has not yet written that it was submitted."""

DONE_QUERIES = 4
"""Queries, half a second apart, for a task whose image was stored before its state changed."""


def refresh(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job and bring it up to date with at most one query to the vendor.

    A job that still waits after its `start_by` is cancelled. An error of the query is logged and
    not raised: the job is returned as it was read.
    """
    job = runtime.ledger.records.read(job_id)
    if job is None or not _may_be_done(job, runtime):
        return job and expire(job, runtime)
    if not runtime.memory.of(QueryPacer).may_ask(
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

    While the job has an owner, which may be dead, the task id is kept in a note for the
    invocation that takes over. So it is if this version cannot read the record.
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
    for _ in range(DONE_QUERIES):
        if settle(job, runtime).state != "running" or not runtime.has_time(1):
            return
        runtime.sleep(0.5)


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
    observed = _observe(job, runtime)
    if observed is None or observed.state in {"waiting", "running"}:
        return _without_end(job, runtime)
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
    """Start the next job in a released slot; then do what the sweep would otherwise do later."""
    if released is not None:
        pump(settled.lane, runtime, released=released)
    if settled.state == "succeeded":
        with contextlib.suppress(CloudError):
            remove_staged(settled, runtime)
    deliver(settled, runtime)
    return settled


def wait_until_submitted(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job; wait a little while its owner has yet to write that it was submitted."""
    job = runtime.ledger.records.read(job_id)
    for _ in range(OWNER_READS):
        if job is None or job.state != "submitting" or not job.is_owned(runtime.now()):
            break
        runtime.sleep(0.5)
        job = runtime.ledger.records.read(job_id)
    return job


def _may_be_done(job: Job, runtime: Runtime) -> bool:
    return job.state == "running" or (job.state == "storing" and not job.is_owned(runtime.now()))


def observe(job: Job, runtime: Runtime) -> UpstreamTask | None:
    """Query the task; None if the vendor refuses, for example because it forgot the task.

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


def _observe(job: Job, runtime: Runtime) -> UpstreamTask | None:
    """Query the task of a running job; None if the vendor does not say how it is.

    A refused account pauses the lane. Without an answer the error is raised, unless the task is
    overdue: then the slot must not wait for an answer.
    """
    try:
        observed = observe(job, runtime)
    except AccountError as error:
        refuse_query(job.lane, error, _query(job, runtime), runtime)
        return None
    except CloudError as error:
        if not _is_overdue(job, runtime):
            raise
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return None
    if observed is not None:
        query_answered(job, runtime)
    return observed


def _without_end(job: Job, runtime: Runtime) -> Job:
    """Watch the time of a task that has not ended, or of which nothing is known."""
    if has_passed(LONGEST_RUN_S, job.attempt.submitted_at, runtime):
        return _fail_late(job, runtime)
    if job.attempt.slot is not None and _is_overdue(job, runtime):
        return _outrun(job, runtime)
    return job


def _is_overdue(job: Job, runtime: Runtime) -> bool:
    """Whether a running job was last written, when the vendor had its task, too long ago."""
    return has_passed(runtime.settings.overdue_after(job.kind), job.updated_at, runtime)


def _outrun(job: Job, runtime: Runtime) -> Job:
    """Release the slot of an overdue task, to which a note leads from then on.

    The note is written first, so that something leads to the job at any time. The lane is slowed
    down for a while: at the vendor the task may still count.
    """
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    slot = claimed.attempt.slot
    runtime.ledger.records.note_follow_up(claimed.id, runtime.now())
    slow_down(claimed.lane, runtime)
    is_released = slot is None or runtime.ledger.slots.release(claimed.lane, slot, claimed.id)
    overdue = runtime.ledger.records.write(
        claimed.outrun(runtime.now(), is_slot_released=is_released)
    )
    logger.error(
        "task_overdue",
        extra={"job": job.id, "kind": job.kind, "task_id": job.attempt.task_id},
    )
    return after_settle(overdue, runtime, slot if is_released else None)


def _fail_late(job: Job, runtime: Runtime) -> Job:
    """Fail a job whose task has not ended while the vendor knew it."""
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    message = f"task {job.attempt.task_id} had not ended after {LONGEST_RUN_S // 86400} days"
    failed = fail(claimed, JobError(type="task_failed", message=message), runtime)
    return after_settle(failed, runtime, claimed.attempt.slot)


def _conclude(job: Job, observed: UpstreamTask, runtime: Runtime) -> Job:
    """Take a claimed job to the state that follows from its ended task."""
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
    if job.store_after is not None and runtime.now() < job.store_after:
        return job
    image_urls = _renewed_urls(job, runtime)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    return after_settle(store_images(claimed.renew_urls(image_urls), runtime), runtime)


def _renewed_urls(job: Job, runtime: Runtime) -> tuple[str, ...]:
    """Ask the vendor for new URLs of a job's images after a failed try: the old may have expired.

    VOD answers for three days, and keeps the images for seven: then the old URLs must do.
    """
    if not job.storing_error or not job.attempt.task_id:
        return job.attempt.image_urls
    try:
        observed = observe(job, runtime)
    except CloudError as error:
        logger.warning("query_failed", extra={"job": job.id, "code": error.code})
        return job.attempt.image_urls
    renewed = observed.image_urls if observed is not None else ()
    is_same = len(renewed) == len(job.attempt.image_urls)
    return renewed if is_same else job.attempt.image_urls
