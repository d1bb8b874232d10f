"""Finds the request that a call without an `Idempotency-Key` belongs to.

Clients repeat a call after a broken connection or an answer of 504, and the repeat must not pay
again. A later call with the same body requests another image. The difference is whether the image
was handed out, which means sent in an answer. The requests of one caller with the same body are
numbered from 0:

| key | what it is |
|---|---|
| `handouts/<body>/<number>` | when the request with this number was handed out |
| `handouts/<body>/<number>/<attempt>` | the same, to the repeat with the number `<attempt>` |

The id of a request's job is derived from the body and the number, so that concurrent calls create
the job once. A call belongs to the first request that was not handed out. The key is written before
the answer is sent. If the process dies in between, the key exists although no answer was sent. So
the number of a repeat, which SDKs send, counts as well: a repeat gets a request that was handed out
a short time ago to an earlier attempt, once for each number of a repeat.

Requests are found by reads of single keys, since a listing may be late. A request begins when the
one before it was handed out, so the numbers have no gaps.
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
"""How long a request may be handed out again to repeats: OpenAI's SDKs wait ten minutes for an
answer."""

READ_WAITS_S = (0.5, 0.5, 1.0, 1.0, 2.0)
"""Waits before a request is handed out again, while the first attempt of the next one may begin."""


class Handout(Record):
    """When a request was answered, and to which attempt."""

    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class NumberedRequest:
    """One of the requests of one caller with the same body."""

    body_id: str
    number: int
    attempt: int
    """How often the client has repeated the call, as it says; 0 if it does not say it."""

    @property
    def job_id(self) -> str:
        """Id of the request's job."""
        return id_from("openai", self.body_id, str(self.number))

    def identify(self, order: Order) -> Order:
        """Return the order with the id of this request."""
        location = order.output_location
        if location.name == order.id:
            location = with_fields(location, name=self.job_id)
        return replace(order, id=self.job_id, output_location=location, is_repeatable=True)

    def hand_out(self, runtime: Runtime) -> None:
        """Note that the request is about to be handed out; a later call begins the next request.

        Raises:
            CloudError: It could not be noted; a repeat of the call finds the same request.
        """
        handout = Handout(at=runtime.now(), attempt=self.attempt).model_dump_json().encode()
        key = _key(self.body_id, self.number)
        if self.attempt:
            runtime.ledger.write_note(f"{key}/{self.attempt:03d}", handout)
        runtime.ledger.write_note(key, handout)


def find_request(body_id: str, attempt: int, runtime: Runtime) -> NumberedRequest:
    """Find the request that a call belongs to."""
    number = _first_open_number(body_id, runtime)
    request = NumberedRequest(body_id, number, attempt)
    if attempt and number and not _exists(request, runtime):
        last = NumberedRequest(body_id, number - 1, attempt)
        if _may_be_repeated(last, runtime) and not _appears(request, runtime):
            return last
    return request


def _first_open_number(body_id: str, runtime: Runtime) -> int:
    """Search for the first number that was not handed out, in steps that double and then halve."""

    def is_open(number: int) -> bool:
        return runtime.ledger.bucket.get(_key(body_id, number)) is None

    if is_open(0):
        return 0
    low, high = 0, 1
    while not is_open(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_open(middle) else (middle, high)
    return high


def _may_be_repeated(request: NumberedRequest, runtime: Runtime) -> bool:
    """Whether a request was handed out recently, only to attempts before this one."""
    key = _key(request.body_id, request.number)
    record = runtime.ledger.bucket.get(key)
    if record is None or runtime.ledger.bucket.get(f"{key}/{request.attempt:03d}") is not None:
        return False
    handout = Handout.model_validate_json(record)
    is_recent = runtime.now() - handout.at <= timedelta(seconds=RECENT_S)
    return is_recent and handout.attempt < request.attempt


def _appears(request: NumberedRequest, runtime: Runtime) -> bool:
    """Wait some seconds for the job of a request, whose first attempt the network may delay."""
    for wait_s in READ_WAITS_S:
        runtime.sleep(wait_s)
        if _exists(request, runtime):
            return True
    return False


def _exists(request: NumberedRequest, runtime: Runtime) -> bool:
    return runtime.ledger.records.read(request.job_id) is not None


def _key(body_id: str, number: int) -> str:
    return f"handouts/{body_id}/{number:06d}"
