"""Slots: a lane runs no more tasks than its limit.

| key | what it is |
|---|---|
| `lanes/<lane>/slots/<n>/x`, `…/y` | the slot's splitter: see `aigc.jobs.ledger.contest` |
| `lanes/<lane>/slots/<n>/<job>-<token>` | a job that contends for the slot or holds it |

The winner of the splitter holds the slot until its job ends. The name of the slot entry contains
the token, which is unique to one attempt to take the slot. The entry is written together with `x`
and removed by losers. So the sweep finds the holder, although losers may have overwritten `x` and
`y`. The record of the job names slot and token, which shows whether an entry is the holder's.

**Taking.** `take` is the splitter; `begin` is its first step and `win` the others. `enter`, `mark`
and `confirm` are its three steps for a call that is about to be answered: the second step reads
and writes `y` in one round trip, by a create-if-absent and a read beside it. Two contenders can
both win then only if they run within the same two round trips, the read of that create misses a
key that was written before, and the read beside it happens after its write. That costs no money: a
lane runs one more task than it may until one of them ends. The number of concurrent contenders
is the bound.

**Releasing.** Only the holder of the job's claim releases its slot: first `x`, then `y` and the
entry. While `y` is there, no contender can win. The delete of `y` is sent once. If its answer is
lost it takes effect once, before any contender can have read that `y` is absent. A second release
finds other tokens and does nothing.

**Healing.** If all contenders yield, or one dies, the keys stay and the slot is idle. The sweep
removes them when all are older than a lease and no record names the slot; a claim on the token
excludes other sweeps. A late listing hides an entry for a minute at most, which is less than a
lease: so the entry of a holder is listed before.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.errors import CloudError
from aigc.jobs.job import Slot
from aigc.jobs.ledger.contest import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.ledger.contest import Contest
    from aigc.jobs.ports import Listed, ObjectStore, Parallel

logger = logging.getLogger(__name__)

SLOT_SUBJECT = "slot-"
"""Beginning of the subject of a claim on a slot."""


class SlotEntry(NamedTuple):
    """A job that contends for a slot or holds it, as a listing shows it."""

    key: str
    job_id: str
    slot: Slot
    modified: datetime


class Slots:
    """The slots of all lanes."""

    def __init__(self, store: ObjectStore, contest: Contest, parallel: Parallel) -> None:
        self._store = store
        self._contest = contest
        self._parallel = parallel

    def take(self, lane: str, number: int, job_id: str) -> Slot | None:
        """Take a slot for a job; None if another contender was faster."""
        slot = self.begin(lane, number, job_id)
        return slot if slot is not None and self.win(lane, slot, job_id) else None

    def begin(self, lane: str, number: int, job_id: str) -> Slot | None:
        """Take the first step; None if the slot is taken."""
        slot = new_slot(number)
        entered, _ = self._parallel(*self._first_step(lane, slot, job_id))
        if entered:
            return slot
        self.leave(lane, slot, job_id)
        return None

    def win(self, lane: str, slot: Slot, job_id: str) -> bool:
        """Take the other steps; False if another contender was faster."""
        x, y = _keys(lane, slot.number)
        x_body, y_body = self._parallel(lambda: self._store.get(x), lambda: self._store.get(y))
        if y_body is None and _has_token(x_body, slot):
            self._store.put(y, self._contest.ticket(slot.token))
            if self.confirm(lane, slot):
                return True
        self.leave(lane, slot, job_id)
        return False

    def enter(self, lane: str, slot: Slot, job_id: str) -> bool:
        """Take the first step; False if the slot is taken: the caller must then call `leave`."""
        _, y = _keys(lane, slot.number)
        first_step = self._first_step(lane, slot, job_id)
        entered, _, y_body = self._parallel(*first_step, lambda: self._store.get(y))
        return entered and y_body is None

    def mark(self, lane: str, slot: Slot) -> bool:
        """Take the second step; False if another contender has taken it."""
        _, y = _keys(lane, slot.number)
        ticket = self._contest.ticket(slot.token)
        marked, y_body = self._parallel(
            lambda: self._store.create(y, ticket), lambda: self._store.get(y)
        )
        return marked and (y_body is None or _has_token(y_body, slot))

    def confirm(self, lane: str, slot: Slot) -> bool:
        """Take the last step; return whether the slot is held."""
        return _has_token(self._store.get(_keys(lane, slot.number)[0]), slot)

    def leave(self, lane: str, slot: Slot, job_id: str) -> None:
        """Withdraw from a slot that was not won.

        The removal of `x` can only make others yield; `y` protects another contender and stays.
        """
        self._parallel(
            _deletion(self._store, _entry_key(lane, slot, job_id)),
            lambda: self._withdraw(lane, slot),
        )

    def _withdraw(self, lane: str, slot: Slot) -> None:
        if self.confirm(lane, slot):
            self._store.delete(_keys(lane, slot.number)[0])

    def release(self, lane: str, slot: Slot, job_id: str) -> bool:
        """Release a slot if it is still held; False after an error: then the sweep releases it."""
        x, y = _keys(lane, slot.number)
        try:
            bodies = self._parallel(lambda: self._store.get(x), lambda: self._store.get(y))
            if any(_has_token(body, slot) for body in bodies):
                self._store.delete(x)
                self._parallel(
                    lambda: self._store.delete_once(y),
                    _deletion(self._store, _entry_key(lane, slot, job_id)),
                )
        except CloudError as error:
            logger.warning("slot_left_to_sweep", extra={"lane": lane, "code": error.code})
            return False
        return True

    def reclaim(self, lane: str, number: int) -> bool:
        """Free a slot that no record names, once all of its contenders are dead."""
        x, y = _keys(lane, number)
        bodies = self._parallel(lambda: self._store.get(x), lambda: self._store.get(y))
        if not all(self._contest.is_expired(body) for body in bodies):
            return False
        last_body = bodies[1] or bodies[0]
        if last_body is None:
            return False
        token = Ticket.model_validate_json(last_body).token
        if self._contest.acquire(f"claims/{SLOT_SUBJECT}{token}~{lane}~{number}") is None:
            return False
        if self._parallel(lambda: self._store.get(x), lambda: self._store.get(y)) != bodies:
            return False
        self._store.delete(x)
        self._store.delete_once(y)
        return True

    def forget(self, entry: SlotEntry) -> None:
        """Remove an entry of a job that does not hold the slot."""
        self._store.delete(entry.key)

    def has_token(self, lane: str, number: int, token: str) -> bool:
        """Whether a slot's keys still have this token."""
        slot = Slot(number=number, token=token)
        return any(_has_token(self._store.get(key), slot) for key in _keys(lane, number))

    def _first_step(self, lane: str, slot: Slot, job_id: str) -> tuple[Callable[[], Any], ...]:
        """Return the requests of the first step."""
        x, _ = _keys(lane, slot.number)
        ticket = self._contest.ticket(slot.token)
        return (
            lambda: self._store.create(x, ticket),
            lambda: self._store.put(_entry_key(lane, slot, job_id), b"{}"),
        )


def new_slot(number: int) -> Slot:
    """Return a slot with a new token, for one attempt to take it."""
    return Slot(number=number, token=secrets.token_hex(16))


def slot_number(listed: Listed, prefix: str) -> int:
    """Read the number of the slot that a key belongs to."""
    return int(listed.key.removeprefix(prefix).split("/")[0])


def slot_entry(listed: Listed, prefix: str) -> SlotEntry | None:
    """Parse the key of an entry; None if it is a key of the splitter."""
    number, name = listed.key.removeprefix(prefix).split("/")
    job_id, _, token = name.rpartition("-")
    if not job_id:
        return None
    return SlotEntry(listed.key, job_id, Slot(number=int(number), token=token), listed.modified)


def _keys(lane: str, number: int) -> tuple[str, str]:
    prefix = f"lanes/{lane}/slots/{number:04d}/"
    return f"{prefix}x", f"{prefix}y"


def _entry_key(lane: str, slot: Slot, job_id: str) -> str:
    return f"lanes/{lane}/slots/{slot.number:04d}/{job_id}-{slot.token}"


def _has_token(body: bytes | None, slot: Slot) -> bool:
    return body is not None and Ticket.model_validate_json(body).token == slot.token


def _deletion(store: ObjectStore, key: str) -> Callable[[], None]:
    return lambda: store.delete(key)
