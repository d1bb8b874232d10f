"""Launch: a new job is written and submitted at once, in as few round trips as possible.

Only one invocation may create the job: its id is new, or the invocation has won a contest on it. So
the first revision may already say `submitting`, owned by that invocation, and no claim is needed:

1. marker, index entry, the lane's listing and the first step for a slot, all at the same time;
2. the second step for the slot;
3. the last step for the slot, and the record;
   the call;
4. the record says `running`, the marker is removed.

| the invocation dies after | what is left |
|---|---|
| 1 or 2 | marker and index entry without a record, keys of the slot: removed after a lease |
| 3 or the call | a job in `submitting`, with its slot entry: the sweep continues it |
| 4 | a running job |

A job that counts towards a ceiling takes more round trips: it is queued, and the pump reserves
its share before it takes a slot.

Without a slot the record says `queued`, and the lane is listed once more: a slot that was
released in between would otherwise stay idle until the next sweep.
"""

from __future__ import annotations

import functools
import itertools
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aigc.errors import CloudError
from aigc.jobs.budget import deferred_at_creation, demands, refusal, report_deferral
from aigc.jobs.capacity import free_slots, list_lane, task_limit
from aigc.jobs.dispatch import pump
from aigc.jobs.ledger.slots import new_slot
from aigc.jobs.submission import create_call, submit_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.job import Job, Slot
    from aigc.jobs.ledger.lanes import LaneView
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import ApiCall

logger = logging.getLogger(__name__)

REMEMBERED_S = 3.0
"""Seconds for which an instance guesses a free slot by its last listing of a lane."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class KnownLanes:
    """The slots that were taken in an instance's last listing of each lane."""

    taken: dict[str, tuple[datetime, frozenset[int]]] = field(default_factory=dict)

    def note_taken(self, lane: str, number: int) -> None:
        """Remember that this instance took a slot after the listing."""
        if lane in self.taken:
            listed_at, taken = self.taken[lane]
            self.taken[lane] = (listed_at, taken | {number})

    def guess(self, lane: str, limit: int, now: datetime) -> int | None:
        """Guess a free slot; None if the lane was full a moment ago."""
        listed_at, taken = self.taken.get(lane, (None, frozenset[int]()))
        if listed_at is None or (now - listed_at).total_seconds() > REMEMBERED_S:
            taken = frozenset()
        free = [number for number in range(limit) if number not in taken]
        return random.choice(free) if free else None  # noqa: S311  no secret


class _Entry(NamedTuple):
    """An attempt to take a slot, after its first step."""

    slot: Slot
    has_entered: bool


def launch(job: Job, runtime: Runtime) -> Job:
    """Write a new job and start it if a slot is free.

    The call is built first: a job that cannot be sent is not accepted.

    Raises:
        CloudError: The job could not be written.
    """
    call = create_call(job, runtime)
    if demands(job, runtime):
        return _launch_within_ceilings(job, runtime)
    view, guessed = _announce(job, runtime)
    entries = [guessed] if guessed else []
    if view is not None and not any(entry.has_entered for entry in entries):
        entries += _enter_free_slot(job, view, runtime)
    for entry in entries:
        if entry.has_entered and view is not None and _may_start(job, entry.slot, view, runtime):
            launched = _submit_in_slot(entry.slot, job, call, runtime)
            if launched is not None:
                if _can_start_more(job, entry.slot, view, runtime):
                    pump(job.lane, runtime)
                return launched
    written: Job
    written, *_ = runtime.parallel(
        lambda: runtime.ledger.records.write_new(job),
        *(_withdrawal(entry.slot, job, runtime) for entry in entries),
    )
    pump(job.lane, runtime, fresh=written)
    return written


def enqueue(job: Job, runtime: Runtime) -> Job:
    """Write a new job that waits for the next pump of its lane.

    Raises:
        CloudError: The job could not be written.
    """
    if demands(job, runtime):
        return _launch_within_ceilings(job, runtime, starts=False)
    runtime.ledger.records.announce(job)
    return runtime.ledger.records.write_new(job)


def _launch_within_ceilings(job: Job, runtime: Runtime, *, starts: bool = True) -> Job:
    """Write a job that counts towards ceilings, and leave it to the pump, now or later.

    If no share is left for it, it is deferred at once.
    """
    deferral = _none_on_error(lambda: refusal(job, runtime))()
    if deferral is not None:
        job = deferred_at_creation(job, deferral, runtime)
    runtime.ledger.records.announce(job)
    written = runtime.ledger.records.write_new(job)
    if deferral is not None:
        report_deferral(written)
    elif starts:
        pump(job.lane, runtime, fresh=written)
    return written


def _announce(job: Job, runtime: Runtime) -> tuple[LaneView | None, _Entry | None]:
    """Make the first round trip; return the lane and the attempt to take a guessed slot."""
    ledger, lane = runtime.ledger, job.lane
    known_lanes = runtime.memory.of(KnownLanes)
    limit = runtime.settings.lanes.get(lane, 1)
    number = known_lanes.guess(lane, limit, runtime.now()) if runtime.may_start() else None
    announce = functools.partial(ledger.records.announce, job)
    listing = _none_on_error(functools.partial(list_lane, lane, runtime))
    view: LaneView | None
    guessed = None
    if number is None:
        _, view = runtime.parallel(announce, listing)
    else:
        enter = functools.partial(_enter, new_slot(number), job, runtime)
        _, view, guessed = runtime.parallel(announce, listing, enter)
    if view is not None:
        own = {guessed.slot.number} if guessed and guessed.has_entered else set()
        known_lanes.taken[lane] = (runtime.now(), view.slots - own)
    return view, guessed


def _enter(slot: Slot, job: Job, runtime: Runtime) -> _Entry:
    """Take the first step for a slot."""
    enter = functools.partial(runtime.ledger.slots.enter, job.lane, slot, job.id)
    return _Entry(slot, has_entered=bool(_none_on_error(enter)()))


def _enter_free_slot(job: Job, view: LaneView, runtime: Runtime) -> list[_Entry]:
    """Take the first step for a slot that the listing shows as free; empty if there is none."""
    free = free_slots(job.lane, view, runtime)
    if not free or view.is_refused or not runtime.may_start():
        return []
    return [_enter(new_slot(random.choice(free)), job, runtime)]  # noqa: S311  no secret


def _may_start(job: Job, slot: Slot, view: LaneView, runtime: Runtime) -> bool:
    """Whether the lane has free slots for this job and for all jobs before it in the queue.

    A lane whose calls are refused is left to the pump, which reads the pause.
    """
    if view.is_refused:
        return False
    free = _free(slot, view, runtime)
    ahead = itertools.takewhile(lambda marker: marker.key < job.marker, view.due(runtime.now()))
    return free > 0 and len(list(itertools.islice(ahead, free))) < free


def _can_start_more(job: Job, slot: Slot, view: LaneView, runtime: Runtime) -> bool:
    """Whether other jobs wait, and the lane has another free slot."""
    others = (marker for marker in view.due(runtime.now()) if marker.key != job.marker)
    return _free(slot, view, runtime) > 1 and next(others, None) is not None


def _free(slot: Slot, view: LaneView, runtime: Runtime) -> int:
    """Count the free slots of a lane, including one that this invocation has entered."""
    others = view.slots - {slot.number}
    return task_limit(view.lane, view, runtime) - len(others)


def _submit_in_slot(slot: Slot, job: Job, call: ApiCall, runtime: Runtime) -> Job | None:
    """Take the last steps for the slot and submit; None if another contender was faster.

    Once the record is written, no error is raised: the client would repeat its call and pay for
    another job.
    """
    slots = runtime.ledger.slots
    if not _none_on_error(lambda: slots.mark(job.lane, slot))():
        return None
    submitting = job.submit(slot, runtime.now(), runtime.ledger.lease.owned_until())
    written: Job
    written, is_held = runtime.parallel(
        lambda: runtime.ledger.records.write_new(submitting),
        _none_on_error(lambda: slots.confirm(job.lane, slot)),
    )
    if not is_held:
        return _queue_instead(written, slot, runtime)
    runtime.memory.of(KnownLanes).note_taken(job.lane, slot.number)
    try:
        return submit_task(written, call, runtime)
    except CloudError as error:
        logger.warning("launch_stopped", extra={"job": job.id, "code": error.code})
    except Exception:
        logger.exception("launch_failed", extra={"job": job.id})
    return written


def _queue_instead(written: Job, slot: Slot, runtime: Runtime) -> Job:
    """Queue a job whose slot another contender won; it was not sent.

    The slot entry is removed last: until the record is written, the sweep finds the job only by it.
    """
    try:
        queued = runtime.ledger.records.write(written.withdraw())
    except CloudError as error:
        logger.warning("launch_stopped", extra={"job": written.id, "code": error.code})
        return written
    _withdrawal(slot, queued, runtime)()
    pump(queued.lane, runtime, fresh=queued)
    return queued


def _withdrawal(slot: Slot, job: Job, runtime: Runtime) -> Callable[[], object]:
    """Return the request that withdraws from a slot."""
    return _none_on_error(lambda: runtime.ledger.slots.leave(job.lane, slot, job.id))


def _none_on_error(request: Callable[[], Answer]) -> Callable[[], Answer | None]:
    """Return a request that returns None after an error: the job is then queued.

    The sweep removes what the failed request may have written.
    """

    def attempt() -> Answer | None:
        try:
            return request()
        except CloudError as error:
            logger.info("launch_slowed_down", extra={"code": error.code})
            return None

    return attempt
