"""The collaborators of one invocation, and its deadline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from aigc.errors import BadRecordError
from aigc.jobs.buckets import STAGING, staging_path
from aigc.tasks.kind import RECORDED, Submission
from aigc.tasks.kinds import KINDS
from aigc.wire import describe_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from aigc.ceilings import Ceiling
    from aigc.jobs.buckets import Buckets
    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger
    from aigc.jobs.ports import Clock, Downloads, Parallel, Sender, TaskService
    from aigc.prices import Prices
    from aigc.settings import Settings
    from aigc.tasks.kind import Task, TaskKind

Remembered = TypeVar("Remembered")
Answer = TypeVar("Answer")

START_S = 3.0
"""Seconds that starting a job needs; if less is left, the next invocation starts it."""


class QueryPacer:
    """Limits how often one instance queries the vendor about the same job."""

    def __init__(self) -> None:
        self._queried_at: dict[str, datetime] = {}

    def may_query(self, job_id: str, now: datetime, interval_s: float) -> bool:
        """Return whether enough time has passed since the last query; if so, note this one."""
        interval = timedelta(seconds=interval_s)
        self._queried_at = {
            known_id: queried_at
            for known_id, queried_at in self._queried_at.items()
            if now - queried_at < interval
        }
        if job_id in self._queried_at:
            return False
        self._queried_at[job_id] = now
        return True


class Memory:
    """The state that an instance keeps between invocations: one object of each class."""

    def __init__(self) -> None:
        self._objects: dict[type, Any] = {}

    def of(self, class_: type[Remembered]) -> Remembered:
        """Return the object of a class; it is made at the first call."""
        if class_ not in self._objects:
            self._objects[class_] = class_()
        remembered: Remembered = self._objects[class_]
        return remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The collaborators of one invocation, and the time that it has."""

    settings: Settings
    ledger: Ledger
    buckets: Buckets
    upstream: TaskService
    downloads: Downloads
    sender: Sender
    report_of: Callable[[Job, Runtime], Mapping[str, Any]]
    """Returns the body of the webhook for a job that has ended."""
    prices: Callable[[], Prices]
    """Reads the table of prices, which few invocations need."""
    ceilings: Callable[[], tuple[Ceiling, ...]]
    """Reads the ceilings; without any, nothing more is read or imported for them."""
    parallel: Parallel
    memory: Memory
    clock: Clock
    ends_at: float
    """When the platform kills this invocation, in seconds of the instance's own clock."""

    def now(self) -> datetime:
        """Return the present moment."""
        return self.clock.now()

    def parallel_in_groups(
        self, requests: Sequence[Callable[[], Answer]], at_once: int
    ) -> list[Answer]:
        """Make requests, `at_once` of them at the same time; return their results in order."""
        return [
            result
            for begin in range(0, len(requests), at_once)
            for result in self.parallel(*requests[begin : begin + at_once])
        ]

    def sleep(self, seconds: float) -> None:
        """Return after a number of seconds."""
        self.clock.sleep(seconds)

    def time_left(self) -> float:
        """Return the seconds until the platform kills this invocation."""
        return self.ends_at - self.clock.own_seconds()

    def has_time(self, seconds: float) -> bool:
        """Whether work of this length ends before the platform kills the invocation."""
        return seconds < self.time_left()

    def may_start(self) -> bool:
        """Whether a job can be started before the platform kills the invocation."""
        return self.has_time(START_S)

    def limited_to(self, seconds: float) -> Runtime:
        """Return this runtime with a deadline in `seconds`, or with its own if that is earlier."""
        return replace(self, ends_at=min(self.ends_at, self.clock.own_seconds() + seconds))

    def kind_of(self, job: Job) -> TaskKind:
        """Return the kind of a job's task.

        Raises:
            BadRecordError: This version knows no such kind.
        """
        if job.kind not in KINDS:
            raise BadRecordError(job.id, f"its kind {job.kind!r} is unknown")
        return KINDS[job.kind]

    def task_of(self, job: Job) -> Task:
        """Parse the task in a job's record.

        Raises:
            BadRecordError: This version knows no such kind, or no task with these parameters.
        """
        try:
            return self.kind_of(job).model.model_validate(job.task, context=RECORDED)
        except ValidationError as error:
            raise BadRecordError(
                job.id, f"its task is not valid: {describe_errors(error)}"
            ) from None

    def submission_of(self, job: Job) -> Submission:
        """Return the values that a job adds to the call that submits its task."""
        return Submission(
            sub_app_id=self.settings.sub_app_id,
            session_id=job.attempt.session_id,
            session_context=job.id,
            input_url=self.buckets.input_url,
            store_bucket=self.settings.results_bucket,
            store_region=self.settings.region,
            store_path=f"{self.settings.results_prefix}{staging_path(job)}",
        )

    @property
    def staging(self) -> str:
        """The staging folder, as a prefix of whole keys."""
        return f"{self.settings.results_prefix}{STAGING}"

    def results_url(self, key: str) -> str:
        """Return the URL by which a task can name an object of the results bucket as an input."""
        return f"cos://{self.settings.results_bucket}/{self.settings.results_prefix}{key}"
