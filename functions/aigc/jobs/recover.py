"""Sweep: find what a crash, a lost answer or a lost event left behind, and move it on."""

from __future__ import annotations

import functools
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aigc.errors import BadRecordError
from aigc.jobs.dispatch import pump
from aigc.jobs.job import JobError, milliseconds
from aigc.jobs.lanes import list_lane, remove_old_cuts
from aigc.jobs.results import remove_staged
from aigc.jobs.set_aside import set_aside
from aigc.jobs.settle import LONGEST_RUN_S, settle, store_staged
from aigc.jobs.submission import START_S, create_call, submit_task
from aigc.jobs.transitions import MAX_DEATHS, expire, fail, has_passed, mark_running
from aigc.jobs.usage import tally
from aigc.jobs.webhooks import deliver_due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.ledger.lanes import LaneView, Marker
    from aigc.jobs.ledger.records import Unstored
    from aigc.jobs.ledger.slots import SlotEntry
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


@dataclass(slots=True)
class SweepReport:
    """What one sweep found and did."""

    slots: int = 0
    """Slots that were taken."""
    waiting: int = 0
    """Jobs that wait for a slot."""
    oldest_waiting_s: int = 0
    """Seconds since the oldest of them was queued, for the last time."""
    moved: int = 0
    """Jobs that the sweep moved on."""
    failed: int = 0
    """Slots and steps that failed; the next sweep tries them again."""
    forgotten: int = 0
    """Jobs that ended a lease ago and whose claims were removed."""
    webhooks: int = 0
    """Tries to deliver a webhook."""


def sweep(runtime: Runtime) -> SweepReport:
    """Move on the job of each taken slot of each lane, then start waiting jobs.

    A job that was sent holds a slot until it ends, so the slots name every job that a crash may
    have left behind. The pump finds the jobs that wait.
    """
    report = SweepReport()
    for step in _steps(runtime, report):
        if not runtime.has_time(START_S):
            break
        try:
            step()
        except Exception:
            report.failed += 1
            logger.exception("sweep_step_failed")
    return report


def _steps(runtime: Runtime, report: SweepReport) -> Iterator[Callable[[], None]]:
    """Yield the steps of a sweep; an error in one does not stop the others.

    The order of lanes and slots is random. If the time of a sweep is too short, or one job kills
    each sweep, the next sweep begins with others.
    """
    for lane in _shuffled(runtime.settings.lanes):
        yield functools.partial(_sweep_lane, lane, runtime, report)
        yield functools.partial(pump, lane, runtime)
    yield from _shuffled(
        functools.partial(step, runtime, report)
        for step in (_store_unstored, _readmit, _deliver, _forget_claims)
    )


def _sweep_lane(lane: str, runtime: Runtime, report: SweepReport) -> None:
    view = list_lane(lane, runtime)
    remove_old_cuts(lane, view, runtime)
    for number in _shuffled(view.slots):
        if not runtime.has_time(START_S):
            return
        report.slots += 1
        try:
            report.moved += _sweep_slot(view, number, runtime)
        except Exception:
            report.failed += 1
            logger.exception("slot_sweep_failed", extra={"lane": lane, "slot": number})
    _sweep_queue(view, runtime, report)


def _sweep_queue(view: LaneView, runtime: Runtime, report: SweepReport) -> None:
    """Count the jobs that wait, and cancel those whose `start_by` has passed."""
    oldest = runtime.now()
    for marker in view.waiting():
        report.waiting += 1
        oldest = min(oldest, marker.modified)
        if marker.start_by is not None and marker.start_by <= runtime.now():
            report.moved += _expire(marker, runtime)
        if not runtime.has_time(START_S):
            break
    waited_s = (runtime.now() - oldest).total_seconds()
    report.oldest_waiting_s = max(report.oldest_waiting_s, round(waited_s))


def _expire(marker: Marker, runtime: Runtime) -> bool:
    try:
        job = runtime.ledger.records.read(marker.job_id)
    except BadRecordError as error:
        set_aside(error, runtime)
        return False
    return job is not None and expire(job, runtime) is not job


def _store_unstored(runtime: Runtime, report: SweepReport) -> None:
    for note in _shuffled(runtime.ledger.records.unstored()):
        if not runtime.has_time(START_S):
            return
        try:
            report.moved += _store_noted(note, runtime)
        except BadRecordError as error:
            set_aside(error, runtime)
        except Exception:  # the images of other jobs are stored all the same
            report.failed += 1
            logger.exception("images_not_stored", extra={"job": note.job_id})


def _store_noted(note: Unstored, runtime: Runtime) -> bool:
    """Go on with the job of a note; remove the note if the record names a later time, or none."""
    job = runtime.ledger.records.read(note.job_id)
    if job is not None and job.is_owned(runtime.now()):
        return False
    if job is None or job.has_ended or _is_outdated(note, job):
        runtime.ledger.records.remove_unstored(note)
        return False
    return settle(job, runtime).revision != job.revision


def _is_outdated(note: Unstored, job: Job) -> bool:
    """Whether another note leads to the job: each is written before the record that names it."""
    if job.store_after is None:
        return False
    return milliseconds(note.due) < milliseconds(job.store_after)


def _readmit(runtime: Runtime, report: SweepReport) -> None:
    """Go on with jobs that were set aside and whose records this version can read."""
    unreadable = []
    for job_id in _shuffled(runtime.ledger.records.jobs_set_aside()):
        if not runtime.has_time(START_S):
            break
        try:
            report.moved += _readmit_job(job_id, runtime)
        except BadRecordError:
            unreadable.append(job_id)
        except Exception:  # the others are looked at all the same
            report.failed += 1
            logger.exception("job_not_readmitted", extra={"job": job_id})
    if unreadable:
        sample = sorted(unreadable)[:5]
        logger.error("records_unreadable", extra={"count": len(unreadable), "jobs": sample})


def _readmit_job(job_id: str, runtime: Runtime) -> bool:
    """Move on a job that was set aside; forget that it was, once something else leads to it.

    Raises:
        BadRecordError: This version cannot read its record, or cannot send its task.
    """
    job = runtime.ledger.records.read(job_id)
    if job is not None and job.state == "queued":
        create_call(job, runtime)
        runtime.ledger.lanes.enqueue(job)
    elif job is not None and not job.has_ended:
        return _move_on(job, runtime)
    runtime.ledger.records.readmit(job_id)
    return True


def _deliver(runtime: Runtime, report: SweepReport) -> None:
    report.webhooks += deliver_due(runtime)


def _forget_claims(runtime: Runtime, report: SweepReport) -> None:
    for job_id in _shuffled(runtime.ledger.claims.claimed_jobs()):
        if not runtime.has_time(START_S):
            return
        try:
            report.forgotten += _forget(job_id, runtime)
        except BadRecordError as error:
            set_aside(error, runtime)
        except Exception:  # the claims of other jobs are removed all the same
            report.failed += 1
            logger.exception("claims_not_forgotten", extra={"job": job_id})


def _forget(job_id: str, runtime: Runtime) -> bool:
    job = runtime.ledger.records.read(job_id)
    if job is None or not runtime.ledger.claims.is_over(job):
        return False
    tally(job, runtime)
    remove_staged(job, runtime)  # before the claims, by which the sweep finds the job
    runtime.ledger.claims.forget_claims(job)
    return True


def _sweep_slot(view: LaneView, number: int, runtime: Runtime) -> bool:
    """Move on the job that holds a slot, and remove what dead contenders left of it."""
    entries = view.entries(number)
    moves = [_sweep_entry(entry, runtime) for entry in entries]
    if all(moved is None for moved in moves):
        runtime.ledger.slots.reclaim(view.lane, number)
    return any(moves)


def _sweep_entry(entry: SlotEntry, runtime: Runtime) -> bool | None:
    """Move the job of an entry on; None if it does not hold the slot and never will."""
    try:
        job = runtime.ledger.records.read(entry.job_id)
        if job is None or job.attempt.slot != entry.slot or job.has_ended:
            return _remove_orphaned_entry(entry, job, runtime)
        return _move_on(job, runtime)
    except BadRecordError as error:
        return _keep_slot(entry, error, runtime)


def _keep_slot(entry: SlotEntry, error: BadRecordError, runtime: Runtime) -> bool | None:
    """Keep the slot of a job whose record cannot be read as long as its task may run.

    From then on the note that the job was set aside leads to it.
    """
    set_aside(error, runtime)
    if not has_passed(LONGEST_RUN_S, entry.modified, runtime):
        return False
    runtime.ledger.slots.forget(entry)
    return None


def _move_on(job: Job, runtime: Runtime) -> bool:
    """Take the next step of a job that was sent; return whether it changed."""
    if job.is_owned(runtime.now()):
        return False
    moved = _recover(job, runtime) if job.state == "submitting" else settle(job, runtime)
    return moved.revision != job.revision


def _remove_orphaned_entry(entry: SlotEntry, job: Job | None, runtime: Runtime) -> bool | None:
    """Remove an entry of a job that does not hold the slot, once no invocation can still use it.

    The job may have ended without a release: then the keys of the slot are as old.
    """
    ledger = runtime.ledger
    is_settled = job is None or ledger.lease.has_expired(job.updated_at)
    if not is_settled or not ledger.lease.has_expired(entry.modified):
        return False
    ledger.slots.forget(entry)
    return None


def _recover(job: Job, runtime: Runtime) -> Job:
    """Move on a job whose owner died, or stopped, before it knew the outcome of the call."""
    if not runtime.kind_of(job).deduplicates:
        stored = store_staged(job, runtime)
        if stored.revision != job.revision:
            return stored
    if _is_hopeless(job, runtime):
        return _give_up(job, runtime)
    if not runtime.kind_of(job).deduplicates:
        return job
    return _submit_again(job, runtime)


def _submit_again(job: Job, runtime: Runtime) -> Job:
    """Repeat the call under the same session id: VOD takes it, or answers that it has it."""
    call = create_call(job, runtime)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return job
    task_id = runtime.ledger.claims.noted_task(claimed)
    if task_id:
        return mark_running(claimed, task_id, runtime)
    again = claimed.submit_again(runtime.ledger.lease.owned_until())
    return submit_task(runtime.ledger.records.write(again), call, runtime)


def _is_hopeless(job: Job, runtime: Runtime) -> bool:
    unknown_after_s = runtime.settings.unknown_after_s
    return job.deaths >= MAX_DEATHS or has_passed(
        unknown_after_s, job.attempt.submitted_at, runtime
    )


def _give_up(job: Job, runtime: Runtime) -> Job:
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


def _shuffled(items: Iterable[Item]) -> list[Item]:
    shuffled = list(items)
    random.shuffle(shuffled)
    return shuffled
