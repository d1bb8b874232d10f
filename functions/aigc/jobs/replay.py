"""Replaying: a job that failed through no fault of its caller runs again, because somebody says so.

It is the one way out of a state that is final otherwise, and nothing but a person takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aigc.jobs.ledger import marker_key
from aigc.jobs.start import CALLERS_DOING, pump
from aigc.jobs.usage import tally

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

Refusal = Literal["not_failed", "callers_doing", "busy"]


@dataclass(frozen=True, slots=True)
class Replay:
    """A job that is to run again, or why it is not."""

    job: Job
    refusal: Refusal | None = None
    may_be_billed: bool = False
    """Whether the attempt that failed may have been billed: the next one is billed again."""


def replay(job_id: str, runtime: Runtime) -> Replay | None:
    """Queue a dead job again, as a new attempt; None where there is no such job.

    Done twice, or by two at once, it makes one attempt: the second finds the job queued.
    """
    job = runtime.ledger.read(job_id)
    if job is None:
        return None
    if job.state != "failed" or job.error is None:
        runtime.ledger.exhume(job_id)
        return Replay(job, "not_failed")
    if job.error.type in CALLERS_DOING:
        return Replay(job, "callers_doing")
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return Replay(job, "busy")
    tally(claimed, runtime)  # the sweep may not have come to this end yet, and then never would
    queued = _queued(claimed, runtime)
    runtime.ledger.exhume(job_id)
    pump(queued.lane, runtime)
    return Replay(queued, may_be_billed=job.attempt.may_be_billed)


def _queued(job: Job, runtime: Runtime) -> Job:
    """Write the marker, then the record that names it."""
    marker = marker_key(job.id, job.lane, job.priority, after=runtime.now(), by=None)
    queued = job.replay(marker)
    runtime.ledger.queue_again(queued)
    return runtime.ledger.write(queued)
