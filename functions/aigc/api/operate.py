"""Operating: replay and restore, for keys that may do so.

A replay names the attempt that it follows. So a repeat after a lost answer, or two replays at once,
make one new attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from aigc.api.errors import HttpError
from aigc.api.keys import check_operate
from aigc.api.quotas import charged_tasks
from aigc.api.submit import json_body
from aigc.jobs.replay import replay as replay_job
from aigc.jobs.restore import may_be_restored
from aigc.jobs.restore import restore as restore_job
from aigc.jobs.transitions import is_permanent
from aigc.logs import note
from aigc.tasks.fields import Parameters, explain, invalid_request
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.job import Job

RETRY_S = 5
"""Seconds until the next try if another invocation has the job in use."""

NOT_FAILED = "the job is {state}; only a failed job can be replayed or restored"
REPLAY_REFUSALS: Mapping[str, str] = {
    "not_failed": NOT_FAILED,
    "permanent_error": "the job was refused because of its task: it would be refused again",
    "restorable": "the images of the job are paid for, and a restore stores them for free; allowed:"
    " a restore, or pay_again = true to pay for new ones",
    "may_be_billed": "attempt {attempt} may have been billed, and another one is billed too;"
    " allowed: pay_again = true to confirm that",
    "busy": "another invocation has the job in use; try again in a few seconds",
}
"""`error_type` of a refused replay → what is wrong."""

RESTORE_REFUSALS: Mapping[str, str] = {
    "not_failed": NOT_FAILED,
    "no_task": "the job has no task at the vendor that is known: there is nothing to restore",
    "not_succeeded": "the task of the job did not succeed: there is nothing to restore",
    "not_kept": "the vendor has removed the images of the job",
    "busy": REPLAY_REFUSALS["busy"],
}
"""`error_type` of a refused restore → what is wrong."""


class ReplayRequest(Parameters):
    """The attempt after which the job is replayed."""

    attempt: int = Field(ge=1)
    """Number of the attempt that failed, as `GET /v1/jobs/{id}` lists it. If the job has a newer
    one, nothing is done: so a repeat of this call makes no further attempt."""
    pay_again: bool = False
    """Confirms that the new attempt may be billed although the last one may have been billed."""


def replay(call: Call) -> HttpResponse:
    """Queue a failed job again, as a new attempt."""
    check_operate(call.caller)
    body = _read(call)
    job = _visible(call)
    if body.attempt > job.attempt.number:
        problem = f"{body.attempt} is not an attempt of the job"
        raise invalid_request("attempt", problem, allowed=str(job.attempt.number))
    if body.attempt == job.attempt.number:
        job = _replayed(job, body, call)
    return _answer(job)


def restore(call: Call) -> HttpResponse:
    """Let the sweep store the images of a failed job; nothing is paid."""
    check_operate(call.caller)
    job = _visible(call)
    outcome = restore_job(job.id, call.runtime)
    if outcome is None:
        raise _absent(job.id)
    is_repeat = outcome.job.restores > 0 and outcome.job.state in {"storing", "succeeded"}
    if outcome.refusal is not None and not is_repeat:
        raise _conflict(outcome.refusal, RESTORE_REFUSALS, outcome.job)
    return _answer(outcome.job)


def operations_of(job: Job, call: Call) -> list[Literal["cancel", "replay", "restore"]]:
    """List what the caller may do with a job in its present state."""
    return [*_operations(job, call)]


def _operations(job: Job, call: Call) -> Iterator[Literal["cancel", "replay", "restore"]]:
    if job.state == "queued" or (job.state == "running" and _can_be_aborted(job, call)):
        yield "cancel"
    if not call.caller.limits.operate or job.state != "failed" or job.error is None:
        return
    if not is_permanent(job.error):
        yield "replay"
    if may_be_restored(job, call.runtime):
        yield "restore"


def _can_be_aborted(job: Job, call: Call) -> bool:
    """Whether the vendor has a call that ends a task before it runs."""
    sub_app_id = call.runtime.settings.sub_app_id
    return call.runtime.kind_of(job).abort(job.attempt.task_id, sub_app_id) is not None


def _replayed(job: Job, body: ReplayRequest, call: Call) -> Job:
    """Charge a new attempt to the key and queue it."""
    task = call.runtime.task_of(job)
    with charged_tasks(call, [(job.kind, task)]) as charge:
        _check_billed(job, body, call)
        outcome = replay_job(job.id, call.runtime, pays_again=body.pay_again, attempt=body.attempt)
        if outcome is None:
            raise _absent(job.id)
        if outcome.refusal == "newer_attempt":  # another call has replayed it meanwhile
            charge.give_back()
        elif outcome.refusal is not None:
            raise _conflict(outcome.refusal, REPLAY_REFUSALS, outcome.job)
    return outcome.job


def _check_billed(job: Job, body: ReplayRequest, call: Call) -> None:
    """Refuse to pay again without a confirmation, unless there is another reason to refuse."""
    is_replayable = job.state == "failed" and job.error is not None and not is_permanent(job.error)
    if body.pay_again or not is_replayable or not job.attempt.may_be_billed:
        return
    if not may_be_restored(job, call.runtime):
        raise _conflict("may_be_billed", REPLAY_REFUSALS, job)


def _read(call: Call) -> ReplayRequest:
    try:
        return ReplayRequest.model_validate(json_body(call.request))
    except ValidationError as error:
        raise explain(error) from None


def _visible(call: Call) -> Job:
    """Read the job of the path, if the caller may see it.

    Raises:
        HttpError: There is no such job.
    """
    job = call.runtime.ledger.records.read(call.path["id"])
    if job is None or not call.caller.may_see(job.source):
        raise _absent(call.path["id"])
    note(job=job.id)
    return job


def _answer(job: Job) -> HttpResponse:
    body: schemas.Operated = {
        "request_id": job.id,
        "state": job.state,
        "attempt": job.attempt.number,
    }
    return HttpResponse(status=202, body=body)


def _absent(job_id: str) -> HttpError:
    return HttpError(404, "not_found", f"there is no job {job_id[:80]}")


def _conflict(refusal: str, details: Mapping[str, str], job: Job) -> HttpError:
    detail = details[refusal].format(state=job.state, attempt=job.attempt.number)
    headers = {"Retry-After": str(RETRY_S)} if refusal == "busy" else {}
    return HttpError(409, refusal, detail, headers)
