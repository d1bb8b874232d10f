"""Holds what is promised against the local cloud's own books, once everything has ended."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from PIL import Image

from aigc.jobs.job import Job, id_from
from localcloud.cos.errors import CosError
from localcloud.tasks import FINISH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from localcloud.cos.events import ObjectCreated
    from localcloud.tasks import Task
    from ops.local_stack import LocalStack
    from tests.chaos.clients import Heard, Told
    from tests.chaos.plan import Plan, Wish

ACTIONS = {
    "vod.image": "vod.CreateAigcImageTask",
    "vod.scene_image": "vod.CreateSceneAigcImageTask",
    "mps.image": "mps.CreateAigcImageTask",
}
KEPT = ("jobs/", "index/", "usage/", "dead/", "deliveries/", "quota/", "keys/")
"""What the ledger holds when nothing is under way."""

SHAPE_TOLERANCE = 0.02

STORY_LINES = 60

_STAGED = re.compile(r"\.aigc/mps/(?P<job>[^/]+)/")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, and what it must be; a figure without that is only told."""

    what: str
    figure: str
    must_be: str = ""
    is_met: bool = True


@dataclass(slots=True)
class Findings:
    """What an audit found."""

    rows: list[Row] = field(default_factory=list)
    violations: list[tuple[str, str]] = field(default_factory=list)
    """What is wrong, and the job that it is wrong with; empty where it is no job's."""

    def tell(self, what: str, figure: object) -> None:
        """Add a figure that may be whatever it is."""
        self.rows.append(Row(what, str(figure)))

    def none_may(self, what: str, jobs: Iterable[str]) -> None:
        """Count the jobs that something is wrong with: none may be."""
        found = list(jobs)
        self.rows.append(Row(what, str(len(found)), "0", is_met=not found))
        self.violations += [(what, job_id) for job_id in found]

    def at_most(self, what: str, figure: float, limit: float) -> None:
        """Hold a figure against a limit."""
        self._hold(what, f"{figure:g}", f"≤ {limit:g}", is_met=figure <= limit)

    def at_least(self, what: str, share: float, least: float) -> None:
        """Hold a share against what it must reach."""
        self._hold(what, f"{share:.1%}", f"≥ {least:.0%}", is_met=share >= least)

    def _hold(self, what: str, figure: str, must_be: str, *, is_met: bool) -> None:
        self.rows.append(Row(what, figure, must_be, is_met))
        if not is_met:
            self.violations.append((f"{what}: {figure}, must be {must_be}", ""))

    def table(self) -> str:
        """Lay the figures out as Markdown."""
        head = ["| | figure | must be | |", "|---|---|---|---|"]
        verdicts = {True: "ok", False: "**violated**"}
        lines = (
            f"| {one.what} | {one.figure} | {one.must_be} |"
            f" {verdicts[one.is_met] if one.must_be else ''} |"
            for one in self.rows
        )
        return "\n".join([*head, *lines])


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the local cloud has on record."""

    jobs: dict[str, Job]
    uploads: frozenset[str]
    """Ids of the jobs that the uploads to the inbox must have become."""
    given_up: int = 0
    """Events of uploads that the platform gave up, after three tries: never accepted."""
    tasks: dict[str, list[Task]]
    """Id of a job → every task that the vendor took for it."""
    most_at_once: dict[str, int]
    """Action → most unfinished tasks."""
    ledger: list[str]
    """Keys of the ledger's objects."""
    read: Callable[[str, str], bytes]
    """Reads an object of the inbox or of the results; raises CosError where there is none."""

    @classmethod
    def of(cls, stack: LocalStack, uploaded: Iterable[ObjectCreated]) -> Books:
        """Look into a stack's cloud as it is now."""
        cos, buckets = stack.cloud.cos, stack.outputs.buckets
        bucket = cos.bucket(buckets["ledger"])
        with bucket.lock:
            keys = [key.decode() for key in bucket.keys]
        records = (cos.read(bucket.name, key) for key in keys if key.startswith("jobs/"))
        jobs = [Job.model_validate_json(record) for record in records]
        status = requests.get(f"{stack.cloud.url}/_localcloud/scf", timeout=30).json()
        tasks: dict[str, list[Task]] = {}
        for task in [*stack.cloud.tasks.of("vod"), *stack.cloud.tasks.of("mps")]:
            tasks.setdefault(job_of(task), []).append(task)
        return cls(
            jobs={job.id: job for job in jobs},
            uploads=frozenset(
                id_from("upload", one.bucket, one.key, one.request_id) for one in uploaded
            ),
            given_up=status[stack.outputs.functions["upload"]]["dropped"],
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
    def left_over(self) -> list[str]:
        """What the ledger holds only while something is under way."""
        return [key for key in self.ledger if not self._may_stay(key)]

    def _may_stay(self, key: str) -> bool:
        """Whether a key is kept, or is of a creation that died before there was a record."""
        is_creation = key.startswith("creations/")
        return key.startswith(KEPT) or (
            is_creation and f"jobs/{key.split('/')[1]}.json" not in self.ledger
        )

    def billed(self, job_id: str) -> list[Task]:
        """List a job's tasks that are billed: those that made a picture."""
        return [t for t in self.tasks.get(job_id, ()) if t.state == FINISH and t.error is None]


def job_of(task: Task) -> str:
    """Tell whose task it is by what the vendor was sent: VOD's context, MPS's place in COS."""
    path = (task.params.get("StoreCosParam") or {}).get("CosBucketPath", "")
    staged = _STAGED.search(path)
    return staged["job"] if staged else task.session_context


def audit(plan: Plan, books: Books, heard: Heard, told: Told, lanes: Mapping[str, int]) -> Findings:
    """Check every promise."""
    findings = Findings()
    _check_acceptance(findings, plan, books, heard)
    _check_payment(findings, plan, books, heard)
    for kind, limit in lanes.items():
        most = books.most_at_once.get(ACTIONS[kind], 0)
        findings.at_most(f"most tasks at once, {kind}", most, limit)
    _check_pictures(findings, plan, books)
    _check_ledger(findings, books)
    _check_webhooks(findings, books, told)
    return findings


def _check_acceptance(findings: Findings, plan: Plan, books: Books, heard: Heard) -> None:
    called = {request_id for ids in heard.request_ids.values() for request_id in ids}
    calls = sum(not wish.is_upload for wish in plan.wishes)
    findings.tell("uploads", len(books.uploads))
    findings.tell("calls", f"{calls}, {heard.calls} requests by their callers")
    findings.tell("calls whose callers gave up asking", len(heard.given_up))
    findings.tell("jobs in the ledger", len(books.jobs))
    findings.none_may("calls that were refused", map(str, heard.refused.values()))
    findings.none_may(
        "calls with one Idempotency-Key that became several requests",
        (next(iter(ids)) for ids in heard.request_ids.values() if len(ids) > 1),
    )
    findings.none_may("accepted calls without a job", called - books.jobs.keys())
    lost = books.uploads - books.jobs.keys()
    findings.tell("uploads whose events died three times, which is all that SCF tries", len(lost))
    findings.none_may("other uploads without a job", lost if len(lost) > books.given_up else ())
    findings.none_may(
        "jobs that have not ended", (one.id for one in books.jobs.values() if not one.has_ended)
    )
    ends = Counter(job.state for job in books.jobs.values())
    findings.tell("ended", ", ".join(f"{ends[state]} {state}" for state in sorted(ends)))
    errors = Counter(f"{job.error.type} ({job.kind})" for job in books.jobs.values() if job.error)
    if errors:
        findings.tell(
            "errors of those", ", ".join(f"{errors[one]} {one}" for one in sorted(errors))
        )


def _check_payment(findings: Findings, plan: Plan, books: Books, heard: Heard) -> None:
    paid = {job_id: len(books.billed(job_id)) for job_id in {*books.jobs, *books.tasks}}
    findings.tell("tasks that the vendor took", sum(map(len, books.tasks.values())))
    findings.tell("tasks that are billed", sum(paid.values()))
    findings.none_may("jobs billed twice", (one for one, times in paid.items() if times > 1))
    findings.none_may(
        "calls billed twice, told by their prompts", _wishes_billed_twice(plan, books)
    )
    findings.none_may("tasks of no job", books.tasks.keys() - books.jobs.keys())
    succeeded = {one.id for one in books.jobs.values() if one.state == "succeeded"}
    findings.none_may("jobs that succeeded without a bill", (i for i in succeeded if not paid[i]))
    findings.none_may(
        "jobs billed that did not succeed",
        (job_id for job_id, times in paid.items() if times and job_id not in succeeded),
    )
    findings.none_may(
        "requests answered to be cancelled that are not",
        (one for one in heard.cancelled if books.jobs[one].state != "cancelled"),
    )


def _wishes_billed_twice(plan: Plan, books: Books) -> Iterator[str]:
    """Find calls billed twice without trusting our own ids."""
    calls = {wish.prompt for wish in plan.wishes if not wish.is_upload}
    billed = Counter(task.prompt for job_id in books.tasks for task in books.billed(job_id))
    for job_id, tasks in books.tasks.items():
        if tasks[0].prompt in calls and billed[tasks[0].prompt] > 1:
            yield job_id


def _check_pictures(findings: Findings, plan: Plan, books: Books) -> None:
    shapes = {wish.prompt: wish for wish in plan.wishes}
    succeeded = [job for job in books.jobs.values() if job.state == "succeeded"]
    findings.tell("pictures", sum(len(job.pictures) for job in succeeded))
    findings.none_may(
        "results that are missing, unreadable or of another shape",
        (job.id for job in succeeded if not _is_whole(job, books, shapes)),
    )


def _is_whole(job: Job, books: Books, wishes: Mapping[str, Wish]) -> bool:
    """Whether all of a job's pictures are there, and the JSON beside them."""
    tasks = books.tasks.get(job.id, [])
    if not tasks:
        return False
    try:
        books.read("results", f"{job.output_location.prefix}{job.output_location.name}.json")
        sizes = [_size(books.read("results", picture.key)) for picture in job.pictures]
        wanted = _ratio(wishes[tasks[0].prompt], books)
    except (CosError, OSError):
        return False
    is_as_told = sizes == [(picture.width, picture.height) for picture in job.pictures]
    is_as_wanted = all(abs(w / h / wanted - 1) <= SHAPE_TOLERANCE for w, h in sizes)
    return bool(sizes) and is_as_told and is_as_wanted


def _ratio(wish: Wish, books: Books) -> float:
    if wish.shape:
        width, _, height = wish.shape.partition(":")
        return int(width) / int(height)
    width_px, height_px = _size(books.read("inbox", wish.upload_key))
    return width_px / height_px


def _size(content: bytes) -> tuple[int, int]:
    """Decode a picture to its last line."""
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        return picture.width, picture.height


def _check_ledger(findings: Findings, books: Books) -> None:
    indexed = {key.split("-", 2)[1] for key in books.ledger if key.startswith("index/")}
    findings.none_may("jobs that the index lacks", books.jobs.keys() - indexed)
    findings.none_may("objects of the ledger that nothing needs any more", books.left_over)


def _check_webhooks(findings: Findings, books: Books, told: Told) -> None:
    wanted = {job.id for job in books.jobs.values() if job.webhook_url}
    findings.tell("webhooks wanted", len(wanted))
    findings.tell("webhooks that the receiver refused at first", told.refused)
    findings.tell(
        "webhooks delivered again", sum(max(0, len(ids) - 1) for ids in told.messages.values())
    )
    findings.none_may(
        "webhooks that were not delivered", (one for one in wanted if not told.messages.get(one))
    )
    findings.none_may(
        "webhooks delivered under several ids",
        (one for one, ids in told.messages.items() if len(set(ids)) > 1),
    )
    findings.none_may("webhooks that were not signed", told.unsigned)


def story(job_id: str, books: Books, log: Path) -> str:
    """Tell everything that is known of a job: record, tasks, objects, log."""
    job = books.jobs.get(job_id)
    told = [f"record: {job.model_dump_json(exclude_none=True) if job else 'none'}"]
    told += [f"task: {json.dumps(_shown(task))}" for task in books.tasks.get(job_id, ())]
    told += [f"ledger: {key}" for key in books.ledger if job_id in key]
    with log.open() as lines:
        told += [f"log: {line.rstrip()}" for line in lines if job_id in line][-STORY_LINES:]
    return "\n".join(f"  {line}" for line in told)


def _shown(task: Task) -> dict[str, Any]:
    names = ("task_id", "session_id", "state", "created_at", "started_at", "finished_at")
    return {**{name: getattr(task, name) for name in names}, "error": str(task.error or "")}
