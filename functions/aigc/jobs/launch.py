"""Launching: a new job is written down and sent at once, in as few round trips as possible.

Only one invocation may create the job: its id is new, or a contest was won. So its first revision
may already say `submitting`, owned by that invocation, and no claim is needed:

1. marker, index entry, the lane's listing and the first step for a slot, all at the same time;
2. the second step for the slot;
3. the last step for the slot, and the record;
   the call;
4. the record says `running`, the marker is removed.

| the invocation dies after | what is left |
|---|---|
| 1 or 2 | marker and index entry without a record, keys of the slot: removed when a lease old |
| 3 or the call | a job in `submitting`, with its entry at the slot: the sweep goes on with it |
| 4 | a running job |

Without a slot the record says `queued`, and the lane is looked at once more: a slot that was
released in between would otherwise stay idle until the next sweep.
"""

from __future__ import annotations

import functools
import itertools
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aigc.errors import CloudError
from aigc.jobs.lanes import free_places, look_at, most_at_once
from aigc.jobs.slots import new_slot
from aigc.jobs.start import START_S, pump, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from aigc.jobs.job import Job, Slot
    from aigc.jobs.ledger import LaneView, Marker
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

REMEMBERED_S = 3.0
"""For so long an instance goes by what it saw of a lane when it guesses a free slot."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class SeenLanes:
    """What an instance remembers of lanes: which slots were taken when it looked last."""

    taken: dict[str, tuple[datetime, frozenset[int]]] = field(default_factory=dict)

    def note_taken(self, lane: str, number: int) -> None:
        """Remember that this instance took a slot after it looked."""
        if lane in self.taken:
            seen_at, taken = self.taken[lane]
            self.taken[lane] = (seen_at, taken | {number})

    def guess(self, lane: str, limit: int, now: datetime) -> int | None:
        """Guess a free slot; None where the lane was just seen full."""
        seen_at, taken = self.taken.get(lane, (None, frozenset[int]()))
        if seen_at is None or (now - seen_at).total_seconds() > REMEMBERED_S:
            taken = frozenset()
        free = [number for number in range(limit) if number not in taken]
        return random.choice(free) if free else None  # noqa: S311  no secret


def launch(job: Job, runtime: Runtime) -> Job:
    """Write a new job down and start it if a slot is free.

    Raises:
        CloudError: The job could not be written down.
    """
    view, attempt = _announce(job, runtime)
    attempts = [attempt] if attempt else []
    if view is not None and not any(one.has_entered for one in attempts):
        attempts += _enter_free_slot(job, view, runtime)
    for one in attempts:
        if one.has_entered and view is not None and _may_start(job, one.slot, view, runtime):
            launched = _send_in(one.slot, job, runtime)
            if launched is not None:
                if _leaves_room(job, one.slot, view, runtime):
                    pump(job.lane, runtime)
                return launched
    written: Job
    written, *_ = runtime.parallel(
        lambda: runtime.ledger.write_new(job),
        *(_withdrawal(one.slot, job, runtime) for one in attempts),
    )
    pump(job.lane, runtime, fresh=written)
    return written


def _announce(job: Job, runtime: Runtime) -> tuple[LaneView | None, _Attempt | None]:
    """Make the first round trip; return the lane and what came of a guessed slot."""
    ledger, lane = runtime.ledger, job.lane
    seen = runtime.memory.of(SeenLanes)
    limit = runtime.settings.lanes.get(lane, 1)
    number = seen.guess(lane, limit, runtime.now()) if runtime.has_time(START_S) else None
    announce = functools.partial(ledger.announce, job)
    look = _tolerant(functools.partial(look_at, lane, runtime))
    view: LaneView | None
    attempt = None
    if number is None:
        _, view = runtime.parallel(announce, look)
    else:
        enter = functools.partial(_enter, new_slot(number), job, runtime)
        _, view, attempt = runtime.parallel(announce, look, enter)
    if view is not None:
        own = {attempt.slot.number} if attempt and attempt.has_entered else set()
        seen.taken[lane] = (runtime.now(), view.slots - own)
    return view, attempt


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attempt to take a slot, after its first step."""

    slot: Slot
    has_entered: bool


def _enter(slot: Slot, job: Job, runtime: Runtime) -> _Attempt:
    enter = functools.partial(runtime.ledger.slots.enter, job.lane, slot, job.id)
    return _Attempt(slot, has_entered=bool(_tolerant(enter)()))


def _enter_free_slot(job: Job, view: LaneView, runtime: Runtime) -> list[_Attempt]:
    """Enter a slot that the listing shows as free, where nothing was guessed or wrongly."""
    free = free_places(job.lane, view, runtime)
    if not free or not runtime.has_time(START_S):
        return []
    return [_enter(new_slot(random.choice(free)), job, runtime)]  # noqa: S311  no secret


def _may_start(job: Job, slot: Slot, view: LaneView, runtime: Runtime) -> bool:
    """Whether the lane has room for this job before those that wait in it."""
    free = _free(slot, view, runtime)
    ahead = itertools.takewhile(lambda marker: marker.key < job.marker, _due(view, runtime))
    return free > 0 and len(list(itertools.islice(ahead, free))) < free


def _leaves_room(job: Job, slot: Slot, view: LaneView, runtime: Runtime) -> bool:
    """Whether other jobs could start beside this one: their own invocations did not."""
    others = (marker for marker in _due(view, runtime) if marker.key != job.marker)
    return _free(slot, view, runtime) > 1 and next(others, None) is not None


def _free(slot: Slot, view: LaneView, runtime: Runtime) -> int:
    others = view.slots - {slot.number}
    return most_at_once(view.lane, view, runtime) - len(others)


def _due(view: LaneView, runtime: Runtime) -> Iterator[Marker]:
    return (marker for marker in view.waiting() if marker.not_before <= runtime.now())


def _send_in(slot: Slot, job: Job, runtime: Runtime) -> Job | None:
    """Take the last steps for the slot and send; None where another contender won it."""
    slots = runtime.ledger.slots
    if not _tolerant(lambda: slots.mark(job.lane, slot))():
        return None
    owned = job.submit(slot, runtime.now(), runtime.ledger.owned_until())
    written, is_held = runtime.parallel(
        lambda: runtime.ledger.write_new(owned),
        _tolerant(lambda: slots.confirm(job.lane, slot)),
    )
    if not is_held:
        return _queued_after_all(written, job, slot, runtime)
    seen = runtime.memory.of(SeenLanes)
    seen.note_taken(job.lane, slot.number)
    return _sent(written, runtime)


def _sent(job: Job, runtime: Runtime) -> Job:
    """Send a job that was accepted: no error may make its caller ask, and pay, again."""
    try:
        return send(job, runtime)
    except CloudError as error:
        logger.warning("launch_stopped", extra={"job": job.id, "code": error.code})
    except Exception:
        logger.exception("launch_failed", extra={"job": job.id})
    return job


def _queued_after_all(written: Job, job: Job, slot: Slot, runtime: Runtime) -> Job:
    """Queue a job whose slot another contender won; it was not sent.

    The entry at the slot goes last: until the record is written, only it leads to the job.
    """
    try:
        queued = runtime.ledger.write(written.withdraw())
    except CloudError as error:
        logger.warning("launch_stopped", extra={"job": job.id, "code": error.code})
        return written
    _withdrawal(slot, job, runtime)()
    pump(job.lane, runtime, fresh=queued)
    return queued


def _withdrawal(slot: Slot, job: Job, runtime: Runtime) -> Callable[[], object]:
    return _tolerant(lambda: runtime.ledger.slots.leave(job.lane, slot, job.id))


def _tolerant(request: Callable[[], Answer]) -> Callable[[], Answer | None]:
    """Let a request fail: without its answer the job is queued, and the sweep tidies up."""

    def attempt() -> Answer | None:
        try:
            return request()
        except CloudError as error:
            logger.info("launch_slowed_down", extra={"code": error.code})
            return None

    return attempt
