"""Functions at work side by side, each a coroutine that stops before every request it makes.

An actor is one invocation of a function. It runs the real code of `aigc.jobs`, which knows
nothing of this: the ports that it is given hand over to the scheduler, a greenlet switch away,
and go on with the fate that the scheduler chose for the request.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from greenlet import getcurrent, greenlet

from aigc.errors import AmbiguousError, BackloggedError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence
    from datetime import datetime

    from tests.simulation.draws import Draws

Fate = Literal[
    "ok",
    "dies",  # it takes effect, and the function is killed before it hears so
    "throttled",  # refused for this moment, nothing was done
    "backlogged",  # the same, in the vendor's other words
    "not sent",  # no answer came, and nothing was done
    "no answer",  # no answer came, and it was done
    "sent again",  # no answer came, it was done, and the SDK asks a second time
]

OF_A_READ: tuple[Fate, ...] = ("throttled", "not sent")
OF_A_WRITE: tuple[Fate, ...] = ("throttled", "not sent", "no answer")
OF_A_REPEATED_WRITE: tuple[Fate, ...] = (*OF_A_WRITE, "sent again")
OF_A_SUBMISSION: tuple[Fate, ...] = (*OF_A_WRITE, "backlogged")

T = TypeVar("T")


class Killed(BaseException):
    """The platform ended the invocation."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """What an actor is about to ask of the world."""

    verb: str
    """`put`, `list`, `CreateAigcImageTask`: for the story, and for how likely what fate is."""
    keys: tuple[str, ...]
    """What it touches; a listing touches all below its key."""
    effect: Callable[[], T]
    faults: tuple[Fate, ...] = ()
    changes: bool = False
    lists: bool = False
    again: Callable[[], T] | None = None
    """The effect when it is sent a second time."""
    waits_s: float = 0

    @property
    def is_alone(self) -> bool:
        """Whether nothing that others do matters to it, ever, nor it to them."""
        return all(key.startswith("index/") for key in self.keys)

    def is_independent(self, other: Request[Any]) -> bool:
        """Whether it does not matter which of the two comes first."""
        if not (self.changes or other.changes):
            return True
        return not any(
            _meet(self, mine, other, theirs) for mine in self.keys for theirs in other.keys
        )


def _meet(one: Request[Any], mine: str, other: Request[Any], theirs: str) -> bool:
    return (
        mine == theirs
        or (one.lists and theirs.startswith(mine))
        or (other.lists and mine.startswith(theirs))
    )


class _Turn(greenlet):
    """The coroutine of an actor, which leads back to it."""

    def __init__(self, actor: Actor, run: Callable[[], object]) -> None:
        super().__init__(run)
        self.actor = actor


class Actor:
    """One invocation of a function, from its first request to its end."""

    def __init__(self, name: str, work: Callable[[Actor], object], deadline: datetime) -> None:
        self.name = name
        self.deadline = deadline
        self.skew_s = 0.0
        self.hears_after_s = 0.0
        """How long the answer to its next request is under way."""
        self.wakes_at = deadline
        self.pending: Request[Any] | None = None
        self.error: BaseException | None = None
        self.seen: int = 0
        """Digest of all answers so far: code without a memory of its own is where they led it."""
        self._tokens = 0
        self._scheduler = getcurrent()
        self._greenlet = _Turn(self, lambda: self._run(work))
        self._go_on(None)

    @property
    def has_ended(self) -> bool:
        return self.pending is None

    def resume(self, fate: Fate) -> None:
        """Carry its request out in this way and let it go on to its next."""
        self._go_on(fate)

    def kill(self) -> None:
        """End it where it stands."""
        if self.pending is not None:
            self.pending = None
            self._greenlet.throw(Killed)

    def ask(self, request: Request[T]) -> T:
        """Make a request; called by the ports, within the actor."""
        fate: Fate = self._scheduler.switch(request)
        if fate in _REFUSED:
            self.note(fate)
            self._wait_for_answer()
            raise _REFUSED[fate](request.verb)
        try:
            answer = request.effect()
        except Exception as error:
            self.note((fate, repr(error)))
            raise
        self.note((fate, _hashable(answer)))
        if fate == "dies":
            raise Killed
        self._wait_for_answer()
        if fate == "no answer":
            raise AmbiguousError(request.verb)
        if fate == "sent again":
            return self.ask(replace(request, effect=request.again or request.effect, faults=()))
        return answer

    def note(self, answer: object) -> None:
        """Add to what it has learned."""
        self.seen = hash((self.seen, answer))

    def token(self, size: int) -> str:
        """Make what is unique to this actor, and the same each time it is played."""
        self._tokens += 1
        return hashlib.sha256(f"{self.name} {self._tokens}".encode()).hexdigest()[: 2 * size]

    def _wait_for_answer(self) -> None:
        if self.hears_after_s:
            waits_s, self.hears_after_s = self.hears_after_s, 0
            self._scheduler.switch(Request("hears", (), _nothing, waits_s=waits_s))

    def _go_on(self, fate: Fate | None) -> None:
        self.pending = self._greenlet.switch(fate) if fate else self._greenlet.switch()

    def _run(self, work: Callable[[Actor], object]) -> None:
        try:
            work(self)
        except BaseException as error:  # noqa: BLE001  whoever plays looks at it
            self.error = error


_REFUSED: dict[str, type[Exception]] = {
    "throttled": ThrottledError,
    "backlogged": BackloggedError,
    "not sent": AmbiguousError,
}


def _nothing() -> None:
    """Change nothing."""


def _hashable(answer: object) -> object:
    if isinstance(answer, (str, bytes, bool, type(None))):
        return answer
    return tuple(answer) if isinstance(answer, list) and not _holds_dicts(answer) else repr(answer)


def _holds_dicts(answer: list[Any]) -> bool:
    return any(isinstance(one, dict) for one in answer)


@contextlib.contextmanager
def determined(draws: Draws | None = None) -> Iterator[None]:
    """Take what the code draws at random from the draws; without them nothing is random."""

    def token_hex(size: int = 32) -> str:
        turn = getcurrent()
        assert isinstance(turn, _Turn)
        return turn.actor.token(size)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * (draws.fraction() if draws else 0.5)

    def shuffle(things: MutableSequence[Any]) -> None:
        if draws:
            draws.shuffle(things)

    kept = secrets.token_hex, random.uniform, random.shuffle
    secrets.token_hex, random.uniform, random.shuffle = token_hex, uniform, shuffle  # type: ignore[assignment]
    try:
        yield
    finally:
        secrets.token_hex, random.uniform, random.shuffle = kept
