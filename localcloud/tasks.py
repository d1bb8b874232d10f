"""The life of a paid task, the same for VOD and MPS: accepted, waiting, at work, finished."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from localcloud.core import ApiError
from localcloud.faults import argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.journal import Journal

logger = logging.getLogger(__name__)

WAITING = "WAITING"
PROCESSING = "PROCESSING"
FINISH = "FINISH"
ABORTED = "ABORTED"

WAITING_S = 1.0
DAY_S = 86_400
SESSION_S = 7 * DAY_S  # the API's answer says seven days, its request three; the longer is safe

# How many run at once, by default, before more are accepted in vain. VOD's figure is documented;
# that of MPS is not, and ours is what the MPS lane allows by default.
LIMITS = {
    "vod.CreateAigcImageTask": 1,
    "vod.CreateSceneAigcImageTask": 1,
    "mps.CreateAigcImageTask": 4,
}

TASK_FAILED = 70000
SOURCE_FAILED = 60000
_MESSAGES = {
    "RequestLimitExceeded": "GenerateImage task reached the maximum concurrency",
    "InvalidParameter.VoilationContent": "Input Prompt violates policy",
    "ContentModerationFailed": "the request was blocked by the moderation system",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed: ErrCode, ErrCodeExt and Message."""

    code: int
    ext: str
    message: str


class TaskFailedError(Exception):
    """The work on a task comes to nothing."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True, kw_only=True)
class Task:
    """One task that was accepted, and would be paid if it succeeds."""

    service: str
    action: str
    task_id: str
    params: dict[str, Any]
    prompt: str
    sub_app_id: int = 0
    session_id: str = ""
    session_context: str = ""
    state: str = WAITING
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    overflows: bool = False
    """Accepted over the limit: it will fail, and takes nobody else's place."""
    doom: Failure | None = None
    """How it is going to fail, known when it was accepted."""
    mark: str = ""
    """Metadata that its pictures carry, one of `localcloud.marks`."""
    error: Failure | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def where(self) -> str:
        """`vod.CreateAigcImageTask`: what limits and faults are counted by."""
        return f"{self.service}.{self.action}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {FINISH, ABORTED}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Task:
        """Read what a journal holds."""
        failures = {
            name: None if value[name] is None else Failure(**value[name])
            for name in ("doom", "error")
        }
        return cls(**{**value, **failures})


class Worker(Protocol):
    """The service that a task belongs to."""

    def produce(self, task: Task) -> list[dict[str, Any]]:
        """Do the work and return the results.

        Raises:
            TaskFailedError: It cannot be done.
        """

    def has_finished(self, task: Task) -> None:
        """Hear that a task has ended."""


class TaskBook:
    """Every task that was ever accepted."""

    def __init__(
        self, journal: Journal, clock: Clock, faults: Faults, limits: Mapping[str, int]
    ) -> None:
        self.limits = {**LIMITS, **limits}
        self._journal = journal
        self._clock = clock
        self._faults = faults
        self._workers: dict[str, Worker] = {}
        self._tasks = {name: Task.of_json(value) for name, value in journal.found.items()}
        self._sessions = {_session(t): t.created_at for t in self._tasks.values() if t.session_id}
        self._active: dict[str, set[str]] = {}
        self._most_at_once: dict[str, int] = {}
        self._lock = threading.Lock()

    def register(self, service: str, worker: Worker) -> None:
        """Name who works on a service's tasks, and go on with those that a restart interrupted."""
        self._workers[service] = worker
        for task in self._tasks.values():
            if task.service == service and not task.has_ended:
                self._count(task)
                self._schedule(task)

    def accept(self, task: Task) -> None:
        """Take a task on; it runs from here by itself.

        Raises:
            ApiError: Its session was seen before.
        """
        with self._lock:
            self._refuse_repeat(task)
            task.created_at = self._clock.now()
            self._foresee(task)
            self._count(task)
            self._tasks[task.task_id] = task
            if task.session_id:
                self._sessions[_session(task)] = task.created_at
        self._note(task)
        self._schedule(task)

    def find(self, service: str, task_id: str) -> Task | None:
        """Look a task up."""
        task = self._tasks.get(task_id)
        return task if task is not None and task.service == service else None

    def of(self, service: str) -> list[Task]:
        """List a service's tasks, oldest first."""
        return [task for task in list(self._tasks.values()) if task.service == service]

    def abort(self, task: Task) -> bool:
        """End a task that still waits; say whether it did."""
        with self._lock:
            if task.state != WAITING:
                return False
            self._end(task, ABORTED)
        self._note(task)
        self._workers[task.service].has_finished(task)
        return True

    def report(self) -> dict[str, Any]:
        """Say what was accepted, and how many of each kind were unfinished at once at most."""
        with self._lock:
            tasks = [_reported(task) for task in self._tasks.values()]
            return {"tasks": tasks, "most_at_once": dict(self._most_at_once)}

    def _refuse_repeat(self, task: Task) -> None:
        if not task.session_id:
            return
        seen = self._sessions.get(_session(task))
        if seen is not None and self._clock.now() - seen < SESSION_S:
            raise ApiError(
                "InvalidParameterValue.SessionId",
                "The deduplication ID already exists. The request is removed due to duplication.",
            )

    def _foresee(self, task: Task) -> None:
        """Decide at acceptance what the cloud would find out later."""
        active = (self._tasks[task_id] for task_id in self._active.get(task.where, ()))
        running = sum(not other.overflows for other in active)
        fault = self._faults.take(task.where, "task_failure")
        task.mark = argument(self._faults.take(task.where, "picture") or "")
        if running >= self.limits[task.where]:
            task.overflows = True
            task.doom = _upstream_failure(task, "RequestLimitExceeded")
        elif fault is not None:
            task.doom = _upstream_failure(task, argument(fault))

    def _count(self, task: Task) -> None:
        active = self._active.setdefault(task.where, set())
        active.add(task.task_id)
        self._most_at_once[task.where] = max(self._most_at_once.get(task.where, 0), len(active))

    def _schedule(self, task: Task) -> None:
        self._clock.after(WAITING_S, lambda: self._start(task))

    def _start(self, task: Task) -> None:
        with self._lock:
            if task.has_ended:
                return
            task.state = PROCESSING
            task.started_at = self._clock.now()
        self._note(task)
        self._clock.after(_duration(task), lambda: self._finish(task))

    def _finish(self, task: Task) -> None:
        try:
            task.results = self._work(task)
        except TaskFailedError as error:
            task.error = error.failure
        with self._lock:
            self._end(task, FINISH)
        self._note(task)
        self._workers[task.service].has_finished(task)

    def _work(self, task: Task) -> list[dict[str, Any]]:
        if task.doom is not None:
            raise TaskFailedError(task.doom)
        try:
            return self._workers[task.service].produce(task)
        except TaskFailedError:
            raise
        except Exception as error:  # a task must end even where this cloud is at fault
            logger.exception("the work on %s failed", task.task_id)
            failure = Failure(TASK_FAILED, "InternalError", f"the local cloud failed: {error}")
            raise TaskFailedError(failure) from error

    def _end(self, task: Task, state: str) -> None:
        task.state = state
        task.finished_at = self._clock.now()
        self._active[task.where].discard(task.task_id)

    def _note(self, task: Task) -> None:
        self._journal.write(task.task_id, asdict(task))


def _upstream_failure(task: Task, ext: str) -> Failure:
    words = _MESSAGES.get(ext, "the model could not produce a picture")
    return Failure(TASK_FAILED, ext, f"{task.action} process return rsp err:{{{ext} {words}}}")


def _duration(task: Task) -> float:
    """8 to 20 seconds, the same for the same prompt; in vain it is over sooner."""
    if task.overflows:
        return 1.0
    digest = hashlib.sha256(task.prompt.encode()).digest()
    return 8 + int.from_bytes(digest[:2], "big") / 0xFFFF * 12


def _session(task: Task) -> tuple[str, int, str]:
    return task.service, task.sub_app_id, task.session_id


def _reported(task: Task) -> dict[str, Any]:
    names = (
        "service",
        "action",
        "task_id",
        "session_id",
        "session_context",
        "state",
        "prompt",
        "created_at",
        "started_at",
        "finished_at",
    )
    error = None if task.error is None else asdict(task.error)
    return {**{name: getattr(task, name) for name in names}, "error": error}
