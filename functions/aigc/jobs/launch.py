"""Launching: a new job is written down and sent at once, in as few round trips as possible.

Only one invocation may create the job: its id is new, or a contest was won. So its first revision
may already say `submitting`, owned by that invocation, and no claim is needed:

1. marker, index entry, the lane's listing and the first step for a slot, all at the same time;
2. the second step for the slot;
3. the last step for the slot, and the record;
   the call;
4. the record says `running`, the marker is removed.

| the invocation dies after | what is left | what goes on |
|---|---|---|
| 1 or 2 | marker and index entry without a record, keys of the slot | they are removed when they are a lease old |
| 3 | a job in `submitting` that nobody or somebody sent, with its entry at the slot | the sweep, when the ownership is over |
| the call | the same | the same |
| 4 | a running job | callback, status call or sweep |

Without a slot the record says `queued`, and the lane is looked at once more: a slot that was
released in between would otherwise stay idle until the next sweep.
"""

from __future__ import annotations

import itertools
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aigc.errors import CloudError
from aigc.jobs.lanes import most_at_once
from aigc.jobs.slots import new_slot
from aigc.jobs.start import START_S, pump, send, submitting

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.job import Job, Slot
    from aigc.jobs.ledger import LaneView
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

FULL_S = 10.0
"""For so long an instance remembers that a lane was full, and guesses no slot."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class SeenLanes:
    """What an instance remembers of lanes: which slots were taken when it looked last."""

    taken: dict[str, tuple[datetime, frozenset[int]]] = field(default_factory=dict)

    def guess(self, lane: str, limit: int, now: datetime) -> int | None:
        """Guess a free slot; None where the lane was just seen full."""
        seen_at, taken = self.taken.get(lane, (None, frozenset[int]()))
        if seen_at is None or (now - seen_at).total_seconds() > FULL_S:
            taken = frozenset()
        free = [number for number in range(limit) if number not in taken]
        return random.choice(free) if free else None  # noqa: S311  no secret


def launch(job: Job, runtime: Runtime) -> Job:
    """Write a new job down and start it if a slot is free.

    Raises:
        CloudError: The job could not be written down.
    """
    slot, view = _announce(job, runtime)
    if slot is not None and view is not None and _may_start(job, slot, view, runtime):
        launched = _send_in(slot, job, runtime)
        if launched is not None:
            return launched
        slot = None
    withdrawal = _withdrawal(job, slot, runtime)
    written, *_ = runtime.parallel(lambda: runtime.ledger.write_new(job), *withdrawal)
    pump(job.lane, runtime, fresh=written)
    return written


def _announce(job: Job, runtime: Runtime) -> tuple[Slot | None, LaneView | None]:
    """Make the first round trip; return the slot that was entered, and the lane."""
    ledger, lane = runtime.ledger, job.lane
    seen = runtime.memory.of(SeenLanes)
    limit = runtime.settings.lanes.get(lane, 1)
    number = seen.guess(lane, limit, runtime.now()) if runtime.has_time(START_S) else None
    slot = None if number is None else new_slot(number)
    requests: list[Callable[[], object]] = [
        lambda: ledger.announce(job),
        _tolerant(lambda: ledger.lane(lane)),
    ]
    if slot is not None:
        entered_slot = slot
        requests.append(_tolerant(lambda: ledger.slots.enter(lane, entered_slot, job.id)))
    _, view, *entered = runtime.parallel(*requests)
    if view is not None:
        taken = view.slots - {slot.number} if slot is not None and entered[0] else view.slots
        seen.taken[lane] = (runtime.now(), frozenset(taken))
    return slot if entered and entered[0] else None, view


def _may_start(job: Job, slot: Slot, view: LaneView, runtime: Runtime) -> bool:
    """Whether the lane has room for this job before those that wait in it."""
    others = len(view.slots - {slot.number})
    free = most_at_once(job.lane, view, runtime) - others
    due = (marker for marker in view.waiting() if marker.not_before <= runtime.now())
    ahead = itertools.takewhile(lambda marker: marker.key < job.marker, due)
    return free > 0 and len(list(itertools.islice(ahead, free))) < free


def _send_in(slot: Slot, job: Job, runtime: Runtime) -> Job | None:
    """Take the last steps for the slot and send; None where the slot was lost or the job waits."""
    slots = runtime.ledger.slots
    if not slots.mark(job.lane, slot):
        slots.leave(job.lane, slot, job.id)
        return None
    owned = submitting(job, slot, runtime)
    written, is_held = runtime.parallel(
        lambda: runtime.ledger.write_new(owned),
        _tolerant(lambda: slots.confirm(job.lane, slot)),
    )
    if is_held:
        return _sent(written, runtime)
    return _queued_after_all(written, job, slot, runtime)


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
    """Queue a job whose slot another contender won; it was not sent."""
    waiting = job.model_copy(update={"revision": written.revision})
    try:
        queued, _ = runtime.parallel(
            lambda: runtime.ledger.write(waiting),
            _tolerant(lambda: runtime.ledger.slots.leave(job.lane, slot, job.id)),
        )
    except CloudError as error:
        logger.warning("launch_stopped", extra={"job": job.id, "code": error.code})
        return written
    pump(job.lane, runtime, fresh=queued)
    return queued  # type: ignore[no-any-return]  # `parallel` returns what each request does


def _withdrawal(job: Job, slot: Slot | None, runtime: Runtime) -> tuple[Callable[[], object], ...]:
    if slot is None:
        return ()
    return (_tolerant(lambda: runtime.ledger.slots.leave(job.lane, slot, job.id)),)


def _tolerant(request: Callable[[], Answer]) -> Callable[[], Answer | None]:
    """Let a request fail: without its answer the job is queued, and the sweep tidies up."""

    def attempt() -> Answer | None:
        try:
            return request()
        except CloudError as error:
            logger.info("launch_slowed_down", extra={"code": error.code})
            return None

    return attempt
