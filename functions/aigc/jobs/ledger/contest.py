"""Mutual exclusion from reads and writes of single keys.

COS has no locks. Its create-if-absent (`x-cos-forbid-overwrite`) reads and then writes: concurrent
creators may all get the answer that they created the object. So nothing here relies on it. What
is assumed: a PUT of one key is all or nothing and the last one stays, and a GET that begins after
a PUT or DELETE of its key was answered sees it.

## The splitter

Moir and Anderson's splitter lets at most one contender through. Each has a token of its own:

1. write the token to `x`;
2. read `y`; if it is there, yield;
3. write the token to `y`;
4. read `x`; if it is not the token, yield; otherwise win.

At most one wins. Assume that P and Q win. If both writes of `x` were answered before either of
them read `x` in step 4, both reads saw the last of the two writes or a later one, so one of them
did not see its own token. Otherwise one of them, say P, began step 4 before Q's write of `x` was
answered. P's write of `y` was answered before that, and Q reads `y` after its write of `x` was
answered. So Q saw `y` and yielded. Both cases contradict the assumption.

- Step 1 uses create-if-absent as a filter: a contender that is refused yields after one request.
  That proves nothing, but it keeps contenders from meeting in practice.
- Step 2 also reads `x`: a contender that was overwritten yields before it writes `y`. That makes
  it rare that all yield.
- No request of a splitter is repeated. A contender without an answer yields. Its write may take
  effect later, which can only make others yield.
- A contender that dies between two steps has not won. One that dies after step 4 has won and
  holds the key until its lease is over.
- Two processes never run one contender: each run makes a token of its own.

## Generations

A splitter is used once. If all contenders yield, or the winner dies, the next one is used:
`<key>/000/x`, `<key>/001/x`, and so on. Generation g+1 may be entered when no contender of
generation g can be at work any more. There are two ways to know that:

*Age* (`acquire`): all tokens of generation g are older than a lease. A lease is longer than a
function may run and than a write without an answer may take to have its effect.

*Handshake* (`create_once`, `take_once`): where no caller can wait for a lease. The winner of the
splitter writes `commit` and then reads `abort`; if that is there, it removes `commit` and gives
up. A contender that goes on writes `abort` and then reads `commit`. If there is none, generation g
is dead. Each writes its own flag before it reads the other's, so at least one of them sees the
other: the winner and generation g+1 cannot both go on.

The keys of a contest may be removed a lease after the last moment at which it could be entered: a
contender that read the old state may be at work until then.

The keys of a creation that died and was never repeated are removed by a lifecycle rule, each when
its last write is days old. A repeat may come at that very time. It has written `abort` to each
generation that it has passed, which is a new write; so a contender that enters such a generation
again, since its other keys are gone, finds the flag and gives up.
"""

from __future__ import annotations

import itertools
import random
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from aigc.errors import AmbiguousError
from aigc.wire import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.ledger.lease import Lease
    from aigc.jobs.ports import ObjectStore, Parallel

Created = TypeVar("Created")

READ_WAITS_S = (0.1, 0.2, 0.4, 0.8)
"""Seconds between reads of the object that another contender may create. If it does not appear,
the generation is aborted."""

MORE_READ_WAITS_S = (1.0, 2.0)
"""Further waits if a winner is known to be at work."""

MOST_GENERATIONS = 50
"""Generations that one call enters; a generation dies only if contenders meet in it."""


class Ticket(Record):
    """The body of `x`, `y` and `commit`: the token of its contender, and the time."""

    token: str
    at: datetime
    until: datetime | None = None
    """When the lease of its contender ends; tickets of earlier versions do not say it."""


class Contest:
    """Contests on the keys of one bucket."""

    def __init__(self, store: ObjectStore, lease: Lease, parallel: Parallel) -> None:
        self._store = store
        self._lease = lease
        self._parallel = parallel

    def acquire(self, key: str) -> int | None:
        """Get a key for a lease; None if another contender may hold it.

        Returns the generation that was won. If it is not 0, an earlier holder may have acted: the
        caller must read again what it acts on.
        """
        for generation in itertools.count():
            prefix = f"{key}/{generation:03d}"
            if self._split(prefix):
                return generation
            if not self._has_expired(prefix):
                return None
        raise AssertionError("unreachable")  # count() does not end

    def create_once(self, key: str, find: Callable[[], Created | None]) -> Created | None:
        """Become the only contender that may create the object that `find` reads.

        Returns None if the caller may create it, otherwise the object.

        Raises:
            AmbiguousError: Another contender is at work and did not finish in time.
        """
        for generation in range(MOST_GENERATIONS):
            prefix = f"{key}/{generation:03d}"
            if self._split(prefix) and self._commit(prefix):
                # An earlier generation may have created it before it expired.
                return find() if generation else None
            is_aborted = self._store.get(f"{prefix}/abort") is not None
            created = None if is_aborted else self._wait_for(find, READ_WAITS_S)
            if created is not None:
                return created
            if not self._abort(prefix) and not self._abort_if_expired(prefix):
                created = self._wait_for(find, MORE_READ_WAITS_S)
                if created is not None:
                    return created
                break
        raise AmbiguousError(f"create {key}: another invocation is at work on it")

    def take_once(self, key: str) -> bool:
        """Take a key that is never released; False if it is taken.

        Of concurrent contenders at most one gets it, in the worst case none.
        """
        for generation in range(MOST_GENERATIONS):
            prefix = f"{key}/{generation:03d}"
            if self._split(prefix) and self._commit(prefix):
                return True
            if self._is_committed(prefix):
                return False
            self._lease.clock.sleep(random.uniform(*READ_WAITS_S[:2]))  # noqa: S311  no secret
            if not self._abort(prefix):
                return False
        return False

    def ticket(self, token: str = "") -> bytes:
        """Return the body that a contender writes."""
        ticket = Ticket(
            token=token or secrets.token_hex(16),
            at=self._lease.clock.now(),
            until=self._lease.owned_until(),
        )
        return ticket.model_dump_json().encode()

    def is_expired(self, body: bytes | None) -> bool:
        """Whether the contender that wrote this body cannot be at work any more."""
        if body is None:
            return True
        ticket = Ticket.model_validate_json(body)
        if ticket.until is None:
            return self._lease.has_expired(ticket.at)
        return self._lease.clock.now() > ticket.until

    def _split(self, prefix: str) -> bool:
        ticket = self.ticket()
        x, y = f"{prefix}/x", f"{prefix}/y"
        if not self._store.create(x, ticket):
            return False
        first, second = self._parallel(lambda: self._store.get(x), lambda: self._store.get(y))
        if first != ticket or second is not None:
            return False
        self._store.put(y, ticket)
        return self._store.get(x) == ticket

    def _has_expired(self, prefix: str) -> bool:
        """Whether a generation was entered, and no contender of it can be at work any more."""
        x, y = self._parallel(
            lambda: self._store.get(f"{prefix}/x"), lambda: self._store.get(f"{prefix}/y")
        )
        is_entered = x is not None or y is not None
        return is_entered and self.is_expired(x) and self.is_expired(y)

    def _commit(self, prefix: str) -> bool:
        self._store.put(f"{prefix}/commit", self.ticket())
        if self._store.get(f"{prefix}/abort") is None:
            return True
        self._store.delete(f"{prefix}/commit")
        return False

    def _abort(self, prefix: str) -> bool:
        """End a generation without a winner; False if it has one."""
        if self._is_committed(prefix):
            return False
        self._store.put(f"{prefix}/abort", b"{}")
        return not self._is_committed(prefix)

    def _abort_if_expired(self, prefix: str) -> bool:
        """End a generation whose contenders are dead; False if one of them may be at work.

        A lifecycle rule may remove its other keys at any time. Then it can be entered again, and
        the flag stops a winner.
        """
        if not self._has_expired(prefix):
            return False
        self._store.put(f"{prefix}/abort", b"{}")
        return self.is_expired(self._store.get(f"{prefix}/commit"))

    def _is_committed(self, prefix: str) -> bool:
        return self._store.get(f"{prefix}/commit") is not None

    def _wait_for(
        self, find: Callable[[], Created | None], pauses_s: tuple[float, ...]
    ) -> Created | None:
        for pause_s in pauses_s:
            self._lease.clock.sleep(random.uniform(0.5, 1.5) * pause_s)  # noqa: S311  no secret
            created = find()
            if created is not None:
                return created
        return None
