"""One play of a small case: who may make which move next, and what came of those made."""

from __future__ import annotations

import contextlib
import logging
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.errors import CloudError
from aigc.jobs.recover import sweep
from aigc.jobs.settle import on_callback, on_stored
from tests.fakes import LEASE_S, START
from tests.simulation.actors import Actor, Killed, Request
from tests.simulation.cloud import TIMEOUT_S, VENDOR, Cloud, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from aigc.jobs.runtime import Runtime

    Work = Callable[[Runtime], object]

SWEEPS_S = (*[LEASE_S + 5] * 5, *[600] * 10)
"""How far apart the sweeps are that may be needed once nothing goes wrong any more."""


class Move(NamedTuple):
    """What may happen next: an actor's request with a fate, a task's end, time that passes."""

    who: str
    what: str

    @property
    def is_fault(self) -> bool:
        return self.what not in _PLAIN


TIME = "-"
_PLAIN = {"ok", "done", "next", "passes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Who works side by side; the next phase begins when all of them have ended or died."""

    works: Mapping[str, Work]
    after_s: float = 0
    late: Mapping[str, Work] = field(default_factory=dict)
    """Who begins when the first pause is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A small case: what was there before, who works side by side, what may go wrong."""

    title: str
    phases: tuple[Phase, ...]
    given: tuple[Work | Move, ...] = ()
    """What was done or had ended before, one after the other, and without a fault."""
    lanes: Mapping[str, int] = field(default_factory=lambda: {"vod.image": 1})
    deaths: int = 0
    faults: int = 0
    """Replies that are lost and requests that are refused, over all actors."""
    fates: frozenset[str] = frozenset(
        {"throttled", "not sent", "no answer", "backlogged", "sent again"}
    )
    faulty: tuple[str, ...] = ("",)
    """How the requests begin that may fail; all do."""
    pauses: int = 0
    """How often two thirds of an invocation's time may pass between any two requests."""
    ends: tuple[str, ...] = ()
    """How tasks may end while others are at work: `done`, or a code of the vendor's."""
    callbacks: int = 1
    """How often each end is reported."""
    lists_tasks: bool = True
    """Whether the vendor shows a session's task in its list."""
    quick: int = 0
    """How often an actor is interrupted where the search must not take long."""
    switches: int | None = None
    """How often an actor may be interrupted between two of its requests; None: at will."""


class Play:
    """One play of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.cloud = Cloud(case.lanes)
        self.cloud.vendor.lists_tasks = case.lists_tasks
        self.deaths_left = case.deaths
        self.faults_left = case.faults
        self.pauses_left = case.pauses
        self.phase = -1
        self.actors: dict[str, Actor] = {}
        self._lines: list[tuple[datetime, str, tuple[str, ...], str]] = []
        self.switches_left = case.switches
        self._last = ""
        self._late: Mapping[str, Work] = {}
        for number, given in enumerate(case.given):
            if isinstance(given, Move):
                self._end_task(*given)
            else:
                self._begin(f"given {number}", given)
            self._run_alone()
        self._next_phase()

    def moves(self) -> list[Move]:
        """List what may happen next; nothing once all is done."""
        found = [Move(one.name, fate) for one in self._ready() for fate in self._fates(one)]
        found += self._ends()
        if self.actors and self.pauses_left:
            found.append(Move(TIME, "passes"))
        if not self.actors and self.phase < len(self.case.phases):
            found.append(Move(TIME, "next"))
        return found

    def make(self, move: Move) -> None:
        """Let something happen."""
        if move.who in self.actors:
            self._count_switch(move.who)
            self._go_on(self.actors[move.who], move.what)
        elif move.who == TIME:
            self._pass_time(move.what)
        else:
            self._end_task(move.who, move.what)

    def are_independent(self, one: Move, other: Move) -> bool:
        """Whether two moves that both are possible lead to the same in either order."""
        if (
            TIME in (one.who, other.who)
            or one.who == other.who
            or (one.is_fault and other.is_fault)
        ):
            return False
        return self._request(one).is_independent(self._request(other))

    def digest(self) -> int:
        """Say in one number all that the rest of the play depends on."""
        actors = frozenset((name, actor.seen) for name, actor in self.actors.items())
        left = (self.deaths_left, self.faults_left, self.pauses_left, self.switches_left)
        last = "" if self.switches_left is None else self._last
        return hash((self.phase, len(self._late), left, last, actors, self.cloud.digest()))

    def problems(self) -> list[str]:
        """Find what went against the promises so far."""
        return self.cloud.problems

    def story(self) -> str:
        """Tell what happened, a line for each request."""
        return "\n".join(told(*line) for line in self._lines)

    def close(self) -> None:
        """End whoever is still at work."""
        for actor in self.actors.values():
            actor.kill()
        self.actors.clear()

    # What may happen

    def _ready(self) -> list[Actor]:
        """Find who may go on: all, or only the last when it may not be interrupted any more."""
        quiet = [one for one in self.actors.values() if one.pending and one.pending.is_alone]
        if quiet and not self.pauses_left:
            return quiet[:1]
        if self.switches_left == 0 and self._last in self.actors:
            return [self.actors[self._last]]
        return sorted(self.actors.values(), key=lambda one: one.name != self._last)

    def _count_switch(self, name: str) -> None:
        if self.switches_left and name != self._last and self._last in self.actors:
            self.switches_left -= 1
        self._last = name

    def _fates(self, actor: Actor) -> list[str]:
        assert actor.pending is not None
        fates = ["ok"]
        if self.deaths_left and actor.pending.changes:
            fates.append("dies")
        if self.faults_left and actor.pending.verb.startswith(self.case.faulty):
            fates += [fate for fate in actor.pending.faults if fate in self.case.fates]
        return fates

    def _ends(self) -> list[Move]:
        if self.phase >= len(self.case.phases) or not self.case.ends:
            return []
        open_tasks = [task.id for task in self.cloud.tasks() if task.is_open]
        return [Move(task_id, how) for task_id in open_tasks for how in self.case.ends]

    def _request(self, move: Move) -> Request[Any]:
        if move.who in self.actors:
            pending = self.actors[move.who].pending
            assert pending is not None
            return pending
        return Request("ends", (VENDOR, "results/"), lambda: None, changes=True, lists=True)

    # What happens

    def _go_on(self, actor: Actor, fate: str) -> None:
        request = actor.pending
        assert request is not None
        if fate == "dies":
            self.deaths_left -= 1
        elif fate != "ok":
            self.faults_left -= 1
        self._tell(actor.name, request.verb, *request.keys[:1], fate=fate)
        actor.resume(fate)  # type: ignore[arg-type]
        if actor.has_ended:
            del self.actors[actor.name]
            self._look_at_end(actor)

    def _pass_time(self, how: str) -> None:
        if how == "next":
            self._next_phase()
            return
        self.pauses_left -= 1
        self._late, late = {}, self._late
        self._wait(TIMEOUT_S * 2 / 3)
        for name, actor in list(self.actors.items()):
            if self.cloud.clock.moment > actor.deadline:
                self._tell(name, "has worked for too long", fate="dies")
                actor.kill()
                del self.actors[name]
        for name, work in late.items():
            self._begin(name, work)

    def _next_phase(self) -> None:
        if self.phase >= 0 and self._is_spotless():
            self.cloud.problems += self.cloud.idle()
        self.phase += 1
        if self.phase == len(self.case.phases):
            self._finish()
            return
        phase = self.case.phases[self.phase]
        self._wait(phase.after_s)
        self._late = phase.late
        for name, work in phase.works.items():
            self._begin(name, work)

    def _is_spotless(self) -> bool:
        """Whether nothing has gone wrong so far: then nothing may wait for the sweep either."""
        case = self.case
        left = (self.deaths_left, self.faults_left, self.pauses_left)
        return left == (case.deaths, case.faults, case.pauses)

    def _end_task(self, task_id: str, how: str) -> None:
        [task] = [one for one in self.cloud.tasks() if one.id == task_id]
        self._tell("vendor", f"{task_id} ends", fate=how)
        if how == "done":
            self.cloud.vendor.finish(task)
        else:
            self.cloud.vendor.fail(task, how)
        for number in range(self.case.callbacks):
            self._report(task, number)

    def _report(self, task: Task, number: int) -> None:
        name = f"callback {task.job_id}-{task.attempt}.{number}"
        if task.session_id:
            self._begin(name, lambda runtime: self._call_back(task, runtime))
        elif task.state == "done":
            self._begin(name, lambda runtime: on_stored(task.job_id, task.attempt, runtime))

    def _call_back(self, task: Task, runtime: Runtime) -> None:
        on_callback(task.job_id, task.session_id, task.id, runtime)
        self.cloud.hear(task)

    def _finish(self) -> None:
        """Let the sweep alone go on, in a world where nothing goes wrong any more."""
        self._tell(TIME, "from here on nothing goes wrong")
        for number, seconds in enumerate(SWEEPS_S):
            self._wait(seconds)
            for task in self.cloud.tasks():
                if task.is_open:
                    self.cloud.vendor.finish(task)
            self._begin(f"last sweep {number}", sweep)
            self._run_alone()
            if not self.cloud.unfinished():
                break
        self.cloud.problems = self.cloud.broken_promises()

    def _begin(self, name: str, work: Work) -> None:
        deadline = self.cloud.clock.moment + timedelta(seconds=TIMEOUT_S)
        actor = Actor(name, lambda actor: work(self.cloud.runtime(actor)), deadline)
        if actor.has_ended:
            self._look_at_end(actor)
        else:
            self.actors[name] = actor

    def _run_alone(self) -> None:
        while self.actors:
            self._go_on(next(iter(self.actors.values())), "ok")

    def _look_at_end(self, actor: Actor) -> None:
        error = actor.error
        if error is None:
            return
        self._tell(actor.name, f"ends by {error!r}")
        if not isinstance(error, (Killed, CloudError)):
            told = "".join(traceback.format_exception(error))
            self.cloud.problems.append(f"{actor.name} crashed: {told}")

    def _wait(self, seconds: float) -> None:
        self.cloud.clock.pass_time(seconds)

    def _tell(self, who: str, *what: str, fate: str = "ok") -> None:
        self._lines.append((self.cloud.clock.moment, who, what, fate))


def told(moment: datetime, who: str, what: tuple[str, ...], fate: str) -> str:
    """Write a line of a story."""
    seconds = (moment - START).total_seconds()
    return f"{seconds:11.3f}  {who:18} {' '.join(what)}" + (f": {fate}" if fate != "ok" else "")


class LoggedFaults(logging.Handler):
    """Collects what the functions caught and logged although nobody foresaw it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, CloudError):
            self.found.append("".join(traceback.format_exception(error)))


@contextlib.contextmanager
def watched() -> Iterator[LoggedFaults]:
    """Keep the functions' log quiet, and what nobody foresaw."""
    logger = logging.getLogger("aigc")
    level, propagates = logger.level, logger.propagate
    faults = LoggedFaults()
    logger.addHandler(faults)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield faults
    finally:
        logger.removeHandler(faults)
        logger.setLevel(level)
        logger.propagate = propagates
