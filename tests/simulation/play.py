"""One play of a small case: which moves are possible next, and what each of them does."""

from __future__ import annotations

import contextlib
import logging
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.errors import CloudError
from aigc.jobs.settle import on_callback, on_stored
from tests.fakes import LEASE_S, START
from tests.simulation.checks import broken_promises, idle_slots, unfinished
from tests.simulation.cloud import NO_RULES, TIMEOUT_S, VENDOR, Cloud
from tests.simulation.storage import BLIND, LONGEST_LAG_S
from tests.simulation.sweeps import sweep
from tests.simulation.workers import (
    BACKLOGGED,
    KILLED,
    KILLED_LATE,
    KILLING,
    LANDS_LATER,
    LATE,
    NO_ANSWER,
    NOT_SENT,
    OK,
    SENT_AGAIN,
    SENT_AGAIN_LATE,
    THROTTLED,
    Killed,
    Request,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from aigc.jobs.runtime import Runtime
    from aigc.uploads.rules import Rules
    from tests.simulation.vendor import Task
    from tests.simulation.workers import Branch

    Work = Callable[[Runtime], object]

FORGOTTEN_S = 60 * 3600 + 1
"""After which a submission to VOD that nothing explains is given up."""
LAST_SWEEPS_S = (*[LEASE_S + 5] * 5, *[600] * 10)
"""The waits before the sweeps that run once nothing goes wrong any more."""
WITHOUT_LIST_S = (FORGOTTEN_S, *[LEASE_S + 5] * 3)
"""The waits after them where the vendor lists no tasks: a submission may stay unexplained until
its session is forgotten."""
RAISED = 1000
"""A ceiling that no simulation reaches."""
TIME = "-"
LANDS = "lands"
LATE_WRITE, LATE_LISTING, BLIND_LOOK = "late write", "late listing", "blind look"


class Move(NamedTuple):
    """What may happen next: the outcome of a request, the end of a task, a step of time."""

    subject: str
    """The branch, the task, the late request, or TIME."""
    event: str

    @property
    def is_fault(self) -> bool:
        """Whether it uses up one of the case's limited faults."""
        return self.event not in _PLAIN


_PLAIN = {OK, LANDS, "done", "next", "passes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Workers that run side by side; the next phase begins when all of them have ended."""

    workers: Mapping[str, Work]
    after_s: float = 0
    joining: Mapping[str, Work] = field(default_factory=dict)
    """Workers that begin after the first pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A small case: what happened before, which workers run side by side, what may go wrong."""

    title: str
    phases: tuple[Phase, ...]
    before: tuple[Work | Move, ...] = ()
    """What happened before, one after another and without a fault."""
    lanes: Mapping[str, int] = field(default_factory=lambda: {"vod.image": 1})
    rules: Rules = NO_RULES
    """The rules for uploads."""
    deaths: int = 0
    """How many workers may be killed."""
    faults: int = 0
    """How many requests may fail, over all workers."""
    fault_outcomes: frozenset[str] = frozenset(
        {THROTTLED, NOT_SENT, NO_ANSWER, BACKLOGGED, SENT_AGAIN}
    )
    faulty: tuple[str, ...] = ("",)
    """The beginnings of the requests that may fail; by default all."""
    weak: int = 0
    """How often storage may show a weakness."""
    weaknesses: frozenset[str] = frozenset({LATE_WRITE, LATE_LISTING, BLIND_LOOK})
    pauses: int = 0
    """How often two thirds of an invocation's time may pass between two requests."""
    ceiling: int = 0
    """Images that may be made in a day; 0: no ceiling. It is raised when nothing fails any more."""
    ends: tuple[str, ...] = ()
    """How tasks may end while workers run: `done`, or an error code of the vendor."""
    callbacks: int = 1
    """How often each end is reported."""
    images: int = 1
    """How many images each task makes."""
    lists_tasks: bool = True
    """Whether the vendor shows a session's task in its list."""
    quick_switches: int | None = 0
    """The limit of `switches` where a search must not take long."""
    is_quick: bool = True
    """Whether `make test` searches the case with that limit."""
    check: Callable[[Cloud], list[str]] | None = None
    """Finds what is wrong at the end, in place of the last sweeps and the promises about jobs."""
    switches: int | None = None
    """How often a branch may be resumed whose turn it is not; None: without limit."""


@dataclass(frozen=True, slots=True)
class LateRequest:
    """A request that no worker waits for any more and that still takes effect."""

    name: str
    request: Request[Any]


class Play:
    """One play of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.cloud = Cloud(case.lanes, case.rules)
        self.cloud.vendor.lists_tasks = case.lists_tasks
        self.cloud.on_created = lambda task: self.cloud.vendor.set_images(task, case.images)
        if case.ceiling:
            self.cloud.limit(case.ceiling)
        for bucket in (self.cloud.ledger, self.cloud.results, self.cloud.inbox):
            bucket.lag_s = LONGEST_LAG_S if case.weak else 0
        self.deaths_left = case.deaths
        self.faults_left = case.faults
        self.weak_left = case.weak
        self.pauses_left = case.pauses
        self.switches_left = case.switches
        self.phase = -1
        self.workers: dict[str, Worker] = {}
        self.late: dict[str, LateRequest] = {}
        self._lines: list[tuple[datetime, str, tuple[str, ...], str]] = []
        self._last_worker = self._last_path = ""
        self._joining: Mapping[str, Work] = {}
        for number, earlier in enumerate(case.before):
            if isinstance(earlier, Move):
                self._end_task(*earlier)
            else:
                self._begin(f"before {number}", earlier)
            self._run_without_faults()
        self._next_phase()

    def moves(self) -> list[Move]:
        """List what may happen next; nothing when the play is over."""
        moves = [
            Move(branch.name, outcome)
            for branch in self._ready()
            for outcome in self._outcomes(branch)
        ]
        moves += [Move(name, LANDS) for name in self.late]
        moves += self._task_ends()
        if self.workers and self.pauses_left and not self._is_storage_busy():
            moves.append(Move(TIME, "passes"))
        if not (self.workers or self.late) and self.phase < len(self.case.phases):
            moves.append(Move(TIME, "next"))
        return moves

    def make(self, move: Move) -> None:
        """Make one of the possible moves."""
        branch = self.branch(move.subject)
        if branch is not None:
            self._count_switch(branch)
            self._resume(branch, move.event)
        elif move.subject in self.late:
            self._land(move.subject)
        elif move.subject == TIME:
            self._pass_time(move.event)
        else:
            self._end_task(move.subject, move.event)

    def branch(self, name: str) -> Branch | None:
        """Find a branch that has a pending request."""
        for worker in self.workers.values():
            for branch in worker.branches.values():
                if branch.name == name and branch.pending is not None:
                    return branch
        return None

    def are_independent(self, one: Move, other: Move) -> bool:
        """Whether two possible moves lead to the same state in either order.

        Moves of the same branch do not, and faults do not, since their number is limited. A death
        depends on all moves of its worker, as it ends the worker's other branches. Otherwise two
        branches of a worker are like two workers: they share no variables (`Parallel` demands
        it), they join when both have ended, and the branch that waits for them continues alike.
        Where switches are limited, moves of two branches use them up, so they are not independent.
        """
        if (
            TIME in (one.subject, other.subject)
            or one.subject == other.subject
            or (one.is_fault and other.is_fault)
            or self._kills(one, other)
            or self._kills(other, one)
            or self._use_up_switches(one, other)
        ):
            return False
        return self._request(one).is_independent(self._request(other))

    def digest(self) -> int:
        """Return a digest of everything that the rest of the play depends on."""
        workers = frozenset((name, worker.seen) for name, worker in self.workers.items())
        late = frozenset((name, late.request.body) for name, late in self.late.items())
        left = (
            self.deaths_left,
            self.faults_left,
            self.weak_left,
            self.pauses_left,
            self.switches_left,
        )
        is_limited = self.switches_left is not None
        last = (self._last_worker, self._last_path) if is_limited else ()
        earlier = self.cloud.digest_of_earlier() if self.weak_left else 0
        cloud = self.cloud.digest()
        return hash((self.phase, len(self._joining), left, last, workers, late, earlier, cloud))

    def problems(self) -> list[str]:
        """Return the promises that were broken so far."""
        return self.cloud.problems

    def trace(self) -> str:
        """Return what happened, a line for each request."""
        return "\n".join(trace_line(*line) for line in self._lines)

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers.values():
            worker.kill()
        self.workers.clear()

    # Possible moves

    def _ready(self) -> list[Branch]:
        """Find the branches that may be resumed now.

        A request that is isolated goes first: its order with those of other workers makes no
        difference. When no switches are left, the branches run in turn.
        """
        workers = list(self.workers.values())
        if not self.pauses_left:
            for worker in workers:
                pending = worker.pending
                if len(pending) == 1 and pending[0].pending.is_isolated:  # type: ignore[union-attr]
                    return pending
        if self.switches_left == 0:
            return self._next_in_turn()
        workers.sort(key=lambda worker: worker.name != self._last_worker)
        return [branch for worker in workers for branch in worker.pending]

    def _next_in_turn(self) -> list[Branch]:
        """Find the branches whose turn it is: to resume another one is a switch.

        A branch runs to its end, then the next branch of its worker; after a worker, any other.
        """
        if self._last_worker not in self.workers:
            return [worker.pending[0] for worker in self.workers.values()]
        pending = self.workers[self._last_worker].pending
        return [next((one for one in pending if one.path == self._last_path), pending[0])]

    def _outcomes(self, branch: Branch) -> list[str]:
        request = branch.pending
        assert request is not None
        outcomes = [OK]
        if self.deaths_left and request.changes:
            outcomes.append(KILLED)
        if self.faults_left and request.verb.startswith(self.case.faulty):
            outcomes += [one for one in request.faults if one in self.case.fault_outcomes]
        return outcomes + (self._weak_outcomes(request) if self.weak_left else [])

    def _weak_outcomes(self, request: Request[Any]) -> list[str]:
        allowed = self.case.weaknesses
        outcomes: list[str] = []
        if LATE_WRITE in allowed and request.can_be_late:
            outcomes += [KILLED_LATE] if self.deaths_left else []
            if request.faults:
                outcomes += [LANDS_LATER, *([SENT_AGAIN_LATE] if request.again else [])]
        if request.weak is not None:
            outcomes += [
                name
                for name in request.weak()
                if (BLIND_LOOK if name == BLIND else LATE_LISTING) in allowed
            ]
        return outcomes

    def _task_ends(self) -> list[Move]:
        if self.phase >= len(self.case.phases) or not self.case.ends:
            return []
        open_tasks = [task.id for task in self.cloud.tasks() if task.is_open]
        return [Move(task_id, end) for task_id in open_tasks for end in self.case.ends]

    def _is_storage_busy(self) -> bool:
        """Whether a request is under way whose time is shorter than a pause."""
        pending = [branch.pending for one in self.workers.values() for branch in one.pending]
        return bool(self.late) or any(
            request is not None and request.verb == "create: write" for request in pending
        )

    def _kills(self, one: Move, other: Move) -> bool:
        """Whether one move kills the worker of the other."""
        if one.event not in KILLING:
            return False
        branch, other_branch = self.branch(one.subject), self.branch(other.subject)
        return (
            branch is not None and other_branch is not None and branch.worker is other_branch.worker
        )

    def _use_up_switches(self, one: Move, other: Move) -> bool:
        """Whether the order of the moves decides how many switches are left."""
        subjects = (one.subject, other.subject)
        return self.switches_left is not None and all(map(self.branch, subjects))

    def _request(self, move: Move) -> Request[Any]:
        branch = self.branch(move.subject)
        if branch is not None:
            assert branch.pending is not None
            return branch.pending
        if move.subject in self.late:
            return self.late[move.subject].request
        return Request("ends", (VENDOR, "results/"), lambda: None, changes=True, lists=True)

    # Effects of moves

    def _count_switch(self, branch: Branch) -> None:
        if self.switches_left and branch not in self._next_in_turn():
            self.switches_left -= 1
        self._last_worker, self._last_path = branch.worker.name, branch.path

    def _resume(self, branch: Branch, outcome: str) -> None:
        request, worker = branch.pending, branch.worker
        assert request is not None
        self._use_up(outcome, request)
        self._note(branch.name, request.verb, *request.keys[:1], outcome=outcome)
        if outcome in LATE:
            self._send_late(worker, request)
        worker.resume(branch, outcome)
        self._remove_if_ended(worker)

    def _use_up(self, outcome: str, request: Request[Any]) -> None:
        if outcome == OK:
            return
        if outcome in KILLING:
            self.deaths_left -= 1
        if outcome in request.faults:
            self.faults_left -= 1
        elif outcome != KILLED:
            self.weak_left -= 1

    def _send_late(self, worker: Worker, request: Request[Any]) -> None:
        name = f"late {request.verb} {request.keys[0]} of {worker.name}"
        while name in self.late:
            name += "'"
        self.late[name] = LateRequest(name, request)

    def _land(self, name: str) -> None:
        self._note(name, LANDS)
        self.late.pop(name).request.effect()

    def _pass_time(self, how: str) -> None:
        if how == "next":
            self._next_phase()
            return
        self.pauses_left -= 1
        self._joining, joining = {}, self._joining
        self._wait(TIMEOUT_S * 2 / 3)
        for worker in list(self.workers.values()):
            if self.cloud.clock.moment > worker.deadline:
                self._note(worker.name, "reaches its timeout", outcome=KILLED)
                worker.kill()
                del self.workers[worker.name]
        for name, work in joining.items():
            self._begin(name, work)

    def _next_phase(self) -> None:
        if self.phase >= 0 and self._had_no_fault():
            self.cloud.problems += idle_slots(self.cloud)
        self.phase += 1
        if self.phase == len(self.case.phases):
            self._finish()
            return
        phase = self.case.phases[self.phase]
        self._wait(phase.after_s)
        self._joining = phase.joining
        for name, work in phase.workers.items():
            self._begin(name, work)

    def _had_no_fault(self) -> bool:
        """Whether nothing has gone wrong so far: then no job may wait for the sweep."""
        case = self.case
        left = (self.deaths_left, self.faults_left, self.weak_left, self.pauses_left)
        return left == (case.deaths, case.faults, case.weak, case.pauses)

    def _end_task(self, task_id: str, how: str) -> None:
        [task] = [task for task in self.cloud.tasks() if task.id == task_id]
        self._note("vendor", f"{task_id} ends", outcome=how)
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
        self.cloud.note_callback(task)

    def _finish(self) -> None:
        """Run sweeps without faults until everything has ended, then check the promises."""
        if self.case.check is not None:
            self.cloud.problems += self.case.check(self.cloud)
            return
        self._note(TIME, "no faults from here on")
        if self.case.ceiling:
            self.cloud.limit(RAISED)
        waits = LAST_SWEEPS_S if self.case.lists_tasks else (*LAST_SWEEPS_S, *WITHOUT_LIST_S)
        for number, seconds in enumerate(waits):
            self._wait(seconds)
            for task in self.cloud.tasks():
                if task.is_open:
                    self.cloud.vendor.finish(task)
            self._begin(f"last sweep {number}", sweep)
            self._run_without_faults()
            if not unfinished(self.cloud):
                break
        self.cloud.problems = broken_promises(self.cloud)

    def _begin(self, name: str, work: Work) -> None:
        deadline = self.cloud.clock.moment + timedelta(seconds=TIMEOUT_S)
        worker = Worker(name, lambda worker: work(self.cloud.runtime(worker)), deadline)
        self.workers[name] = worker
        self._remove_if_ended(worker)

    def _run_without_faults(self) -> None:
        while self.workers:
            self._resume(next(iter(self.workers.values())).pending[0], OK)

    def _remove_if_ended(self, worker: Worker) -> None:
        if not worker.has_ended:
            return
        del self.workers[worker.name]
        error = worker.error
        if error is None:
            return
        self._note(worker.name, f"ends by {error!r}")
        if not isinstance(error, (Killed, CloudError)):
            details = "".join(traceback.format_exception(error))
            self.cloud.problems.append(f"{worker.name} crashed: {details}")

    def _wait(self, seconds: float) -> None:
        self.cloud.clock.pass_time(seconds)

    def _note(self, subject: str, *what: str, outcome: str = OK) -> None:
        self._lines.append((self.cloud.clock.moment, subject, what, outcome))


def trace_line(moment: datetime, subject: str, what: tuple[str, ...], outcome: str) -> str:
    """Write a line of a trace."""
    seconds = (moment - START).total_seconds()
    event = f"{seconds:11.3f}  {subject:18} {' '.join(what)}"
    return event + (f": {outcome}" if outcome != OK else "")


class UnexpectedErrors(logging.Handler):
    """Collects errors that the functions caught and logged but did not foresee."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, CloudError):
            self.found.append("".join(traceback.format_exception(error)))


@contextlib.contextmanager
def captured_log() -> Iterator[UnexpectedErrors]:
    """Silence the functions' log and collect the unexpected errors in it."""
    logger = logging.getLogger("aigc")
    level, propagates = logger.level, logger.propagate
    errors = UnexpectedErrors()
    logger.addHandler(errors)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield errors
    finally:
        logger.removeHandler(errors)
        logger.setLevel(level)
        logger.propagate = propagates
