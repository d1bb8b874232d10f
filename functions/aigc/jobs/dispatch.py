"""Dispatch: a waiting job gets a slot in its lane, and its task is submitted once.

The order of the writes makes it safe:

1. the slot is taken, so that no more tasks run than the lane allows;
2. the job is claimed, so that no other invocation submits it;
3. the record says `submitting` *before* the call, so that `queued` proves that nothing was sent;
4. the call is made with a session id that belongs to this attempt alone;
5. the outcome is written to the record, and only then marker and slot are removed.
"""

from __future__ import annotations

import itertools
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigc.errors import BadRecordError, CloudError
from aigc.jobs.budget import defer, reserve
from aigc.jobs.capacity import free_slots, list_lane
from aigc.jobs.pauses import begin_probe, blocks, is_probe, known_pause, pause_of, resume
from aigc.jobs.set_aside import set_aside
from aigc.jobs.submission import (
    create_call,
    give_up,
    is_session_forgotten,
    submit_again,
    submit_task,
)
from aigc.jobs.transitions import expire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job, Slot
    from aigc.jobs.ledger.lanes import Marker
    from aigc.jobs.ledger.pause import Pause
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import ApiCall

logger = logging.getLogger(__name__)

PROBE_FRONT = 20
"""Jobs at the head of a paused queue, one of which is the probe, at random: the account may be
refused for some of them only."""


def pump(
    lane: str, runtime: Runtime, *, fresh: Job | None = None, released: Slot | None = None
) -> None:
    """Start as many waiting jobs as the lane has free slots; errors are logged and not raised.

    The caller has committed its own work but has not responded yet. An error would fail its
    response, and its client would repeat, and pay for, the request. The sweep starts what was
    not started here.

    Args:
        lane: Which lane.
        runtime: The collaborators.
        fresh: A job that the caller has just queued.
        released: A slot that the caller has just released; a late listing still shows it.
    """
    corrections = _Corrections()
    if released is not None:
        corrections.released.add(released.number)
    try:
        _start_waiting(lane, runtime, fresh, corrections)
    except CloudError as error:
        logger.warning("pump_stopped", extra={"lane": lane, "code": error.code})
    except Exception:
        logger.exception("pump_failed", extra={"lane": lane})


@dataclass(slots=True)
class _Corrections:
    """Facts that a pump knows although a late listing does not show them."""

    claimed: set[tuple[str, int]] = field(default_factory=set)
    """Revisions of jobs that were claimed."""
    taken: set[int] = field(default_factory=set)
    """Slots that were found taken, or were taken by this pump."""
    released: set[int] = field(default_factory=set)
    """Slots that were released by this invocation."""
    lost: set[int] = field(default_factory=set)
    """Slots that another contender won while this pump claimed the job; each is tried once more."""
    unreadable: set[str] = field(default_factory=set)
    """Jobs whose records cannot be read; they are not read again."""

    def take(self, number: int) -> None:
        """Note that a slot is taken."""
        self.released.discard(number)
        self.taken.add(number)

    def release(self, number: int) -> None:
        """Note that a slot is free again."""
        self.taken.discard(number)
        self.released.add(number)


def _start_waiting(
    lane: str, runtime: Runtime, fresh: Job | None, corrections: _Corrections
) -> None:
    """Start jobs until the lane is full, nothing waits, or this invocation's time is over.

    Each round begins with a new listing of slots and queue. While this pump held a slot for a job
    that it could not claim, another job may have been queued; the new listing shows it.
    """
    while runtime.may_start():
        view = list_lane(lane, runtime)
        pause = pause_of(view, runtime)
        if blocks(pause, runtime):
            return
        free = [
            number
            for number in free_slots(lane, view, runtime, corrections.released)
            if number not in corrections.taken
        ]
        if not free:
            return
        due = view.due(runtime.now())
        front = list(itertools.islice(due, PROBE_FRONT if is_probe(pause) else len(free)))
        candidates = itertools.chain(_shuffled(front, fresh), due)
        job = _next_job(candidates, runtime, fresh, corrections)
        if job is None:
            return
        random.shuffle(free)
        submitted = _start_if_possible(job, free[0], runtime, corrections, pause)
        if submitted is not None and known_pause(submitted, runtime) is not None:
            return
        if fresh is not None and _holds_slot(submitted, fresh) and len(front) == 1:
            return  # this pump released no slot in which another job could start


def _start_if_possible(
    job: Job, number: int, runtime: Runtime, corrections: _Corrections, pause: Pause | None
) -> Job | None:
    """Start a job that its ceilings allow and that this version can read; otherwise None."""
    try:
        if _has_budget(job, runtime):
            return _start(job, number, runtime, corrections, pause)
        corrections.claimed.add((job.id, job.revision))
    except BadRecordError as error:
        _set_aside(error, runtime, corrections)
    return None


def _shuffled(front: list[Marker], fresh: Job | None) -> list[Marker]:
    """Order the jobs for which there are slots: the fresh job first, the others at random.

    All of them can start now. Pumps that run at the same time should not try the same job.
    """
    shuffled = [*front]
    random.shuffle(shuffled)
    return sorted(shuffled, key=lambda marker: fresh is None or marker.key != fresh.marker)


def _has_budget(job: Job, runtime: Runtime) -> bool:
    """Reserve a share of each ceiling for a job; False if the job must wait.

    A job whose call is repeated has its share. Without a share the job is deferred. After an error
    of the ledger it stays in its lane, and the next pump tries it again.
    """
    if job.state == "submitting":
        return True
    try:
        deferral = reserve(job, runtime)
        if deferral is not None:
            defer(job, deferral, runtime)
    except CloudError as error:
        logger.warning("budget_not_reserved", extra={"job": job.id, "code": error.code})
        return False
    return deferral is None


def _holds_slot(submitted: Job | None, fresh: Job) -> bool:
    """Whether the job that was submitted is the fresh one, and still has its slot."""
    if submitted is None or submitted.id != fresh.id:
        return False
    return submitted.state in {"submitting", "running"}


def _start(
    job: Job, number: int, runtime: Runtime, corrections: _Corrections, pause: Pause | None
) -> Job | None:
    """Take the slot, claim the job and submit it; None if another invocation was faster.

    The call is built first: a job that this version cannot send gets neither slot nor claim.
    The first step for the slot keeps most contenders out. The other steps and the claim do not
    depend on each other, so they are made at the same time.
    """
    ledger = runtime.ledger
    call = create_call(job, runtime)
    corrections.take(number)
    slot = ledger.slots.begin(job.lane, number, job.id)
    if slot is None:
        return None
    is_held, claimed = runtime.parallel(
        lambda: ledger.slots.win(job.lane, slot, job.id), lambda: ledger.claims.claim(job)
    )
    if not is_held or claimed is None:
        corrections.claimed.add((job.id, job.revision))
        if is_held and ledger.slots.release(job.lane, slot, job.id):
            corrections.release(number)
        if claimed is not None:
            _give_claim_back(claimed, number, runtime, corrections)
        return None
    begin_probe(job.lane, pause, runtime)
    submitted = _submit(claimed, slot, call, runtime)
    if pause is not None and submitted.state == "running":
        resume(job.lane, runtime)
    if submitted.waits_for_slot or submitted.has_ended:  # its slot was released
        corrections.release(number)
    return submitted


def _submit(job: Job, slot: Slot, call: ApiCall, runtime: Runtime) -> Job:
    """Send a claimed job in its slot, or repeat its call."""
    if job.state == "submitting":
        return submit_again(job, call, slot, runtime)
    ledger = runtime.ledger
    submitting = job.submit(slot, runtime.now(), ledger.lease.owned_until())
    return submit_task(ledger.records.write(submitting), call, runtime)


def _give_claim_back(job: Job, number: int, runtime: Runtime, corrections: _Corrections) -> None:
    """Write the next revision of a job whose slot another contender won: it can be claimed again.

    The winner of the slot may have wanted the same job, and have released the slot since the job
    was claimed. So the pump tries the slot once more; otherwise it could stay idle until the next
    sweep.
    """
    runtime.ledger.records.write(job.give_back())
    if number not in corrections.lost:
        corrections.lost.add(number)
        corrections.taken.discard(number)


def _next_job(
    markers: Iterator[Marker], runtime: Runtime, fresh: Job | None, corrections: _Corrections
) -> Job | None:
    """Return the first job that waits and may be claimed; remove markers that lead to no job."""
    for marker in markers:
        if marker.job_id in corrections.unreadable:
            continue
        try:
            job = _read(marker, runtime, fresh, corrections)
        except BadRecordError as error:
            _set_aside(error, runtime, corrections)
            continue
        if job is None or not job.waits_for_slot or job.marker != marker.key:
            _remove_orphaned_marker(marker, job, runtime)
        elif (job.id, job.revision) not in corrections.claimed and _may_start(job, runtime):
            return job
    return None


def _may_start(job: Job, runtime: Runtime) -> bool:
    """Whether a waiting job may still be sent; a job that is too late is ended."""
    if job.state == "submitting" and is_session_forgotten(job, runtime):
        give_up(job, runtime)
        return False
    return expire(job, runtime) is job


def _set_aside(error: BadRecordError, runtime: Runtime, corrections: _Corrections) -> None:
    """Note that a record cannot be read; this pump then skips all jobs that have such a note.

    There may be many of them: one listing names them, without a read of each record.
    """
    set_aside(error, runtime)
    if not corrections.unreadable:
        corrections.unreadable.update(runtime.ledger.records.jobs_set_aside())
    corrections.unreadable.add(error.job_id)


def _read(
    marker: Marker, runtime: Runtime, fresh: Job | None, corrections: _Corrections
) -> Job | None:
    """Read a marker's job; the fresh job is read only if its first revision was claimed."""
    is_fresh = fresh is not None and fresh.marker == marker.key
    if fresh is None or not is_fresh or (fresh.id, fresh.revision) in corrections.claimed:
        return runtime.ledger.records.read(marker.job_id)
    return fresh


def _remove_orphaned_marker(marker: Marker, job: Job | None, runtime: Runtime) -> None:
    """Remove a marker that no record names, once no invocation can be about to write such a record.

    An invocation that writes a marker writes the record next, within its lease. Each marker has a
    unique key, so no record will ever name an old one that none names now.
    """
    is_settled = job is None or runtime.ledger.lease.has_expired(job.updated_at)
    if is_settled and runtime.ledger.lease.has_expired(marker.modified):
        runtime.ledger.lanes.remove_marker(marker.key)
