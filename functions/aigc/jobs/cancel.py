"""Cancel: a job that was not submitted costs nothing; a running task can seldom be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from aigc.errors import AmbiguousError, RefusedError
from aigc.jobs.settle import settle, wait_until_submitted
from aigc.jobs.transitions import end

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

Outcome = Literal["cancelled", "requested", "already_ended", "not_cancellable"]

TRIES = 3
"""Tries to cancel a job that other invocations change meanwhile."""

TRY_INTERVAL_S = 0.5
"""Seconds between two tries: the holder of a claim on a queued job soon submits it."""


class Cancellation(NamedTuple):
    """The outcome of a request to cancel a job.

    cancelled: it had not been sent, nothing is billed; requested: the vendor ends its task, which
    had not begun; not_cancellable: it was sent, and the vendor stops no task that runs.
    """

    job: Job
    outcome: Outcome


def cancel(job_id: str, runtime: Runtime) -> Cancellation | None:
    """Cancel a job, or say why it cannot be cancelled; None if there is no such job.

    Raises:
        CloudError: The ledger or the vendor did not answer, or another invocation holds the job;
            a repeat is safe.
    """
    for _ in range(TRIES):
        job = wait_until_submitted(job_id, runtime)
        if job is None:
            return None
        cancellation = _try_to_cancel(job, runtime)
        if cancellation is not None:
            return cancellation
        runtime.sleep(TRY_INTERVAL_S)
    raise AmbiguousError(f"cancel job {job_id}: another invocation may be about to send it")


def _try_to_cancel(job: Job, runtime: Runtime) -> Cancellation | None:
    """Cancel a job if its state allows that; None if another invocation is changing the job."""
    if job.has_ended:
        return Cancellation(job, "already_ended")
    if job.state == "queued":
        return _cancel_queued(job, runtime)
    if job.state == "running":
        return _abort(job, runtime)
    return Cancellation(job, "not_cancellable")


def _cancel_queued(job: Job, runtime: Runtime) -> Cancellation | None:
    """End a job that waits; under the claim no other invocation can send it."""
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return None
    return Cancellation(end(claimed.cancel(), runtime), "cancelled")


def _abort(job: Job, runtime: Runtime) -> Cancellation:
    """Ask the vendor to end a task that has not begun, then settle the job as usual.

    No claim is needed: a second request to end a task changes nothing, and `settle` takes the claim
    with which it writes the record.
    """
    kind = runtime.kind_of(job)
    call = kind.abort(job.attempt.task_id, runtime.settings.sub_app_id)
    if call is None:
        return Cancellation(job, "not_cancellable")
    try:
        runtime.upstream.call(call)
    except RefusedError:
        settled = settle(job, runtime)  # the task runs, or has ended
        return Cancellation(settled, "already_ended" if settled.has_ended else "not_cancellable")
    return Cancellation(settle(job, runtime), "requested")
