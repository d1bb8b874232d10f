"""Workers: invocations that run side by side and stop before each request.

A worker runs the real code of `aigc.jobs`. Its ports switch to the scheduler (a greenlet switch)
with the request that they are about to make, and continue with the outcome that the scheduler
chose for it. A worker has one branch, and more while it makes requests in parallel: one for each
argument of `Parallel`. Each branch has at most one pending request, with an outcome of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import secrets
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from greenlet import getcurrent, greenlet

from aigc.errors import (
    AmbiguousError,
    BackloggedError,
    CloudError,
    RefusedError,
    ThrottledError,
    UnclearError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
    from datetime import datetime

    from aigc.jobs.clock import LedgerClock
    from tests.simulation.draws import Draws

OK: Final = "ok"
KILLED: Final = "killed"
"""The request takes effect, and the worker is killed before it gets the answer."""
KILLED_LATE: Final = "killed, lands later"
"""The worker is killed; the request takes effect later."""
THROTTLED: Final = "throttled"
"""The request is refused for now; it has no effect."""
BACKLOGGED: Final = "backlogged"
"""The same, with the vendor's other error."""
REFUSED: Final = "refused"
"""The vendor refuses the request for good; it has no effect."""
UNCLEAR: Final = "refused, unclear"
"""The vendor refuses the request, by a code that does not say why; it has no effect."""
NOT_SENT: Final = "not sent"
"""There is no answer and no effect."""
NO_ANSWER: Final = "no answer"
"""There is no answer; the request took effect."""
LANDS_LATER: Final = "lands later"
"""There is no answer; the request takes effect later."""
SENT_AGAIN: Final = "sent again"
"""There is no answer; the request took effect, and the SDK sends it a second time."""
SENT_AGAIN_LATE: Final = "sent again, lands later"
"""There is no answer; the SDK sends the request again, and the first one takes effect later."""

LATE = frozenset({KILLED_LATE, LANDS_LATER, SENT_AGAIN_LATE})
KILLING = frozenset({KILLED, KILLED_LATE})
READ_FAULTS = (THROTTLED, NOT_SENT)
WRITE_FAULTS = (THROTTLED, NOT_SENT, NO_ANSWER)
SUBMISSION_FAULTS = (*WRITE_FAULTS, BACKLOGGED, REFUSED, UNCLEAR)

T = TypeVar("T")


class Killed(BaseException):
    """The platform ended the invocation."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A request that a worker is about to make."""

    verb: str
    """`put`, `list`, `CreateAigcImageTask`: for the trace, and for the choice of faults."""
    keys: tuple[str, ...]
    """The keys that it reads or writes; a listing reads all keys that begin with its key."""
    effect: Callable[[], T]
    faults: tuple[str, ...] = ()
    changes: bool = False
    lists: bool = False
    again: Callable[[], T] | None = None
    """What the SDK does when it repeats the request, where it does; it makes requests itself."""
    can_be_late: bool = False
    """Whether it may take effect after the worker stopped waiting for the answer."""
    body: bytes = b""
    weak: Callable[[], Mapping[str, Callable[[], T]]] | None = None
    """Returns the effects that storage allows beside the plain one, by name."""
    is_continued: Callable[[T], bool] | None = None
    """Whether the storage is not done after this effect: then there is no answer yet."""
    waits_s: float = 0
    moment: Callable[[], datetime] | None = None
    answered_at: MutableSequence[datetime] | None = None
    """Receives the moment at which COS carries the request out, if the worker wants to know."""

    def note_time(self) -> None:
        """Note that COS carries the request out now."""
        if self.moment is not None and self.answered_at is not None:
            self.answered_at.append(self.moment())

    @property
    def is_isolated(self) -> bool:
        """Whether no request of another worker ever depends on it, nor it on theirs."""
        return all(key.startswith(("index/", "images/")) for key in self.keys)

    def is_independent(self, other: Request[Any]) -> bool:
        """Whether the order of the two requests makes no difference."""
        if not (self.changes or other.changes):
            return True
        return not any(
            _overlap(self, mine, other, theirs) for mine in self.keys for theirs in other.keys
        )


def _overlap(one: Request[Any], mine: str, other: Request[Any], theirs: str) -> bool:
    return (
        mine == theirs
        or (one.lists and theirs.startswith(mine))
        or (other.lists and mine.startswith(theirs))
    )


class Branch:
    """One sequence of requests of a worker."""

    def __init__(self, worker: Worker, path: str, run: Callable[[], object]) -> None:
        self.worker = worker
        self.path = path
        self.name = f"{worker.name}{path and ' ' + path}"
        self.pending: Request[Any] | None = None
        self.scheduled: Request[Any] | None = None
        """The request for which a storm has drawn a duration."""
        self.sent_at: datetime | None = None
        self.answer_delay_s = 0.0
        """How long the answer to the pending request takes."""
        self.seen = 0
        """Digest of all answers so far; they determine how far the code has got."""
        self.fork: Fork | None = None
        """The fork that it belongs to; None for the first branch of a worker."""
        self.result: Any = None
        self.error: BaseException | None = None
        self._tokens = 0
        self._forks = 0
        self.greenlet = _BranchGreenlet(self, run, worker.scheduler)

    def note(self, answer: object) -> None:
        """Add an answer to the digest."""
        self.seen = hash((self.seen, answer))

    def token(self, size: int) -> str:
        """Return a token that is unique to this branch, and the same in each replay."""
        self._tokens += 1
        return hashlib.sha256(f"{self.name} {self._tokens}".encode()).hexdigest()[: 2 * size]

    def fork_path(self) -> str:
        """Name the next fork of this branch."""
        self._forks += 1
        return f"{self.path}{'.' if self.path else ''}{self._forks}"


class _BranchGreenlet(greenlet):
    """The coroutine of a branch, which knows the branch."""

    def __init__(self, branch: Branch, run: Callable[[], object], scheduler: greenlet) -> None:
        super().__init__(lambda: _run(branch, run), scheduler)
        self.branch = branch


def _run(branch: Branch, run: Callable[[], object]) -> None:
    try:
        branch.result = run()
    except BaseException as error:  # noqa: BLE001  the parent branch or the scheduler reports it
        branch.error = error


def current_branch() -> Branch:
    """Return the branch whose code is running."""
    running = getcurrent()
    assert isinstance(running, _BranchGreenlet)
    return running.branch


class Fork:
    """Branches that run in parallel, and the branch that waits for them."""

    def __init__(self, parent: Branch, runs: Sequence[Callable[[], object]]) -> None:
        path = parent.fork_path()
        self.parent = parent
        self.branches = [
            Branch(parent.worker, f"{path}{letter}", run)
            for letter, run in zip("abcdefghijklmnopqrstuvwxyz", runs, strict=False)
        ]
        assert len(self.branches) == len(runs)
        self.running = len(runs)


class Worker:
    """One invocation of a function, from its first request to its end."""

    def __init__(self, name: str, work: Callable[[Worker], object], deadline: datetime) -> None:
        self.name = name
        self.deadline = deadline
        self.clock_skew_s = 0.0
        """How far its wall clock is ahead; it knows the time from answers only."""
        self.is_newer = False
        """Whether it runs a newer version, whose records others cannot read."""
        self._clock: LedgerClock | None = None
        self._moment: Callable[[], datetime] | None = None
        self.scheduler = getcurrent()
        self.branches: dict[str, Branch] = {}
        """All branches that have not been joined, by path; the first one has an empty path."""
        self.error: BaseException | None = None
        self.has_ended = False
        self._begin(Branch(self, "", lambda: work(self)))

    @property
    def pending(self) -> list[Branch]:
        """The branches that have a pending request, in an order that does not depend on history."""
        pending = [branch for branch in self.branches.values() if branch.pending is not None]
        if len(pending) > 1:
            pending.sort(key=lambda branch: branch.path)
        return pending

    @property
    def seen(self) -> int:
        """Digest of all answers that the worker has got."""
        return hash(frozenset((path, branch.seen) for path, branch in self.branches.items()))

    def resume(self, branch: Branch, outcome: str) -> None:
        """Give the pending request of a branch this outcome and run the branch to the next one."""
        request = branch.pending
        assert request is not None
        if outcome in KILLING:
            if outcome == KILLED:
                with contextlib.suppress(CloudError):
                    request.effect()
            self.kill()
        else:
            self._advance(branch, outcome)

    def kill(self) -> None:
        """End all branches where they are."""
        branches, self.branches = self.branches, {}
        for branch in branches.values():
            branch.pending = None
            if not branch.greenlet.dead:
                branch.greenlet.throw(Killed)
        self.has_ended = True
        self.error = branches[""].error if "" in branches else None

    # Called by the ports, within a branch

    def use_clock(self, moment: Callable[[], datetime], clock: LedgerClock) -> None:
        """Pass the time of each answer of COS to a clock."""
        self._moment, self._clock = moment, clock

    def ask_cos(self, request: Request[T]) -> T:
        """Make a request to COS, whose answer has a date in whole seconds."""
        if self._clock is None or self._moment is None:
            return self.ask(request)
        self._clock.ensure()
        sent = self._moment()
        dates = [sent]
        dated = dataclasses.replace(request, answered_at=dates, moment=self._moment)
        try:
            answer = self.ask(dated)
        except AmbiguousError:
            raise
        except CloudError:
            self._learn(sent, dates[-1])
            raise
        self._learn(sent, dates[-1])
        return answer

    def _learn(self, sent: datetime, date: datetime) -> None:
        assert self._clock is not None
        assert self._moment is not None
        elapsed_s = (self._moment() - sent).total_seconds()
        self._clock.learn(format_datetime(date, usegmt=True), elapsed_s)

    def ask(self, request: Request[T]) -> T:
        """Make a request; return its answer or raise the error of its outcome."""
        branch = current_branch()
        outcome: str = self.scheduler.switch(request)
        request.note_time()
        if outcome in _NO_EFFECT:
            branch.note(outcome)
            self._wait_for_answer(branch)
            raise _NO_EFFECT[outcome](request.verb)
        if outcome == SENT_AGAIN_LATE:
            branch.note(outcome)
            self._wait_for_answer(branch)
            return _again(request)
        effect = request.weak().get(outcome, request.effect) if request.weak else request.effect
        try:
            answer = effect()
        except Exception as error:
            branch.note((outcome, repr(error)))
            raise
        branch.note((outcome, _hashable(answer)))
        if request.is_continued is None or not request.is_continued(answer):
            self._wait_for_answer(branch)
        if outcome == NO_ANSWER:
            raise AmbiguousError(request.verb)
        return _again(request) if outcome == SENT_AGAIN else answer

    def parallel(self, *requests: Callable[[], Any]) -> list[Any]:
        """Implement `Parallel`: each request becomes a branch."""
        if len(requests) < 2:
            return [request() for request in requests]
        fork = Fork(current_branch(), requests)
        self.scheduler.switch(fork)
        errors = [branch.error for branch in fork.branches if branch.error is not None]
        if errors:
            raise errors[0]
        return [branch.result for branch in fork.branches]

    def _wait_for_answer(self, branch: Branch) -> None:
        if branch.answer_delay_s:
            waits_s, branch.answer_delay_s = branch.answer_delay_s, 0
            self.scheduler.switch(Request("answer", (), _nothing, waits_s=waits_s))

    # The scheduler's side

    def _begin(self, branch: Branch) -> None:
        self.branches[branch.path] = branch
        self._advance(branch, None)

    def _advance(self, branch: Branch, outcome: str | None) -> None:
        """Run a branch to its next request, to a fork, or to its end."""
        branch.pending = None
        yielded = branch.greenlet.switch(*(() if outcome is None else (outcome,)))
        if branch.greenlet.dead:
            self._end(branch)
        elif isinstance(yielded, Fork):
            for child in yielded.branches:
                child.fork = yielded
            for child in yielded.branches:
                self._begin(child)
        else:
            branch.pending = yielded

    def _end(self, branch: Branch) -> None:
        """Resume the parent of the last branch of a fork; end the worker with its first branch."""
        fork = branch.fork
        if fork is None:
            del self.branches[branch.path]
            self.has_ended = True
            self.error = branch.error
            return
        fork.running -= 1
        if not fork.running:
            for child in fork.branches:
                del self.branches[child.path]
            fork.parent.note(tuple(child.seen for child in fork.branches))
            self._advance(fork.parent, OK)


_NO_EFFECT: dict[str, type[Exception]] = {
    THROTTLED: ThrottledError,
    BACKLOGGED: BackloggedError,
    REFUSED: RefusedError,
    UNCLEAR: UnclearError,
    NOT_SENT: AmbiguousError,
    LANDS_LATER: AmbiguousError,
}
"""Outcomes by which a request has no effect, or none yet."""


def _again(request: Request[T]) -> T:
    assert request.again is not None
    return request.again()


def _nothing() -> None:
    """Change nothing."""


def _hashable(answer: object) -> object:
    if isinstance(answer, (str, bytes, bool, type(None))):
        return answer
    return tuple(answer) if isinstance(answer, list) and not _has_dicts(answer) else repr(answer)


def _has_dicts(answer: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in answer)


@contextlib.contextmanager
def controlled_randomness(draws: Draws | None = None) -> Iterator[None]:
    """Replace the random functions that the code uses by the draws, or by fixed choices."""

    def token_hex(size: int = 32) -> str:
        return current_branch().token(size)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * (draws.fraction() if draws else 0.5)

    def shuffle(items: MutableSequence[Any]) -> None:
        if draws:
            draws.shuffle(items)

    def choice(items: Sequence[T]) -> T:
        return draws.one_of(items) if draws else items[0]

    names = (
        (secrets, "token_hex", token_hex),
        (random, "uniform", uniform),
        (random, "shuffle", shuffle),
        (random, "choice", choice),
    )
    originals = [(module, name, getattr(module, name)) for module, name, _ in names]
    for module, name, replacement in names:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)
