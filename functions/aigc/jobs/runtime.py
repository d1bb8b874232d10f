"""The collaborators of one invocation, and its deadline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from aigc.errors import BadRecordError
from aigc.jobs.ports import one_after_another
from aigc.tasks.kind import RECORDED, Submission
from aigc.wire import faults_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger
    from aigc.jobs.ports import Downloads, Inbox, ObjectStore, Parallel, Sender, TaskService
    from aigc.prices import Prices
    from aigc.settings import Settings
    from aigc.tasks.kind import Task, TaskKind

Remembered = TypeVar("Remembered")

STAGING = ".aigc/mps/"
"""The staging folder of the results bucket; only MPS writes there."""

INPUTS = ".aigc/inputs/"
"""Folder of the results bucket for uploaded inputs; a lifecycle rule empties it."""

INPUT_URL_S = 6 * 3600
"""How long the vendor may fetch an input; a role's temporary key may end it earlier."""


class QueryPacer:
    """Keeps one instance from asking the vendor about the same job too often."""

    def __init__(self, interval_s: float) -> None:
        self._interval = timedelta(seconds=interval_s)
        self._asked: dict[str, datetime] = {}

    def may_ask(self, job_id: str, now: datetime) -> bool:
        """Return whether enough time has passed since the last query; if so, note this one."""
        self._asked = {
            known: asked for known, asked in self._asked.items() if now - asked < self._interval
        }
        if job_id in self._asked:
            return False
        self._asked[job_id] = now
        return True


class Memory:
    """What an instance keeps from one invocation to the next: one object of each class."""

    def __init__(self) -> None:
        self._kept: dict[type, Any] = {}

    def of(self, kept: type[Remembered]) -> Remembered:
        """Return the object of a class; it is made at the first call."""
        if kept not in self._kept:
            self._kept[kept] = kept()
        found: Remembered = self._kept[kept]
        return found


def _packaged_prices() -> Prices:
    from aigc.prices import packaged_prices  # noqa: PLC0415  few invocations need it

    return packaged_prices()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The collaborators of one invocation, and the time that it has."""

    settings: Settings
    ledger: Ledger
    bucket: ObjectStore
    """The ledger's bucket itself, for objects that are not part of a job."""
    kinds: Mapping[str, TaskKind]
    upstream: TaskService
    results: ObjectStore
    inbox: Inbox
    downloads: Downloads
    sender: Sender
    report_of: Callable[[Job, Runtime], Mapping[str, Any]]
    """Returns the body of the webhook for a job that has ended."""
    inputs: Mapping[str, Inbox] = field(default_factory=dict)
    """The buckets that callers may name inputs in; the results bucket is one, below INPUTS."""
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    deadline: datetime
    """When the platform kills this invocation."""
    parallel: Parallel = one_after_another
    """Runs independent requests at the same time; by default, one after another."""
    pacer: QueryPacer = field(default_factory=lambda: QueryPacer(0))
    memory: Memory = field(default_factory=Memory)
    prices: Callable[[], Prices] = _packaged_prices
    """Reads the table of prices, which few invocations need."""

    def has_time(self, seconds: float) -> bool:
        """Whether something that takes this long ends before the deadline."""
        return self.now() + timedelta(seconds=seconds) < self.deadline

    def kind_of(self, job: Job) -> TaskKind:
        """Find the kind of a job's task.

        Raises:
            BadRecordError: This version knows no such kind.
        """
        if job.kind not in self.kinds:
            raise BadRecordError(job.id, f"its kind {job.kind!r} is unknown")
        return self.kinds[job.kind]

    def task_of(self, job: Job) -> Task:
        """Restore a job's task from its record.

        Raises:
            BadRecordError: This version knows no such kind, or no task with these parameters.
        """
        try:
            return self.kind_of(job).model.model_validate(job.task, context=RECORDED)
        except ValidationError as error:
            raise BadRecordError(job.id, f"its task is not valid: {faults_of(error)}") from None

    def submission_of(self, job: Job) -> Submission:
        """Return what a job adds to its task when it is submitted."""
        return Submission(
            sub_app_id=self.settings.sub_app_id,
            session_id=job.attempt.session_id,
            session_context=job.id,
            input_url=self._input_url,
            store_bucket=self.settings.results_bucket,
            store_region=self.settings.region,
            store_path=staging_path(job),
        )

    def _input_url(self, url: str) -> str:
        bucket, key = cos_object(url)
        inputs = {**self.inputs, self.settings.inbox_bucket: self.inbox}
        return inputs[bucket].presigned_url(key, INPUT_URL_S) if bucket in inputs else url


def cos_object(url: str) -> tuple[str, str]:
    """Split `cos://<bucket>/<key>`; the bucket of any other URL is empty."""
    scheme, _, path = url.partition("://")
    bucket, _, key = path.partition("/")
    return (bucket, key) if scheme == "cos" else ("", "")


def staging_path(job: Job) -> str:
    """Return the staging folder of a job's present attempt."""
    return f"{STAGING}{job.id}/{job.attempt.number}/"
