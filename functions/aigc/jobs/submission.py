"""Submission: calls the vendor to run a task, and writes the outcome to the job's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.errors import (
    AccountError,
    AmbiguousError,
    BadRecordError,
    CloudError,
    DuplicateError,
    RefusedError,
    ThrottledError,
    UnclearError,
)
from aigc.jobs.job import JobError, milliseconds
from aigc.jobs.pauses import note_refused_job, note_refused_query
from aigc.jobs.transitions import (
    fail,
    has_passed,
    hold,
    mark_ambiguous,
    mark_running,
    queue_again,
    with_jitter,
)

if TYPE_CHECKING:
    from aigc.jobs.job import Job, Slot
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import ApiCall

QUICK_RETRIES = 3
"""Repeats of one call within one invocation: after a throttle, and of VOD's after a lost answer."""

MAX_UNCLEAR = 4
"""Refusals of one job by an unclear code before it fails, if no other job is refused."""

MAX_PAUSES = 8
"""Pauses that begin with one job before it fails, if other jobs are accepted in between."""

FIND_PAGES = 10
"""Pages of 100 tasks in which the task of a session is searched."""

SESSION_KNOWN_S = 60 * 3600
"""How long a call is repeated under its session: VOD remembers a session for three days."""


class CreatedTask(NamedTuple):
    """A task that the vendor accepted."""

    task_id: str
    request_id: str


def create_call(job: Job, runtime: Runtime) -> ApiCall:
    """Build the call that starts a job's task; it is built before a slot or a claim is taken.

    Raises:
        BadRecordError: This version knows no such kind, or no task with these parameters.
    """
    task = runtime.task_of(job)
    try:
        return runtime.kind_of(job).create(task, runtime.submission_of(job))
    except (LookupError, TypeError, ValueError) as error:  # the version that wrote it can build it
        raise BadRecordError(job.id, f"no call can be built from it: {error!r}"[:500]) from error


def submit_task(job: Job, call: ApiCall, runtime: Runtime) -> Job:
    """Call the vendor for a job whose record says `submitting`, and write the outcome.

    After an ambiguous outcome only an answer about this session ends the ambiguity. A refusal or a
    throttle that follows does not prove that the first call did not arrive.
    """
    is_ambiguous = job.attempt.is_ambiguous
    outcome: CreatedTask | CloudError
    for retry in range(QUICK_RETRIES + 1):
        try:
            outcome = _created_task(runtime.upstream.call(call), call.action)
        except CloudError as error:
            outcome = error
        is_ambiguous = is_ambiguous or isinstance(outcome, AmbiguousError)
        if retry == QUICK_RETRIES or not _may_repeat(outcome, job, runtime):
            break
        runtime.sleep(with_jitter(0.4 * 2**retry))
    if isinstance(outcome, CreatedTask):
        return mark_running(job, outcome.task_id, runtime, request_id=outcome.request_id)
    if isinstance(outcome, DuplicateError):
        return _find_task(job, runtime)
    if isinstance(outcome, (AccountError, UnclearError)):
        return _hold(job, outcome, call.action, runtime, is_ambiguous=is_ambiguous)
    return mark_ambiguous(job, runtime) if is_ambiguous else _reject(job, outcome, runtime)


def submit_again(job: Job, call: ApiCall, slot: Slot | None, runtime: Runtime) -> Job:
    """Repeat the call of a claimed job under its session.

    VOD then accepts the task, or answers that it has the task already.
    """
    resubmission = job.submit_again(slot, runtime.ledger.lease.owned_until())
    written = runtime.ledger.records.write(resubmission)
    task_id = runtime.ledger.claims.noted_task(written)
    if task_id:
        return mark_running(written, task_id, runtime)
    return submit_task(written, call, runtime)


def is_session_forgotten(job: Job, runtime: Runtime) -> bool:
    """Whether the vendor may have forgotten the session of a call: then it is not repeated."""
    return has_passed(SESSION_KNOWN_S, job.attempt.submitted_at, runtime)


def give_up(job: Job, runtime: Runtime) -> Job:
    """Fail a job whose submission has an unknown outcome, unless its task was reported."""
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    task_id = runtime.ledger.claims.noted_task(claimed)
    if task_id:
        return mark_running(claimed, task_id, runtime)
    error = JobError(
        type="submission_unknown",
        message=(
            f"attempt {job.attempt.number} was sent at {job.attempt.submitted_at} and no answer"
            " shows whether it arrived; it may have been billed, so it is not sent again"
        ),
    )
    return fail(claimed, error, runtime)


def _hold(
    job: Job,
    error: AccountError | UnclearError,
    action: str,
    runtime: Runtime,
    *,
    is_ambiguous: bool,
) -> Job:
    """Note that the account was refused, and put the job back into its queue.

    The job fails only if it is refused several times and others are not: by an unclear code, or
    for the account while the tasks of other jobs are accepted.
    """
    pause, is_new_pause = note_refused_job(job, error, action, runtime)
    if is_ambiguous:
        return mark_ambiguous(job, runtime)
    refusals = job.refusals + is_new_pause
    is_unclear = not pause.is_active
    may_repeat = runtime.kind_of(job).deduplicates or not is_unclear
    if not may_repeat or refusals >= (MAX_UNCLEAR if is_unclear else MAX_PAUSES):
        return fail(job, _job_error(error), runtime)
    wait_s = with_jitter(runtime.settings.retry_base_s * 2 ** (refusals - 1)) if is_unclear else 0
    return hold(job, runtime, refusals=refusals, wait_s=wait_s)


def _created_task(response: dict[str, Any], action: str) -> CreatedTask:
    """Read the answer to the call.

    Raises:
        AmbiguousError: It names no task.
    """
    task_id = response.get("TaskId")
    if not isinstance(task_id, str) or not task_id:
        raise AmbiguousError(f"{action} answered without a TaskId")
    return CreatedTask(task_id, str(response.get("RequestId", "")))


def _may_repeat(outcome: CreatedTask | CloudError, job: Job, runtime: Runtime) -> bool:
    """Whether the same call may be repeated now without a second bill."""
    if not runtime.may_start():
        return False
    if isinstance(outcome, AmbiguousError):
        return runtime.kind_of(job).deduplicates
    return isinstance(outcome, ThrottledError)


def _find_task(job: Job, runtime: Runtime) -> Job:
    """Find the task of a session that the vendor knows, and write what was found."""
    task_id = runtime.ledger.claims.noted_task(job) or _listed_task(job, runtime)
    return mark_running(job, task_id, runtime) if task_id else mark_ambiguous(job, runtime)


def _listed_task(job: Job, runtime: Runtime) -> str:
    """Return the id of the job's task from the vendor's list; empty if it is not listed (yet)."""
    kind = runtime.kind_of(job)
    since = milliseconds(job.attempt.submitted_at or job.created_at) // 1000 - 60
    scroll_token = ""
    for _ in range(FIND_PAGES):
        call = kind.list_tasks(runtime.settings.sub_app_id, since, scroll_token)
        if call is None:
            return ""
        try:
            response = runtime.upstream.call(call)
        except AccountError as error:
            note_refused_query(job.lane, error, call, runtime)
            return ""
        except CloudError:
            return ""
        task_id = kind.task_with_session(response, job.attempt.session_id)
        scroll_token = str(response.get("ScrollToken") or "")
        if task_id is not None or not scroll_token:
            return task_id or ""
    return ""


def _reject(job: Job, error: CloudError, runtime: Runtime) -> Job:
    """Queue the job again if the vendor had no capacity, otherwise end it as failed."""
    job_error = _job_error(error)
    return (queue_again if error.retryable else fail)(job, job_error, runtime)


def _job_error(error: CloudError) -> JobError:
    return JobError(
        type="refused" if isinstance(error, (RefusedError, AccountError)) else "throttled",
        message=str(error),
        code=error.code,
        request_id=error.request_id,
        retryable=error.retryable or isinstance(error, UnclearError),
    )
