"""Which request a call without an `Idempotency-Key` belongs to.

Clients repeat a call after a broken connection or an answer of 504, and the repeat must not pay
again. A later call with the same body asks for another image. The difference is whether the image
was already returned. For each caller and body there are turns:

| key | what it is |
|---|---|
| `handouts/<body>/<turn>` | the request of this turn was answered with its end, and when |
| `handouts/<body>/<turn>/<attempt>` | the same, to the repeat with this number |

The id of a turn's job is derived from the body and the number of the turn, so that concurrent
calls create it once. A call belongs to the first turn that was not answered. The record is
written before the answer is sent: if the process dies in between, the record says that the turn was
answered although it was not. Therefore the SDKs' own count of repeats also counts: a repeat gets a
request that was returned a short while ago to an attempt before it, once for each number.

Turns are found by reads of single keys, since a listing may be late: a turn begins when the one
before it has ended, so the keys have no gaps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aigc.jobs.job import id_from
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from aigc.jobs.accept import Order
    from aigc.jobs.runtime import Runtime

RECENT_S = 15 * 60
"""How long after its answer a request is returned again to repeats: OpenAI's SDKs wait
ten minutes for an answer."""

LOOKS_S = (0.5, 0.5, 1.0, 1.0, 2.0)
"""Waits before a request is returned again: the first attempt of a new one may just begin."""


class Handout(Record):
    """When a request was answered, and to which attempt."""

    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The request that a call belongs to, among those of one caller with one body."""

    body_id: str
    number: int
    attempt: int
    """How often the client repeated the call, as it says itself; 0 where it does not say."""

    @property
    def job_id(self) -> str:
        """Id of the turn's job."""
        return _job_id(self.body_id, self.number)

    def named(self, order: Order) -> Order:
        """Return the order under the id of this turn."""
        location = order.output_location
        if location.name == order.id:
            location = with_fields(location, name=self.job_id)
        return replace(order, id=self.job_id, output_location=location, is_repeatable=True)

    def hand_out(self, runtime: Runtime) -> None:
        """Note that the request is about to be answered; a later call begins the next turn.

        Raises:
            CloudError: It could not be noted; a repeat of the call finds the same request.
        """
        handout = Handout(at=runtime.now(), attempt=self.attempt).model_dump_json().encode()
        key = _key(self.body_id, self.number)
        if self.attempt:
            runtime.ledger.write_note(f"{key}/{self.attempt:03d}", handout)
        runtime.ledger.write_note(key, handout)


def turn_of(body_id: str, attempt: int, runtime: Runtime) -> Turn:
    """Find the turn that a call belongs to."""
    number = _first_open_turn(body_id, runtime)
    turn = Turn(body_id, number, attempt)
    if attempt and number and not _exists(turn, runtime):
        last = Turn(body_id, number - 1, attempt)
        if _may_be_repeated(last, runtime) and not _begins(turn, runtime):
            return last
    return turn


def _first_open_turn(body_id: str, runtime: Runtime) -> int:
    """Search for the first turn that was not answered, in steps that double and then halve."""

    def is_open(number: int) -> bool:
        return runtime.ledger.bucket.get(_key(body_id, number)) is None

    if is_open(0):
        return 0
    closed, beyond = 0, 1
    while not is_open(beyond):
        closed, beyond = beyond, beyond * 2
    while beyond - closed > 1:
        middle = (closed + beyond) // 2
        closed, beyond = (closed, middle) if is_open(middle) else (middle, beyond)
    return beyond


def _may_be_repeated(turn: Turn, runtime: Runtime) -> bool:
    key = _key(turn.body_id, turn.number)
    record = runtime.ledger.bucket.get(key)
    if record is None or runtime.ledger.bucket.get(f"{key}/{turn.attempt:03d}") is not None:
        return False
    handout = Handout.model_validate_json(record)
    is_recent = runtime.now() - handout.at <= timedelta(seconds=RECENT_S)
    return is_recent and handout.attempt < turn.attempt


def _begins(turn: Turn, runtime: Runtime) -> bool:
    """Wait a moment for the first attempt of a turn, which the network may have delayed."""
    for wait_s in LOOKS_S:
        runtime.sleep(wait_s)
        if _exists(turn, runtime):
            return True
    return False


def _exists(turn: Turn, runtime: Runtime) -> bool:
    return runtime.ledger.records.read(turn.job_id) is not None


def _job_id(body_id: str, number: int) -> str:
    return id_from("openai", body_id, str(number))


def _key(body_id: str, number: int) -> str:
    return f"handouts/{body_id}/{number:06d}"
