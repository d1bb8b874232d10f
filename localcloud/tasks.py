"""The vendor's tasks of VOD and MPS, which are billed: their states, limits and failures."""

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
SESSION_S = 7 * DAY_S  # documented for the response; three days for the request

# The default concurrency limits. A task above the limit is accepted and fails. VOD's limit is
# documented. MPS's limit is not; this value is the default of the MPS lane.
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

# Fields in the journals of earlier versions.
_FORMER_NAMES = {"overflows": "exceeds_limit", "doom": "planned_failure"}


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a task: ErrCode, ErrCodeExt and Message."""

    code: int
    ext: str
    message: str


class TaskFailedError(Exception):
    """The work on a task failed; `failure` is the reason."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True, kw_only=True)
class Task:
    """An accepted task, which is billed if it succeeds."""

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
    exceeds_limit: bool = False
    """Whether the task was above the limit; it will fail, and does not count towards the limit."""
    planned_failure: Failure | None = None
    """The failure with which the task will end; it is decided when the task is accepted."""
    mark: str = ""
    """The metadata in its images, one of `localcloud.marks`."""
    error: Failure | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def qualified_action(self) -> str:
        """The key of limits and faults, such as `vod.CreateAigcImageTask`."""
        return f"{self.service}.{self.action}"

    @property
    def has_ended(self) -> bool:
        """Whether the task is finished or aborted."""
        return self.state in {FINISH, ABORTED}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Task:
        """Build a task from a journal entry."""
        fields = {_FORMER_NAMES.get(name, name): field for name, field in value.items()}
        failures = {
            name: None if fields[name] is None else Failure(**fields[name])
            for name in ("planned_failure", "error")
        }
        return cls(**{**fields, **failures})


class Worker(Protocol):
    """The service that executes a task."""

    def produce(self, task: Task) -> list[dict[str, Any]]:
        """Do the work of a task and return its results.

        Raises:
            TaskFailedError: The task fails.
        """

    def notify_end(self, task: Task) -> None:
        """Send the service's event about a task that has ended."""


class Tasks:
    """All accepted tasks of VOD and MPS."""

    def __init__(
        self, journal: Journal, clock: Clock, faults: Faults, limits: Mapping[str, int]
    ) -> None:
        self.limits = {**LIMITS, **limits}
        self._journal = journal
        self._clock = clock
        self._faults = faults
        self._workers: dict[str, Worker] = {}
        self._tasks = {name: Task.of_json(value) for name, value in journal.entries.items()}
        self._sessions = {
            _session_key(task): task.created_at for task in self._tasks.values() if task.session_id
        }
        self._active: dict[str, set[str]] = {}
        self._most_at_once: dict[str, int] = {}
        self._lock = threading.Lock()

    def register(self, service: str, worker: Worker) -> None:
        """Set the worker of a service, and resume the tasks that a restart interrupted."""
        self._workers[service] = worker
        for task in self._tasks.values():
            if task.service == service and not task.has_ended:
                self._count_active(task)
                self._schedule(task)

    def accept(self, task: Task) -> None:
        """Accept a task and schedule it.

        Raises:
            ApiError: Its SessionId was used before.
        """
        with self._lock:
            self._check_session(task)
            task.created_at = self._clock.now()
            self._decide_failure(task)
            self._count_active(task)
            self._tasks[task.task_id] = task
            if task.session_id:
                self._sessions[_session_key(task)] = task.created_at
        self._save(task)
        self._schedule(task)

    def find(self, service: str, task_id: str) -> Task | None:
        """Return the task with this id; None if the service does not have it."""
        task = self._tasks.get(task_id)
        return task if task is not None and task.service == service else None

    def of(self, service: str) -> list[Task]:
        """Return a service's tasks, oldest first."""
        return [task for task in list(self._tasks.values()) if task.service == service]

    def abort(self, task: Task) -> bool:
        """Abort a waiting task; return whether it was aborted."""
        with self._lock:
            if task.state != WAITING:
                return False
            self._end(task, ABORTED)
        self._save(task)
        self._workers[task.service].notify_end(task)
        return True

    def report(self) -> dict[str, Any]:
        """Return all tasks, and the maximum number of concurrent tasks of each action."""
        with self._lock:
            tasks = [_report(task) for task in self._tasks.values()]
            return {"tasks": tasks, "most_at_once": dict(self._most_at_once)}

    def _check_session(self, task: Task) -> None:
        if not task.session_id:
            return
        used_at = self._sessions.get(_session_key(task))
        if used_at is not None and self._clock.now() - used_at < SESSION_S:
            raise ApiError(
                "InvalidParameterValue.SessionId",
                "The deduplication ID already exists. The request is removed due to duplication.",
            )

    def _decide_failure(self, task: Task) -> None:
        """Decide whether a new task will fail; the cloud decides this later."""
        active = (self._tasks[task_id] for task_id in self._active.get(task.qualified_action, ()))
        running = sum(not other.exceeds_limit for other in active)
        fault = self._faults.take(task.qualified_action, "task_failure")
        task.mark = argument(self._faults.take(task.qualified_action, "image") or "")
        if running >= self.limits[task.qualified_action]:
            task.exceeds_limit = True
            task.planned_failure = _upstream_failure(task, "RequestLimitExceeded")
        elif fault is not None:
            task.planned_failure = _upstream_failure(task, argument(fault))

    def _count_active(self, task: Task) -> None:
        active = self._active.setdefault(task.qualified_action, set())
        active.add(task.task_id)
        self._most_at_once[task.qualified_action] = max(
            self._most_at_once.get(task.qualified_action, 0), len(active)
        )

    def _schedule(self, task: Task) -> None:
        self._clock.after(WAITING_S, lambda: self._start(task))

    def _start(self, task: Task) -> None:
        with self._lock:
            if task.has_ended:
                return
            task.state = PROCESSING
            task.started_at = self._clock.now()
        self._save(task)
        self._clock.after(_duration(task), lambda: self._finish(task))

    def _finish(self, task: Task) -> None:
        try:
            task.results = self._work(task)
        except TaskFailedError as error:
            task.error = error.failure
        with self._lock:
            self._end(task, FINISH)
        self._save(task)
        self._workers[task.service].notify_end(task)

    def _work(self, task: Task) -> list[dict[str, Any]]:
        if task.planned_failure is not None:
            raise TaskFailedError(task.planned_failure)
        try:
            return self._workers[task.service].produce(task)
        except TaskFailedError:
            raise
        except Exception as error:  # the task must end even after a defect of the local cloud
            logger.exception("the work on %s failed", task.task_id)
            failure = Failure(TASK_FAILED, "InternalError", f"the local cloud failed: {error}")
            raise TaskFailedError(failure) from error

    def _end(self, task: Task, state: str) -> None:
        task.state = state
        task.finished_at = self._clock.now()
        self._active[task.qualified_action].discard(task.task_id)

    def _save(self, task: Task) -> None:
        self._journal.write(task.task_id, asdict(task))


def _upstream_failure(task: Task, ext: str) -> Failure:
    message = _MESSAGES.get(ext, "the model could not produce an image")
    return Failure(TASK_FAILED, ext, f"{task.action} process return rsp err:{{{ext} {message}}}")


def _duration(task: Task) -> float:
    """Return the duration of the work in seconds: 8 to 20, by the prompt; 1 above the limit."""
    if task.exceeds_limit:
        return 1.0
    digest = hashlib.sha256(task.prompt.encode()).digest()
    return 8 + int.from_bytes(digest[:2], "big") / 0xFFFF * 12


def _session_key(task: Task) -> tuple[str, int, str]:
    return task.service, task.sub_app_id, task.session_id


def _report(task: Task) -> dict[str, Any]:
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
