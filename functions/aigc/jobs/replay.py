"""Replay: a new attempt of a job that failed through no fault of its caller.

Only `aigc jobs replay` and the API's replay do this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aigc.jobs.dispatch import pump
from aigc.jobs.ledger.lanes import marker_key
from aigc.jobs.restore import may_be_restored
from aigc.jobs.transitions import is_permanent
from aigc.jobs.usage import tally

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

Refusal = Literal["not_failed", "permanent_error", "restorable", "busy", "newer_attempt"]


@dataclass(frozen=True, slots=True)
class Replay:
    """A job that was queued again, or the reason why it was not."""

    job: Job
    refusal: Refusal | None = None
    may_be_billed: bool = False
    """Whether the attempt that failed may have been billed: the next one is billed again."""


def replay(
    job_id: str, runtime: Runtime, *, pays_again: bool = False, attempt: int | None = None
) -> Replay | None:
    """Queue a dead job again, as a new attempt; None if there is no such job.

    A job whose images are paid for, and may still be kept by the vendor, is refused without
    `pays_again`: a restore is free. Two replays, one after the other or at the same time, make one
    attempt: the second finds the job queued. A replay that names the last `attempt` makes no other
    one, also if it is repeated later.
    """
    job = runtime.ledger.records.read(job_id)
    if job is None:
        return None
    if attempt is not None and job.attempt.number != attempt:
        return Replay(job, "newer_attempt")
    if refusal := _refusal(job, runtime, pays_again=pays_again):
        return Replay(job, refusal)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return Replay(job, "busy")
    tally(claimed, runtime)  # the sweep may not have counted this end yet, and then never would
    marker = marker_key(job.id, job.lane, job.priority, not_before=runtime.now(), start_by=None)
    waiting = claimed.replay(marker)
    runtime.ledger.lanes.enqueue(waiting)
    queued = runtime.ledger.records.write(waiting)
    runtime.ledger.records.remove_dead_letter(job_id)
    pump(queued.lane, runtime)
    return Replay(queued, may_be_billed=job.attempt.may_be_billed)


def _refusal(job: Job, runtime: Runtime, *, pays_again: bool) -> Refusal | None:
    if job.state != "failed" or job.error is None:
        runtime.ledger.records.remove_dead_letter(job.id)
        return "not_failed"
    if is_permanent(job.error):
        return "permanent_error"
    return "restorable" if not pays_again and may_be_restored(job, runtime) else None
