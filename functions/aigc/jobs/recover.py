"""Recover: continue the work that a crash, a lost answer or a lost event has interrupted.

Each public function is the work of one part of the sweep; `aigc.sweeping` has the table of all.
"""

from __future__ import annotations

import functools
import itertools
import logging
from typing import TYPE_CHECKING

from aigc.errors import BadRecordError
from aigc.jobs.budget import balance
from aigc.jobs.capacity import list_lane, remove_old_cuts
from aigc.jobs.dispatch import pump
from aigc.jobs.job import milliseconds
from aigc.jobs.ledger.claims import WEBHOOK_SUBJECT
from aigc.jobs.ledger.lanes import queue_marker
from aigc.jobs.ledger.records import follow_up_of, job_set_aside
from aigc.jobs.ledger.slots import SLOT_SUBJECT
from aigc.jobs.pauses import begin_probe, blocks, probe_query
from aigc.jobs.results import remove_staged
from aigc.jobs.set_aside import set_aside
from aigc.jobs.settle import LONGEST_RUN_S, settle, store_staged
from aigc.jobs.submission import create_call, give_up, is_session_forgotten, submit_again
from aigc.jobs.transitions import MAX_DEATHS, expire, has_passed
from aigc.jobs.usage import tally
from aigc.jobs.webhooks import deliver_due, due_markers

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.lanes import LaneView, Marker
    from aigc.jobs.ledger.records import FollowUp
    from aigc.jobs.ledger.slots import SlotEntry
    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.turns import Turn

logger = logging.getLogger(__name__)

QUEUE_PAGES = 100
"""Pages of 1,000 markers that are read of one queue in a sweep: 1,000,000 take ten sweeps."""

PAGES = 10
"""Pages of other keys that one sweep reads for one part."""


def recover_slots(turn: Turn) -> None:
    """Continue the job of each taken slot of a lane, and free the slots of dead contenders.

    A job that was sent holds a slot until its task ends. So the sweep finds it by its slot if its
    invocation died.
    """
    runtime = turn.runtime
    view = list_lane(turn.lane, runtime)
    remove_old_cuts(turn.lane, view, runtime)
    probe_query(view, runtime)
    taken = {f"{number:04d}": number for number in view.slots}
    turn.count("slots", len(taken))

    def recover_slot(key: str) -> None:
        turn.report.moved += _sweep_slot(view, taken[key], runtime)

    turn.each(turn.in_turn(taken), recover_slot)


def start_waiting(turn: Turn) -> None:
    """Start waiting jobs of a lane in its free slots."""
    pump(turn.lane, turn.runtime)
    turn.has_time()


def check_queue(turn: Turn) -> None:
    """Count the jobs that wait in a lane, and cancel those whose `start_by` has passed."""
    runtime, report = turn.runtime, turn.report
    oldest = runtime.now()

    def check(marker: Marker) -> None:
        nonlocal oldest
        oldest = min(oldest, marker.modified)
        if marker.start_by is not None and marker.start_by <= runtime.now():
            report.moved += _expire(marker, runtime)

    list_queue = functools.partial(runtime.ledger.lanes.list_queue, turn.lane)
    turn.each(map(queue_marker, turn.walk(list_queue, pages=QUEUE_PAGES)), check)
    turn.count("waiting", max(turn.total, turn.seen))
    waited_s = (runtime.now() - oldest).total_seconds()
    report.oldest_waiting_s = max(report.oldest_waiting_s, round(waited_s))


def balance_ceilings(turn: Turn) -> None:
    """Settle the grants of jobs that have ended, and release deferred jobs that get a share."""
    turn.report.moved += balance(turn.runtime)
    turn.has_time()


def _expire(marker: Marker, runtime: Runtime) -> bool:
    """Cancel the job of a marker if its latest start has passed; return whether it changed."""
    try:
        job = runtime.ledger.records.read(marker.job_id)
    except BadRecordError as error:
        set_aside(error, runtime)
        return False
    return job is not None and expire(job, runtime) is not job


def follow_up(turn: Turn) -> None:
    """Continue the jobs without a slot that are due: with an overdue task, or images to store."""

    def follow(listed: Listed) -> None:
        try:
            turn.report.moved += _follow_noted(follow_up_of(listed), turn.runtime)
        except BadRecordError as error:
            set_aside(error, turn.runtime)

    turn.each(turn.walk(turn.runtime.ledger.records.list_follow_ups, pages=PAGES), follow)


def _follow_noted(note: FollowUp, runtime: Runtime) -> bool:
    """Continue the job of a note; remove the note if the record names a later time, or none.

    The later note may be missing, so it is written again: an invocation may have died while it
    released the slot of an overdue task, which left this note; another one may then have died in
    the parallel writes of `store`, which left the record.
    """
    records = runtime.ledger.records
    job = records.read(note.job_id)
    if job is not None and job.is_owned(runtime.now()):
        return False
    if job is None or not _needs_note(job):
        records.remove_orphaned(note)
        return False
    if job.store_after is not None and milliseconds(note.due) < milliseconds(job.store_after):
        records.note_follow_up(job.id, job.store_after)
        records.remove_orphaned(note)
        return False
    return settle(job, runtime).revision != job.revision


def _needs_note(job: Job) -> bool:
    """Whether the sweep may find the job by nothing but a note.

    In other states it finds the job by its marker or its slot, or the job has ended.
    """
    return job.state in {"running", "storing"}


def readmit(turn: Turn) -> None:
    """Continue jobs that were set aside, if this version can read their records."""
    unreadable = []

    def readmit_listed(listed: Listed) -> None:
        try:
            turn.report.moved += _readmit_job(job_set_aside(listed), turn.runtime)
        except BadRecordError as error:
            unreadable.append(error.job_id)

    turn.each(turn.walk(turn.runtime.ledger.records.list_set_aside, pages=PAGES), readmit_listed)
    if unreadable:
        sample = sorted(unreadable)[:5]
        logger.error("records_unreadable", extra={"count": len(unreadable), "jobs": sample})


def _readmit_job(job_id: str, runtime: Runtime) -> bool:
    """Continue a job that was set aside, and remove the note once the job is found without it.

    Raises:
        BadRecordError: This version cannot read its record, or cannot send its task.
    """
    job = runtime.ledger.records.read(job_id)
    if job is not None and job.waits_for_slot:
        create_call(job, runtime)
        runtime.ledger.lanes.enqueue(job)
    elif job is not None and not job.has_ended:
        return _move_on(job, runtime)
    runtime.ledger.records.readmit(job_id)
    return True


def deliver_webhooks(turn: Turn) -> None:
    """Make the tries of webhooks that are due."""
    list_due = functools.partial(due_markers, turn.runtime)
    turn.report.webhooks += deliver_due(turn.runtime, turn.walk(list_due, pages=PAGES))


def forget_claims(turn: Turn) -> None:
    """Count jobs that have ended, and remove their claims and staged images.

    Claims on slots and webhooks are removed once no invocation can contend for them.
    """
    claims = turn.runtime.ledger.claims
    keys = turn.walk(claims.list_claims, pages=PAGES)
    names = (name for name, _ in itertools.groupby(listed.key.split("/")[1] for listed in keys))

    def forget(name: str) -> None:
        if name.startswith((SLOT_SUBJECT, WEBHOOK_SUBJECT)):
            claims.forget_expired(name)
        else:
            turn.report.forgotten += _forget(name, turn.runtime)

    turn.each(names, forget)


def _forget(job_id: str, runtime: Runtime) -> bool:
    """Count a job and remove its claims, if it is over; return whether it was."""
    try:
        job = runtime.ledger.records.read(job_id)
    except BadRecordError as error:
        set_aside(error, runtime)
        return False
    if job is None or not runtime.ledger.claims.is_over(job):
        return False
    tally(job, runtime)
    remove_staged(job, runtime)  # before the claims, by which the sweep finds the job
    runtime.ledger.claims.forget_claims(job)
    return True


def _sweep_slot(view: LaneView, number: int, runtime: Runtime) -> bool:
    """Continue the job that holds a slot, or free the slot if its contenders are dead."""
    entries = view.entries(number)
    moves = [_sweep_entry(entry, runtime) for entry in entries]
    if all(moved is None for moved in moves):
        runtime.ledger.slots.reclaim(view.lane, number)
    return any(moves)


def _sweep_entry(entry: SlotEntry, runtime: Runtime) -> bool | None:
    """Continue the job of a slot entry; None if it does not hold the slot and never will."""
    try:
        job = runtime.ledger.records.read(entry.job_id)
        if job is None or job.attempt.slot != entry.slot or job.has_ended:
            return _remove_orphaned_entry(entry, job, runtime)
        return _move_on(job, runtime)
    except BadRecordError as error:
        return _keep_slot(entry, error, runtime)


def _keep_slot(entry: SlotEntry, error: BadRecordError, runtime: Runtime) -> bool | None:
    """Keep the slot of a job whose record cannot be read, as long as its task may run.

    After that time the sweep finds the job by the note that it was set aside.
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
    """Remove a slot entry whose job does not hold the slot, once no invocation can still use it.

    The job may have ended without a release. Then the other keys of the slot are as old as the
    entry, and the slot is freed with it.
    """
    ledger = runtime.ledger
    is_settled = job is None or ledger.lease.has_expired(job.updated_at)
    if not is_settled or not ledger.lease.has_expired(entry.modified):
        return False
    ledger.slots.forget(entry)
    return None


def _recover(job: Job, runtime: Runtime) -> Job:
    """Continue a job whose owner died, or stopped, before it knew the outcome of the call."""
    if runtime.kind_of(job).deduplicates:
        return _recover_session(job, runtime)
    stored = store_staged(job, runtime)
    if stored.revision != job.revision:
        return stored
    is_old = has_passed(runtime.settings.unknown_after_s, job.attempt.submitted_at, runtime)
    return give_up(job, runtime) if is_old or job.deaths >= MAX_DEATHS else job


def _recover_session(job: Job, runtime: Runtime) -> Job:
    """Repeat the call of a job; give the job up if the vendor may have forgotten its session.

    While the account is refused, a call would not show whether the vendor has the task.
    """
    if job.deaths >= MAX_DEATHS or is_session_forgotten(job, runtime):
        return give_up(job, runtime)
    pause = runtime.ledger.pauses.read(job.lane)
    if blocks(pause, runtime):
        return job
    begin_probe(job.lane, pause, runtime)
    call = create_call(job, runtime)
    claimed = runtime.ledger.claims.claim(job)
    return job if claimed is None else submit_again(claimed, call, claimed.attempt.slot, runtime)
