"""Recovering: what crashed, was lost or was not reported is found by the sweep."""

from __future__ import annotations

import functools
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aigc.jobs.job import JobError
from aigc.jobs.lanes import forget_old_cuts, look_at
from aigc.jobs.results import tidy_staging
from aigc.jobs.settle import settle, take_staged
from aigc.jobs.start import (
    MAX_DEATHS,
    START_S,
    expire,
    fail,
    is_past,
    pump,
    send,
    started,
)
from aigc.jobs.usage import tally
from aigc.jobs.webhooks import deliver_due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import LaneView
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.slots import SlotEntry

logger = logging.getLogger(__name__)

Thing = TypeVar("Thing")


@dataclass(slots=True)
class SweepReport:
    """What one sweep saw."""

    slots: int = 0
    """Places that were taken."""
    waiting: int = 0
    """Jobs that wait for a place."""
    oldest_waiting_s: int = 0
    """How long the oldest of them has waited since it was queued, last time."""
    moved: int = 0
    """Jobs that the sweep moved on."""
    failed: int = 0
    """Slots that could not be looked after now; the next sweep tries again."""
    forgotten: int = 0
    """Jobs that ended a while ago and whose claims are gone now."""
    webhooks: int = 0
    """Tries to deliver one."""


def sweep(runtime: Runtime) -> SweepReport:
    """Look after each taken place of each lane, then start what waits.

    A job that was sent holds a slot until it ends, so the slots name every job that a crash may
    have left behind; and a job that waits is found by the pump.
    """
    report = SweepReport()
    for step in _steps(runtime, report):
        if not runtime.has_time(START_S):
            break
        try:
            step()
        except Exception:
            report.failed += 1
            logger.exception("sweep_stumbled")
    return report


def _steps(runtime: Runtime, report: SweepReport) -> Iterator[Callable[[], None]]:
    """Yield what a sweep does, each thing by itself: a fault in one must not stop the others.

    Lanes and slots come in another order each time. When a sweep's time does not suffice, or one
    job ends it each time, the next begins elsewhere.
    """
    for lane in _shuffled(runtime.settings.lanes):
        yield functools.partial(_look_after_lane, lane, runtime, report)
        yield functools.partial(pump, lane, runtime)
    yield from _shuffled(
        functools.partial(step, runtime, report)
        for step in (_store_unstored, _deliver, _forget_claims)
    )


def _look_after_lane(lane: str, runtime: Runtime, report: SweepReport) -> None:
    view = look_at(lane, runtime)
    forget_old_cuts(lane, view, runtime)
    for number in _shuffled(view.slots):
        if not runtime.has_time(START_S):
            return
        report.slots += 1
        try:
            report.moved += _look_after(view, number, runtime)
        except Exception:
            report.failed += 1
            logger.exception("slot_look_failed", extra={"lane": lane, "slot": number})
    _look_after_queue(view, runtime, report)


def _look_after_queue(view: LaneView, runtime: Runtime, report: SweepReport) -> None:
    """Count what waits, and cancel what should have been sent by now."""
    oldest = runtime.now()
    for marker in view.waiting():
        report.waiting += 1
        oldest = min(oldest, marker.modified)
        if marker.start_by is not None and marker.start_by <= runtime.now():
            job = runtime.ledger.read(marker.job_id)
            report.moved += job is not None and expire(job, runtime) is not job
        if not runtime.has_time(START_S):
            break
    waited_s = (runtime.now() - oldest).total_seconds()
    report.oldest_waiting_s = max(report.oldest_waiting_s, round(waited_s))


def _store_unstored(runtime: Runtime, report: SweepReport) -> None:
    for job_id in _shuffled(runtime.ledger.unstored_jobs()):
        if not runtime.has_time(START_S):
            return
        job = runtime.ledger.read(job_id)
        if job is None or job.has_ended:
            runtime.ledger.forget_unstored(job_id)
        elif not job.is_owned(runtime.now()):
            report.moved += settle(job, runtime).revision != job.revision


def _deliver(runtime: Runtime, report: SweepReport) -> None:
    report.webhooks += deliver_due(runtime)


def _forget_claims(runtime: Runtime, report: SweepReport) -> None:
    for job_id in _shuffled(runtime.ledger.claimed_jobs()):
        if not runtime.has_time(START_S):
            return
        try:
            report.forgotten += _forget(job_id, runtime)
        except Exception:  # the claims of others must go all the same
            report.failed += 1
            logger.exception("claims_not_forgotten", extra={"job": job_id})


def _forget(job_id: str, runtime: Runtime) -> bool:
    job = runtime.ledger.read(job_id)
    if job is None or not runtime.ledger.is_over(job):
        return False
    tally(job, runtime)
    tidy_staging(job, runtime)  # before the claims, which are what leads here
    runtime.ledger.forget_claims(job)
    return True


def _look_after(view: LaneView, number: int, runtime: Runtime) -> bool:
    """Move on the job that holds a slot, and remove what dead contenders left of it."""
    entries = view.entries(number)
    moves = [_look_after_entry(entry, runtime) for entry in entries]
    if all(moved is None for moved in moves):
        runtime.ledger.slots.reclaim(view.lane, number)
    return any(moves)


def _look_after_entry(entry: SlotEntry, runtime: Runtime) -> bool | None:
    """Move the job of an entry on; None where it does not hold the slot and never will."""
    job = runtime.ledger.read(entry.job_id)
    if job is None or job.attempt.slot != entry.slot or job.has_ended:
        return _remove_orphan(entry, job, runtime)
    if job.is_owned(runtime.now()):
        return False
    moved = _recover(job, runtime) if job.state == "submitting" else settle(job, runtime)
    return moved.revision != job.revision


def _remove_orphan(entry: SlotEntry, job: Job | None, runtime: Runtime) -> bool | None:
    """Remove an entry of a job that does not hold the slot, once nobody can be about to use it.

    The job may have ended without a release: then the keys of the slot are as old.
    """
    ledger = runtime.ledger
    is_settled = job is None or ledger.is_old(job.updated_at)
    if not is_settled or not ledger.is_old(entry.modified):
        return False
    ledger.slots.forget(entry)
    return None


def _recover(job: Job, runtime: Runtime) -> Job:
    """Move a job on whose sender died, or gave up, before it knew what came of the call."""
    if not runtime.kind_of(job).deduplicates:
        taken = take_staged(job, runtime)
        if taken.revision != job.revision:
            return taken
    if _is_hopeless(job, runtime):
        return _give_up(job, runtime)
    if not runtime.kind_of(job).deduplicates:
        return job
    return _send_again(job, runtime)


def _send_again(job: Job, runtime: Runtime) -> Job:
    """Repeat the call under the same session id: it arrives now, or is told that it had."""
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    noted = runtime.ledger.noted_task(claimed)
    if noted:
        return started(claimed, noted, runtime)
    again = claimed.submit_again(runtime.ledger.owned_until())
    return send(runtime.ledger.write(again), runtime)


def _is_hopeless(job: Job, runtime: Runtime) -> bool:
    unknown_after_s = runtime.settings.unknown_after_s
    return job.deaths >= MAX_DEATHS or is_past(job.attempt.submitted_at, unknown_after_s, runtime)


def _give_up(job: Job, runtime: Runtime) -> Job:
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    noted = runtime.ledger.noted_task(claimed)
    if noted:
        return started(claimed, noted, runtime)
    error = JobError(
        type="submission_unknown",
        message=(
            f"attempt {job.attempt.number} was sent at {job.attempt.submitted_at} and no answer"
            " told whether it arrived; it may have been billed, so it is not sent again"
        ),
    )
    return fail(claimed, error, runtime)


def _shuffled(things: Iterable[Thing]) -> list[Thing]:
    found = list(things)
    random.shuffle(found)
    return found
