"""Enforces the limits of keys across all instances.

The ledger has no counter, but a contest has at most one winner. So a limit is divided into blocks
of permits. An instance takes a free block (a contest on
`quota/<period>/<key>/<when>/<block>`) and spends it from memory. All blocks together are the limit,
so it is never exceeded. Other instances cannot use permits that an instance has taken and not spent
until the period ends: these are at most one block less one permit for each instance.
"""

from __future__ import annotations

import contextlib
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from aigc.api.errors import HttpError
from aigc.errors import InvalidRequestError
from aigc.periods import DAY, MINUTE, MONTH, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from aigc.api.call import Call
    from aigc.api.keys import Caller
    from aigc.jobs.accept import Order
    from aigc.jobs.ledger import Ledger
    from aigc.jobs.runtime import Runtime
    from aigc.periods import Period
    from aigc.tasks.kind import Task


@dataclass(slots=True, kw_only=True)
class Allowance:
    """The permits of one limit that an instance holds in one period."""

    prefix: str
    limit: int
    block: int
    left: int
    """Permits that were free in the ledger at the last listing; the number only decreases."""
    held: int = 0

    def take(self, amount: int, ledger: Ledger) -> bool:
        """Spend permits, and reserve more if needed; False if there are not enough."""
        if self.held < amount <= self.held + self.left:
            self._reserve(amount, ledger)
        if self.held < amount:
            return False
        self.held -= amount
        return True

    def count_left(self, ledger: Ledger) -> int:
        """Return how many permits are left: those in the ledger and those of this instance."""
        self.left = sum(self._free(ledger).values())
        return self.held + self.left

    def _reserve(self, amount: int, ledger: Ledger) -> None:
        """Take blocks in random order, so that instances rarely compete, until there are enough.

        The listing may be late: it only says which blocks need not be tried.
        """
        free = list(self._free(ledger).items())
        random.shuffle(free)
        self.left = sum(size for _, size in free)
        while free and self.held < amount <= self.held + self.left:
            key, size = free.pop()
            self.left -= size
            if ledger.claims.take_once(key):
                self.held += size

    def _free(self, ledger: Ledger) -> dict[str, int]:
        """List the keys of the blocks that are not taken, with their sizes."""
        taken = ledger.claims.taken_once(self.prefix)
        blocks = range(-(-self.limit // self.block))
        keys = {self._key(number): self._size(number) for number in blocks}
        return {key: size for key, size in keys.items() if key not in taken}

    def _size(self, number: int) -> int:
        """Return the size of a block; the last block may be smaller."""
        return min(self.block, self.limit - number * self.block)

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number:04d}"


@dataclass(slots=True)
class Allowances:
    """The allowances of an instance in the present periods, by key and period."""

    known: dict[tuple[str, str], Allowance] = field(default_factory=dict)

    def of(self, caller: Caller, period: Period, limit: int, now: datetime) -> Allowance:
        """Return the allowance of a caller's limit in the present period."""
        prefix = f"quota/{period.name}/{quote(caller.name, safe='')}/{now:{period.stamp}}/"
        allowance = self.known.get((caller.name, period.name))
        if allowance is None or allowance.prefix != prefix:
            block = max(1, limit // period.blocks)
            allowance = Allowance(prefix=prefix, limit=limit, block=block, left=limit)
            self.known[caller.name, period.name] = allowance
        return allowance


@dataclass(slots=True)
class Charge:
    """The permits that were spent on one order."""

    spent: list[tuple[Allowance, int]] = field(default_factory=list)

    def take(self, amount: int, allowance: Allowance, ledger: Ledger) -> bool:
        """Spend permits of a limit; False if there are not enough."""
        if not allowance.take(amount, ledger):
            return False
        self.spent.append((allowance, amount))
        return True

    def give_back(self) -> None:
        """Return the permits to their allowances, since the order created no job."""
        while self.spent:
            allowance, amount = self.spent.pop()
            allowance.held += amount


def count_request(caller: Caller, runtime: Runtime) -> None:
    """Count a call against its key's limit.

    Raises:
        HttpError: The limit of this minute is reached.
    """
    limit = caller.limits.requests_per_minute
    if limit is None:
        return
    if not _allowance(caller, MINUTE, limit, runtime).take(1, runtime.ledger):
        detail = f"the key {caller.name} may make {limit} requests a minute"
        raise HttpError(429, "rate_limited", detail, _retry(MINUTE, runtime))


def check_kind(caller: Caller, kind: str) -> None:
    """Refuse a kind of task for which a key is not valid.

    Raises:
        HttpError: The key is not for this kind.
    """
    if not caller.may_submit(kind):
        allowed = ", ".join(caller.limits.kinds or ())
        detail = f"the key {caller.name} is not for {kind} tasks; allowed: {allowed}"
        raise HttpError(403, "forbidden", detail)


@contextlib.contextmanager
def charged(call: Call, order: Order) -> Iterator[Charge]:
    """Charge an order to the key; if the block raises a refusal, nothing is charged.

    A repeat of an accepted request must find its job even if no permit is left.

    Raises:
        HttpError: The day's jobs or the month's budget are used up, or the price is unknown.
    """
    charge = Charge()
    try:
        _charge_unless_repeat(call, order, charge)
        yield charge
    except (HttpError, InvalidRequestError):
        charge.give_back()
        raise


@contextlib.contextmanager
def charged_tasks(call: Call, tasks: Sequence[tuple[str, Task]]) -> Iterator[Charge]:
    """Charge jobs of these kinds and tasks to the key; if the block raises, nothing is charged.

    Raises:
        HttpError: The key is not for a kind, a limit is reached, or a price is unknown.
    """
    charge = Charge()
    try:
        for kind, task in tasks:
            check_kind(call.caller, kind)
            _charge(kind, task, call.caller, call.runtime, charge)
        yield charge
    except (HttpError, InvalidRequestError):
        charge.give_back()
        raise


def count_left(caller: Caller, period: Period, limit: int, runtime: Runtime) -> int:
    """Return how much of a key's limit is left now; other instances may hold some more permits."""
    return _allowance(caller, period, limit, runtime).count_left(runtime.ledger)


def _charge_unless_repeat(call: Call, order: Order, charge: Charge) -> None:
    try:
        _charge(order.kind, order.task, call.caller, call.runtime, charge)
    except HttpError:
        if not is_repeat(call.runtime, order):
            raise
        charge.give_back()


def _charge(kind: str, task: Task, caller: Caller, runtime: Runtime, charge: Charge) -> None:
    budget = caller.limits.budget_per_month
    cost = 0 if budget is None else _cost(kind, task, caller, runtime)
    _charge_job(caller, runtime, charge)
    if budget is not None:
        _charge_cost(cost, budget, caller, runtime, charge)


def _charge_job(caller: Caller, runtime: Runtime, charge: Charge) -> None:
    limit = caller.limits.jobs_per_day
    if limit is None:
        return
    if not charge.take(1, _allowance(caller, DAY, limit, runtime), runtime.ledger):
        detail = f"the key {caller.name} may have {limit} jobs a day"
        raise HttpError(429, "quota_exceeded", detail, _retry(DAY, runtime))


def _charge_cost(
    cost: int, budget: Decimal, caller: Caller, runtime: Runtime, charge: Charge
) -> None:
    allowance = _allowance(caller, MONTH, int(budget * UNITS), runtime)
    if not charge.take(cost, allowance, runtime.ledger):
        currency = runtime.prices().currency
        detail = (
            f"this would cost about {cost / UNITS:g} {currency}, and less than that is left of the"
            f" {budget} {currency} that the key {caller.name} may spend in a month"
        )
        raise HttpError(429, "budget_exceeded", detail, _retry(MONTH, runtime))


def _cost(kind: str, task: Task, caller: Caller, runtime: Runtime) -> int:
    from aigc.prices import requested_images, suggestion  # noqa: PLC0415  only keys with a budget

    cost = runtime.prices().estimate(kind, task, requested_images(task))
    if cost is None:
        detail = (
            f"the key {caller.name} has a budget, and the cost of this task is unknown; prices.toml"
            f" lacks {suggestion(kind, task)}"
        )
        raise HttpError(403, "price_unknown", detail)
    return math.ceil(cost * UNITS)


def _allowance(caller: Caller, period: Period, limit: int, runtime: Runtime) -> Allowance:
    return runtime.memory.of(Allowances).of(caller, period, limit, runtime.now())


def is_repeat(runtime: Runtime, order: Order) -> bool:
    """Whether the order was accepted before; only an order whose id is derived can have been."""
    return order.is_repeatable and runtime.ledger.records.read(order.id) is not None


def _retry(period: Period, runtime: Runtime) -> dict[str, str]:
    left = period.end(runtime.now()) - runtime.now()
    return {"Retry-After": str(math.ceil(left.total_seconds()))}
