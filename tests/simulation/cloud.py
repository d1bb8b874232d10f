"""The cloud of a simulation: COS, VOD, MPS and a webhook receiver in memory.

Each write and each task is checked as it happens; `checks.py` has what must hold at the end.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from aigc.bootstrap import Adapters, assemble
from aigc.ceilings import Ceiling
from aigc.errors import CloudError, RefusedError, ThrottledError
from aigc.jobs.clock import LedgerClock
from aigc.jobs.job import ENDED, FORMAT, Job
from aigc.jobs.ports import Reply
from aigc.jobs.runtime import Memory, Runtime
from aigc.uploads.rules import DeployedRules, Rules
from tests.fakes import START, InMemoryStore, ManualClock, build_settings
from tests.simulation.storage import Bucket, StorePort
from tests.simulation.vendor import IMAGE, Task, Vendor
from tests.simulation.workers import READ_FAULTS, SUBMISSION_FAULTS, WRITE_FAULTS, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aigc.settings import Settings
    from aigc.tasks.kind import ApiCall
    from tests.simulation.workers import Worker

TIMEOUT_S = 60
"""How long an invocation may take; less than the lease."""
CLOCKS_S = 5
"""How far the clocks of two invocations may be apart."""
CLOCK_JUMPS_AFTER_S = 0.5
"""Seconds after which the wall clock of a worker jumps, if it is wrong."""
VENDOR = "vendor/"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()

NO_RULES = Rules()

T = TypeVar("T")


class Cloud:
    """Everything outside the functions, and the promises that were broken there."""

    def __init__(self, lanes: Mapping[str, int], rules: Rules = NO_RULES) -> None:
        self.clock = ManualClock()
        self.ledger = Bucket(self.clock, "ledger-1250000000")
        self.results = Bucket(self.clock, "results-1250000000")
        self.inbox = Bucket(self.clock, "inbox-1250000000")
        self.rules = rules
        self.vendor = Vendor(self.results, self.clock)
        self.settings = _settings(tuple(sorted(lanes.items())))
        self.problems: list[str] = []
        self.callbacks: dict[str, datetime] = {}
        """When the first callback of a task was handled without an error."""
        self.webhooks: list[tuple[str, str, str]] = []
        """Webhooks that arrived: job, message id, state of the job."""
        self.notices: list[str] = []
        """The texts that a chat robot took."""
        self.ceilings: tuple[Ceiling, ...] = ()
        self.on_created: Callable[[Task], object] = lambda _: None
        self.results_denied = False
        """Whether the functions may not use the results bucket; MPS may."""

    def runtime(self, worker: Worker) -> Runtime:
        """Return the runtime of one invocation."""
        return _runtime(self, worker)

    def limit(self, images: int) -> None:
        """Let all jobs together make so many images a day and a month."""
        self.ceilings = tuple(
            Ceiling(scope="stack", period=period, images=images) for period in ("day", "month")
        )

    def digest(self) -> int:
        """Return a digest of everything outside the functions."""
        return hash(
            (
                self.ledger.digest,
                self.results.digest,
                self.inbox.digest,
                tuple(sorted(self.ledger.missed)),
                self.vendor.state(),
                self.clock.moment,
                frozenset(self.callbacks.items()),
                frozenset(self.webhooks),
                self.ceilings,
            )
        )

    def digest_of_earlier(self) -> int:
        """Return a digest of what late listings may show."""
        buckets = (self.ledger, self.results, self.inbox)
        return hash(tuple(bucket.digest_of_earlier() for bucket in buckets))

    def tasks(self) -> list[Task]:
        """Return all tasks that the vendor ever accepted."""
        return [task for task in self.vendor.tasks if isinstance(task, Task)]

    def jobs(self) -> list[Job]:
        """Return all records."""
        return [
            Job.model_validate_json(body)
            for key, (body, _) in self.ledger.objects.items()
            if key.startswith("jobs/")
        ]

    def records(self) -> list[dict[str, Any]]:
        """Return all records as they are stored."""
        stored = self.ledger.objects.items()
        return [_parsed(body) for key, (body, _) in stored if key.startswith("jobs/")]

    def record(self, job_id: str) -> dict[str, Any] | None:
        """Return a record as it is stored."""
        stored = self.ledger.objects.get(f"jobs/{job_id}.json")
        return None if stored is None else _parsed(stored[0])

    def had_ended(self, job_id: str) -> bool:
        """Whether a job has ended, or had before a replay."""
        record = self.record(job_id)
        if record is None:
            return False
        has_another_life = record.get("spent_attempts", 0) or record.get("restores", 0)
        return record["state"] in ENDED or bool(has_another_life)

    def note_callback(self, task: Task) -> None:
        """Note that a callback was handled without an error."""
        self.callbacks.setdefault(task.id, self.clock.moment)

    # Writes and tasks, checked as they happen

    def put_in_ledger(self, key: str, body: bytes, _: str) -> None:
        """Write an object of the ledger; a record may only follow the one before."""
        if key.startswith("jobs/") and key in self.ledger.objects:
            present = self.ledger.objects[key][0]
            if present != body:  # a repeated write of the same record changes nothing
                self._check_succession(_parsed(present), _parsed(body))
        self.ledger.put(key, body)

    def put_upload(self, key: str, body: bytes, content_type: str) -> None:
        """Put an object into the inbox."""
        self.inbox.put(key, body, content_type)

    def put_result(self, key: str, body: bytes, content_type: str) -> None:
        """Write a result; none may be changed once its job has ended."""
        record = self.record(owner_of_result(key))
        self.check_results()
        old, _ = self.results.objects.get(key, (b"", None))
        has_ended = record is not None and record["state"] in ENDED
        if record is not None and has_ended and _content(old) != _content(body):
            self.problems.append(f"{key} written although {describe(record)} had ended")
        self.results.put(key, body, content_type)

    def check_results(self) -> None:
        """Refuse a request of a function to the results bucket while it is denied."""
        if self.results_denied:
            raise RefusedError("results", code="AccessDenied")

    def check_download(self, url: str) -> None:
        """Check that the record names the images before one that is downloaded."""
        *_, job_id, name = url.split("/")
        record = self.record(job_id)
        number = int(name.partition(".")[0])
        if record is None or len(record.get("stored_names", ())) < number:
            self.problems.append(f"{url} is fetched before the record names those before it")

    def submit(self, call: ApiCall) -> dict[str, Any]:
        """Let the vendor accept a task."""
        response = self.vendor.call(call)
        task = self.tasks()[-1]
        self._check_lane_limit(task)
        self._check_ceiling()
        self._check_record_of_task(task)
        self.on_created(task)
        return response

    def _check_lane_limit(self, task: Task) -> None:
        """Check the limit of a lane; each look that missed a key of its slots may exceed it by one.

        This is the one promise that rests on the header: see `aigc.jobs.ledger.slots`.
        """
        running = sum(
            one.is_open and one.lane == task.lane and not self._is_overdue(one)
            for one in self.tasks()
        )
        missed = sum(key.startswith(f"lanes/{task.lane}/slots/") for key in self.ledger.missed)
        if running > self.settings.lanes[task.lane] + missed:
            self.problems.append(f"{running} tasks at once in lane {task.lane}")

    def _check_ceiling(self) -> None:
        """Check that no more images are made or on their way than a ceiling allows."""
        paid = sum(task.is_open or task.state == "done" for task in self.tasks())
        for ceiling in self.ceilings:
            if paid > ceiling.limit:
                self.problems.append(f"{paid} images are paid for; {ceiling.name}: {ceiling.limit}")

    def _is_overdue(self, task: Task) -> bool:
        """Whether a task runs so long that its slot may be used again."""
        overdue_s = self.settings.overdue_after(task.lane)
        age_s = (self.clock.moment - task.created_at).total_seconds()
        return age_s > overdue_s - CLOCKS_S

    def _check_record_of_task(self, task: Task) -> None:
        record = self.record(task.job_id)
        if record is None or record["state"] != "submitting":
            self.problems.append(f"{task.id} sent for {describe(record) if record else 'no job'}")

    def _check_succession(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        if _is_same_revision(old, new):
            return
        if old["state"] in ENDED and not (_is_replay(old, new) or _is_restore(old, new)):
            self.problems.append(f"{describe(new)} written over {describe(old)}, which had ended")
        elif new["revision"] <= old["revision"]:
            self.problems.append(f"{describe(new)} written over {describe(old)}")
        elif new["state"] == "succeeded":
            self._check_images(new)

    def _check_images(self, record: dict[str, Any]) -> None:
        for image in record["images"]:
            body, _ = self.results.objects.get(image["key"], (b"", None))
            if len(body) != image["size"]:
                self.problems.append(f"{describe(record)}: {image['key']} is not there in full")
        location = record["output_location"]
        description = f"{location['prefix']}{location['name']}.json"
        if not record["images"] or description not in self.results.objects:
            self.problems.append(f"{describe(record)} without its images or their description")


def _content(result: bytes) -> object:
    """Return what a result says; a write that took effect late was made at another time."""
    if not result.startswith(b"{"):
        return result
    return {**json.loads(result), "stored_at": None}


def _is_same_revision(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a writer without an answer wrote the same again, owned for a while or not."""
    ignored = {"owned_until": None, "record_format": None}
    return {**old, **ignored} == {**new, **ignored}


def _is_replay(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a failed job was queued again as its next attempt."""
    return bool(
        old["state"] == "failed"
        and new["state"] == "queued"
        and len(new["attempts"]) == len(old["attempts"]) + 1
        and new["revision"] == old["revision"] + 1
    )


def _is_restore(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the images of a failed job are stored after all, without another attempt."""
    return bool(
        old["state"] == "failed"
        and new["state"] == "storing"
        and len(new["attempts"]) == len(old["attempts"])
        and new["revision"] == old["revision"] + 1
        and new["restores"] == old["restores"] + 1
    )


def describe(record: dict[str, Any]) -> str:
    """Name a record with its state and revision."""
    return f"jobs/{record['id']}.json ({record['state']}, revision {record['revision']})"


def owner_of_result(key: str) -> str:
    """Return the job that a result belongs to; ids hold neither dash nor dot here."""
    return key.rpartition("/")[2].partition("-")[0].partition(".")[0]


@functools.lru_cache(4096)
def _parsed(body: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(body)
    return record


# The ports of a worker


class TaskApi:
    """API 3.0; a call may be accepted without an answer."""

    def __init__(self, worker: Worker, cloud: Cloud) -> None:
        self._worker = worker
        self.cloud = cloud

    def call(self, call: ApiCall) -> dict[str, Any]:
        subject = call.params.get("TaskId") or call.params.get("SessionId", "")
        faults: tuple[str, ...] = READ_FAULTS
        effect = functools.partial(self.cloud.vendor.call, call)
        if call.action.startswith("Create"):
            faults = SUBMISSION_FAULTS
            effect = functools.partial(self.cloud.submit, call)
        request = Request(
            f"{call.action} {subject}".strip(),
            (VENDOR, "jobs/"),  # all tasks: the vendor counts and lists them together
            effect,
            faults=faults,
            changes=not call.action.startswith("Describe"),
            lists=True,
        )
        return self._worker.ask(request)


class Downloads:
    """Finished images at the vendor."""

    def __init__(self, worker: Worker, cloud: Cloud) -> None:
        self._worker = worker
        self._cloud = cloud

    def fetch(self, url: str) -> bytes:
        def effect() -> bytes:
            self._cloud.check_download(url)
            return IMAGE

        job_id = url.split("/")[-2]
        request = Request(f"download {url}", (f"jobs/{job_id}.json",), effect, faults=READ_FAULTS)
        return self._worker.ask(request)


class Guarded:
    """A bucket whose requests are checked before they have an effect."""

    def __init__(self, bucket: Bucket, check: Callable[[], None]) -> None:
        self._bucket = bucket
        self._check = check

    def __getattr__(self, name: str) -> Any:
        wanted = getattr(self._bucket, name)
        if name not in {"get", "list", "delete", "delete_once", "sees"}:
            return wanted

        def checked(*arguments: Any) -> Any:
            self._check()
            return wanted(*arguments)

        return checked


class NewerPort(StorePort):
    """The ledger as a newer version uses it: its records have a later format."""

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        super().put(key, _in_format(FORMAT + 1, body) if _is_record(key) else body, content_type)

    def get(self, key: str) -> bytes | None:
        body = super().get(key)
        return _in_format(FORMAT, body) if body and _is_record(key) else body


def _is_record(key: str) -> bool:
    return key.startswith("jobs/")


def _in_format(number: int, body: bytes) -> bytes:
    return re.sub(rb'"record_format":\d+', b'"record_format":%d' % number, body)


class Receiver:
    """The receiver of webhooks."""

    def __init__(self, worker: Worker, cloud: Cloud) -> None:
        self._worker = worker
        self._cloud = cloud

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        answer_bytes: int = 0,  # noqa: ARG002  no body is planned
    ) -> Reply:
        report = json.loads(body)
        if "msgtype" in report:
            return self._report(url, report["text"]["content"])
        message = (report["job"], headers["webhook-id"], report["state"])

        def effect() -> None:
            self._cloud.webhooks.append(message)

        request = Request(
            f"POST {url} {timeout_s:g}", (), effect, faults=WRITE_FAULTS, changes=True
        )
        return self._reply(request)

    def _report(self, url: str, text: str) -> Reply:
        """Take a message as a chat robot does; each job that it names must have ended."""

        def effect() -> None:
            self._cloud.notices.append(text)
            self._cloud.problems += [
                f"a message to a robot names {line}, which has not ended"
                for line in text.splitlines()[1:]
                if not line.startswith("…") and not self._cloud.had_ended(line.split()[-1])
            ]

        request = Request(f"POST {url}", (), effect, faults=WRITE_FAULTS, changes=True)
        return self._reply(request)

    def _reply(self, request: Request[None]) -> Reply:
        try:
            self._worker.ask(request)
        except ThrottledError:
            return Reply(status=503)
        except CloudError:
            return Reply(error="no answer")
        return Reply(status=200, answer=b'{"errcode":0}')


def _report(job: Job, _: Runtime) -> dict[str, str]:
    return {"job": job.id, "state": job.state}


class WorkerClock:
    """The clock of a worker where clocks are right: it needs no request to know the time."""

    def __init__(self, worker: Worker, cloud: Cloud) -> None:
        self._worker = worker
        self._clock = cloud.clock

    def now(self) -> datetime:
        return self._clock.moment

    def latest(self) -> datetime:
        return self._clock.moment

    def own_seconds(self) -> float:
        return self._clock.own_seconds()

    def sleep(self, seconds: float) -> None:
        self._worker.ask(Request("sleep", (), lambda: None, waits_s=seconds))


def _wrong_clock(cloud: Cloud, worker: Worker, store: StorePort) -> LedgerClock:
    """Return the clock of a worker whose wall clock is wrong, and jumps while it runs."""
    base = cloud.clock.own_seconds()
    skew = worker.clock_skew_s

    def steady() -> float:
        return cloud.clock.own_seconds() - base

    def wall() -> float:
        jump = skew if steady() > CLOCK_JUMPS_AFTER_S else 0
        return cloud.clock.moment.timestamp() + skew + jump

    clock = LedgerClock(
        ask=lambda: store.get("sweep/state.json"),
        wall=wall,
        steady=steady,
        sleep=WorkerClock(worker, cloud).sleep,
    )
    worker.use_clock(cloud.clock.now, clock)
    return clock


def _runtime(cloud: Cloud, worker: Worker) -> Runtime:
    port = NewerPort if worker.is_newer else StorePort
    ledger = port(worker, cloud.ledger, cloud.put_in_ledger)
    is_wrong = worker.clock_skew_s != 0
    clock = _wrong_clock(cloud, worker, ledger) if is_wrong else WorkerClock(worker, cloud)
    results = StorePort(
        worker,
        Guarded(cloud.results, cloud.check_results),  # type: ignore[arg-type]  # it is like one
        cloud.put_result,
        label="results/",
        also_reads=lambda key: f"jobs/{owner_of_result(key)}.json",  # see `put_result`
    )
    buckets: dict[str, Any] = {
        cloud.settings.inbox_bucket: StorePort(
            worker, cloud.inbox, cloud.put_upload, label="inbox/"
        ),
        cloud.settings.ledger_bucket: ledger,
        cloud.settings.results_bucket: results,
    }
    no_inputs = InMemoryStore(cloud.clock)
    adapters = Adapters(
        open_bucket=lambda name: buckets.get(name, no_inputs),
        upstream=TaskApi(worker, cloud),
        downloads=Downloads(worker, cloud),
        sender=Receiver(worker, cloud),
        parallel=worker.parallel,
        clock=clock,
    )
    memory = Memory()
    memory.of(DeployedRules).rules = cloud.rules
    seconds = (worker.deadline - cloud.clock.moment).total_seconds()
    runtime = assemble(cloud.settings, adapters, seconds=seconds, memory=memory)
    return dataclasses.replace(runtime, report_of=_report, ceilings=lambda: cloud.ceilings)


@functools.cache
def _settings(lanes: tuple[tuple[str, int], ...]) -> Settings:
    return build_settings(
        lanes=dict(lanes),
        webhook_secrets=[WEBHOOK_SECRET],
        inbox_since=START,
        reconcile_after_s=60,
    )
