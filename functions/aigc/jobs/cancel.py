"""Cancelling: what was not sent is not paid; what runs upstream can seldom be stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aigc.errors import AmbiguousError, RefusedError
from aigc.jobs.settle import once_sent, settle
from aigc.jobs.start import end

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

Outcome = Literal["cancelled", "requested", "already_ended", "not_cancellable"]

TRIES = 3
"""Looks at a job that others keep moving on."""

TRY_EACH_S = 0.5
"""Between them: who holds a job that waits writes very soon that it is sent."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What came of the wish to cancel a job.

    cancelled: it had not been sent, nothing is billed; requested: the vendor ends its task, which
    had not begun; not_cancellable: it was sent, and the vendor stops no task that runs.
    """

    job: Job
    outcome: Outcome


def cancel(job_id: str, runtime: Runtime) -> Cancellation | None:
    """Cancel a job, or say truly why not; None where there is none.

    Raises:
        CloudError: The ledger or the vendor could not be asked, or somebody else holds the job;
            asking again is safe.
    """
    for _ in range(TRIES):
        job = once_sent(job_id, runtime)
        if job is None:
            return None
        cancellation = _cancelled(job, runtime)
        if cancellation is not None:
            return cancellation
        runtime.sleep(TRY_EACH_S)
    raise AmbiguousError(f"cancel job {job_id}: it waits, but who holds it may be about to send it")


def _cancelled(job: Job, runtime: Runtime) -> Cancellation | None:
    """Take the one step that a job's state allows; None where somebody else is moving it on."""
    if job.has_ended:
        return Cancellation(job, "already_ended")
    if job.state == "queued":
        return _withdrawn(job, runtime)
    if job.state == "running":
        return _aborted(job, runtime)
    return Cancellation(job, "not_cancellable")


def _withdrawn(job: Job, runtime: Runtime) -> Cancellation | None:
    """End a job that waits: with the claim it cannot be sent any more."""
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return None
    ended = end(claimed.cancel(), runtime)
    return Cancellation(ended, "cancelled")


def _aborted(job: Job, runtime: Runtime) -> Cancellation:
    """Have the vendor end a task that waits there; what came of it is asked like any task's end.

    No claim is needed: to end a task twice changes nothing, and the record is settle's to write.
    """
    kind = runtime.kind_of(job)
    call = kind.abort(job.attempt.task_id, runtime.settings.sub_app_id)
    if call is None:
        return Cancellation(job, "not_cancellable")
    try:
        runtime.upstream.call(call)
    except RefusedError as error:
        if error.code.startswith(("UnauthorizedOperation", "AuthFailure")):
            raise  # this says nothing of the task
        settled = settle(job, runtime)  # it runs, or has ended, perhaps by an earlier wish
        return Cancellation(settled, "already_ended" if settled.has_ended else "not_cancellable")
    return Cancellation(settle(job, runtime), "requested")
