"""Checks the promises against the local cloud's own records, after all jobs have ended."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from PIL import Image

from aigc.cloud.error_codes import class_of
from aigc.errors import AccountError
from aigc.jobs.job import Job
from aigc.jobs.ledger.images import IMAGES, image_sets
from localcloud.cos.errors import CosError
from localcloud.tasks import FINISH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from aigc_cli.local_stack import LocalStack
    from localcloud.tasks import Task
    from tests.chaos.clients import CallerLog, WebhookLog
    from tests.chaos.plan import Plan, PlannedJob

ACTIONS = {
    "vod.image": "vod.CreateAigcImageTask",
    "vod.scene_image": "vod.CreateSceneAigcImageTask",
    "mps.image": "mps.CreateAigcImageTask",
}
KEPT = (
    "jobs/",
    "index/",
    "images/",
    "usage/",
    "dead/",
    "deliveries/",
    "quota/",
    "keys/",
    "uploads/",
    "inbox/",
    "sweep/",
)
"""Prefixes of the keys that the ledger keeps when no job is active."""

SHAPE_TOLERANCE = 0.02

LOG_LINES = 60

_STAGED = re.compile(r"\.aigc/mps/(?P<job>[^/]+)/")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its target; without a target the figure is only reported."""

    what: str
    figure: str
    must_be: str = ""
    is_met: bool = True


@dataclass(slots=True)
class Findings:
    """The result of an audit."""

    rows: list[Row] = field(default_factory=list)
    violations: list[tuple[str, str]] = field(default_factory=list)
    """Each violation and the id of its job; the id is empty if it concerns no single job."""

    def report(self, what: str, figure: object) -> None:
        """Add a figure without a target."""
        self.rows.append(Row(what, str(figure)))

    def expect_none(self, what: str, jobs: Iterable[str]) -> None:
        """Add the number of violating jobs; the target is 0."""
        violating = list(jobs)
        self.rows.append(Row(what, str(len(violating)), "0", is_met=not violating))
        self.violations += [(what, job_id) for job_id in violating]

    def at_most(self, what: str, figure: float, limit: float) -> None:
        """Add a figure with an upper limit."""
        self._compare(what, f"{figure:g}", f"≤ {limit:g}", is_met=figure <= limit)

    def at_least(self, what: str, share: float, least: float) -> None:
        """Add a share with a lower limit."""
        self._compare(what, f"{share:.1%}", f"≥ {least:.0%}", is_met=share >= least)

    def _compare(self, what: str, figure: str, must_be: str, *, is_met: bool) -> None:
        self.rows.append(Row(what, figure, must_be, is_met))
        if not is_met:
            self.violations.append((f"{what}: {figure}, must be {must_be}", ""))

    def table(self) -> str:
        """Format the figures as a Markdown table."""
        head = ["| | figure | must be | |", "|---|---|---|---|"]
        mappings = {True: "ok", False: "**violated**"}
        lines = (
            f"| {row.what} | {row.figure} | {row.must_be} |"
            f" {mappings[row.is_met] if row.must_be else ''} |"
            for row in self.rows
        )
        return "\n".join([*head, *lines])


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The local cloud's own records of a run."""

    jobs: dict[str, Job]
    uploads: frozenset[str]
    """Keys of the uploads in the inbox."""
    dropped_events: int = 0
    """The number of upload events that SCF dropped after three tries."""
    tasks: dict[str, list[Task]]
    """Id of a job → every task that the vendor accepted for it."""
    most_at_once: dict[str, int]
    """Action → the highest number of unfinished tasks at the same time."""
    ledger: list[str]
    """Keys of the ledger's objects."""
    read: Callable[[str, str], bytes]
    """Reads an object of the inbox or of the results; raises CosError if it does not exist."""

    @classmethod
    def of(cls, stack: LocalStack) -> Books:
        """Read the current records of a stack's cloud."""
        cos, buckets = stack.cloud.cos, stack.outputs.buckets
        keys = _keys(stack, "ledger")
        records = (cos.read(buckets["ledger"], key) for key in keys if key.startswith("jobs/"))
        jobs = [Job.model_validate_json(record) for record in records]
        status = requests.get(f"{stack.cloud.url}/_localcloud/scf", timeout=30).json()
        tasks: dict[str, list[Task]] = {}
        for task in [*stack.cloud.tasks.of("vod"), *stack.cloud.tasks.of("mps")]:
            tasks.setdefault(job_of(task), []).append(task)
        return cls(
            jobs={job.id: job for job in jobs},
            uploads=frozenset(_keys(stack, "inbox")),
            dropped_events=status[stack.outputs.functions["upload"]]["dropped"],
            tasks=tasks,
            most_at_once=stack.cloud.tasks.report()["most_at_once"],
            ledger=keys,
            read=lambda role, key: cos.read(buckets[role], key),
        )

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return sum(job.has_ended for job in self.jobs.values())

    @property
    def lost_uploads(self) -> frozenset[str]:
        """Keys of the uploads that have no job."""
        return self.uploads - self._upload_jobs.keys()

    @property
    def repeated_uploads(self) -> list[str]:
        """Ids of the jobs of uploads that have several."""
        return [job_id for ids in self._upload_jobs.values() if len(ids) > 1 for job_id in ids]

    @property
    def _upload_jobs(self) -> dict[str, list[str]]:
        jobs: dict[str, list[str]] = {}
        for job in self.jobs.values():
            if job.source.type == "upload":
                jobs.setdefault(job.source.key, []).append(job.id)
        return jobs

    @property
    def left_over(self) -> list[str]:
        """Keys that the ledger may hold only while a job is active."""
        return [key for key in self.ledger if not self._may_stay(key)]

    def _may_stay(self, key: str) -> bool:
        """Whether a key is kept, or belongs to a creation that ended before it wrote a record."""
        if key.startswith("lanes/") and key.endswith("/pause"):
            return True  # until the next job of the lane
        is_creation = key.startswith("creations/")
        return key.startswith(KEPT) or (
            is_creation and f"jobs/{key.split('/')[1]}.json" not in self.ledger
        )

    def billed(self, job_id: str) -> list[Task]:
        """Return a job's billed tasks: those that made an image."""
        return [t for t in self.tasks.get(job_id, ()) if t.state == FINISH and t.error is None]


def _keys(stack: LocalStack, role: str) -> list[str]:
    bucket = stack.cloud.cos.bucket(stack.outputs.buckets[role])
    with bucket.lock:
        return [key.decode() for key in bucket.keys]


def job_of(task: Task) -> str:
    """Return the id of a task's job, from VOD's session context or MPS's path in COS."""
    path = (task.params.get("StoreCosParam") or {}).get("CosBucketPath", "")
    staged = _STAGED.search(path)
    return staged["job"] if staged else task.session_context


def audit(
    plan: Plan, books: Books, callers: CallerLog, webhooks: WebhookLog, lanes: Mapping[str, int]
) -> Findings:
    """Check every promise; return the figures and the violations."""
    findings = Findings()
    _check_acceptance(findings, plan, books, callers)
    _check_payment(findings, plan, books, callers)
    for kind, limit in lanes.items():
        most = books.most_at_once.get(ACTIONS[kind], 0)
        findings.at_most(f"most tasks at once, {kind}", most, limit)
    _check_images(findings, plan, books)
    _check_ledger(findings, books)
    _check_webhooks(findings, books, webhooks)
    return findings


def _check_acceptance(findings: Findings, plan: Plan, books: Books, callers: CallerLog) -> None:
    called = {request_id for ids in callers.request_ids.values() for request_id in ids}
    calls = sum(not planned.is_upload for planned in plan.jobs)
    findings.report("uploads", len(books.uploads))
    findings.report("calls", f"{calls}, {callers.calls} requests by their callers")
    findings.report("calls whose callers gave up asking", len(callers.unanswered))
    findings.report("jobs in the ledger", len(books.jobs))
    findings.expect_none("calls that were refused", map(str, callers.refused.values()))
    findings.expect_none(
        "calls with one Idempotency-Key that became several requests",
        (next(iter(ids)) for ids in callers.request_ids.values() if len(ids) > 1),
    )
    findings.expect_none("accepted calls without a job", called - books.jobs.keys())
    findings.report("upload events that SCF gave up after three tries", books.dropped_events)
    findings.expect_none("uploads without a job", books.lost_uploads)
    findings.expect_none("uploads with several jobs", books.repeated_uploads)
    findings.expect_none(
        "jobs that have not ended", (job.id for job in books.jobs.values() if not job.has_ended)
    )
    ends = Counter(job.state for job in books.jobs.values())
    findings.report("ended", ", ".join(f"{ends[state]} {state}" for state in sorted(ends)))
    findings.expect_none(
        "jobs that failed since the account was refused",
        (job.id for job in books.jobs.values() if _failed_for_the_account(job)),
    )
    errors = Counter(f"{job.error.type} ({job.kind})" for job in books.jobs.values() if job.error)
    if errors:
        findings.report(
            "errors of those", ", ".join(f"{errors[name]} {name}" for name in sorted(errors))
        )


def _failed_for_the_account(job: Job) -> bool:
    code = job.error.code if job.state == "failed" and job.error else ""
    return bool(code) and class_of(code) is AccountError


def _check_payment(findings: Findings, plan: Plan, books: Books, callers: CallerLog) -> None:
    paid = {job_id: len(books.billed(job_id)) for job_id in {*books.jobs, *books.tasks}}
    findings.report("tasks that the vendor took", sum(map(len, books.tasks.values())))
    findings.report("tasks that are billed", sum(paid.values()))
    findings.expect_none(
        "jobs billed twice", (job_id for job_id, times in paid.items() if times > 1)
    )
    findings.expect_none("calls billed twice, by their prompts", _calls_billed_twice(plan, books))
    findings.expect_none("tasks of no job", books.tasks.keys() - books.jobs.keys())
    succeeded = {job.id for job in books.jobs.values() if job.state == "succeeded"}
    findings.expect_none(
        "jobs that succeeded without a bill", (i for i in succeeded if not paid[i])
    )
    findings.expect_none(
        "jobs billed that did not succeed",
        (job_id for job_id, times in paid.items() if times and job_id not in succeeded),
    )
    findings.expect_none(
        "requests answered to be cancelled that are not",
        (job_id for job_id in callers.cancelled if books.jobs[job_id].state != "cancelled"),
    )


def _calls_billed_twice(plan: Plan, books: Books) -> Iterator[str]:
    """Find calls that were billed twice, by their prompts instead of our own ids."""
    calls = {planned.prompt for planned in plan.jobs if not planned.is_upload}
    billed = Counter(task.prompt for job_id in books.tasks for task in books.billed(job_id))
    for job_id, tasks in books.tasks.items():
        if tasks[0].prompt in calls and billed[tasks[0].prompt] > 1:
            yield job_id


def _check_images(findings: Findings, plan: Plan, books: Books) -> None:
    planned_jobs = {planned.prompt: planned for planned in plan.jobs}
    succeeded = [job for job in books.jobs.values() if job.state == "succeeded"]
    findings.report("images", sum(len(job.images) for job in succeeded))
    findings.expect_none(
        "results that are missing, unreadable or of another shape",
        (job.id for job in succeeded if not _is_whole(job, books, planned_jobs)),
    )


def _is_whole(job: Job, books: Books, planned_jobs: Mapping[str, PlannedJob]) -> bool:
    """Whether a job's images and JSON file exist, with the recorded and the requested size."""
    tasks = books.tasks.get(job.id, [])
    if not tasks:
        return False
    try:
        books.read("results", f"{job.output_location.prefix}{job.output_location.name}.json")
        sizes = [_size(books.read("results", image.key)) for image in job.images]
        wanted = _ratio(planned_jobs[tasks[0].prompt], books)
    except (CosError, OSError):
        return False
    is_as_recorded = sizes == [(image.width, image.height) for image in job.images]
    is_as_requested = all(abs(w / h / wanted - 1) <= SHAPE_TOLERANCE for w, h in sizes)
    return bool(sizes) and is_as_recorded and is_as_requested


def _ratio(planned: PlannedJob, books: Books) -> float:
    if planned.shape:
        width, _, height = planned.shape.partition(":")
        return int(width) / int(height)
    width_px, height_px = _size(books.read("inbox", planned.upload_key))
    return width_px / height_px


def _size(content: bytes) -> tuple[int, int]:
    """Decode a whole image; return its size."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.width, image.height


def _check_ledger(findings: Findings, books: Books) -> None:
    indexed = {key.split("-", 2)[1] for key in books.ledger if key.startswith("index/")}
    findings.expect_none("jobs that the index lacks", books.jobs.keys() - indexed)
    listed = Counter(
        entry.job_id
        for entry in image_sets(key for key in books.ledger if key.startswith(IMAGES))
        if entry.job_id in books.jobs and entry.is_of(books.jobs[entry.job_id])
    )
    succeeded = [job.id for job in books.jobs.values() if job.state == "succeeded"]
    findings.expect_none(
        "jobs whose images are not listed once",
        [job_id for job_id in succeeded if listed[job_id] != 1],
    )
    findings.expect_none("objects of the ledger that nothing needs any more", books.left_over)


def _check_webhooks(findings: Findings, books: Books, webhooks: WebhookLog) -> None:
    wanted = {job.id for job in books.jobs.values() if job.webhook_url}
    findings.report("webhooks wanted", len(wanted))
    findings.report("webhooks that the receiver refused at first", webhooks.refused)
    findings.report(
        "webhooks delivered again", sum(max(0, len(ids) - 1) for ids in webhooks.messages.values())
    )
    findings.expect_none(
        "webhooks that were not delivered",
        (job_id for job_id in wanted if not webhooks.messages.get(job_id)),
    )
    findings.expect_none(
        "webhooks delivered under several ids",
        (job_id for job_id, ids in webhooks.messages.items() if len(set(ids)) > 1),
    )
    findings.expect_none("webhooks that were not signed", webhooks.unsigned)


def job_details(job_id: str, books: Books, log: Path) -> str:
    """Return everything that is known about a job: record, tasks, ledger keys, log lines."""
    job = books.jobs.get(job_id)
    details = [f"record: {job.model_dump_json(exclude_none=True) if job else 'none'}"]
    details += [f"task: {json.dumps(_task_fields(task))}" for task in books.tasks.get(job_id, ())]
    details += [f"ledger: {key}" for key in books.ledger if job_id in key]
    with log.open() as lines:
        details += [f"log: {line.rstrip()}" for line in lines if job_id in line][-LOG_LINES:]
    return "\n".join(f"  {line}" for line in details)


def _task_fields(task: Task) -> dict[str, Any]:
    names = ("task_id", "session_id", "state", "created_at", "started_at", "finished_at")
    return {**{name: getattr(task, name) for name in names}, "error": str(task.error or "")}
