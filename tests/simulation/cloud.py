"""The cloud that the actors work on: COS, VOD and MPS in memory, and what must hold of them.

It keeps COS's semantics (a read sees the last write, keys are listed in order, an object is
created only where there is none) and the vendor's: a session id is taken once, a task shows in
its lane at once, an MPS task leaves its picture in the bucket, a task is forgotten after days.
Each change is watched: what goes against a promise is noted as it happens.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aigc.errors import CloudError, DuplicateError, RefusedError, ThrottledError
from aigc.jobs.job import ENDED, Job, milliseconds
from aigc.jobs.ledger import Ledger
from aigc.jobs.ports import Reply
from aigc.jobs.runtime import STAGING, Memory, QueryPacer, Runtime
from tests.fakes import (
    LEASE_S,
    FakeVendor,
    InMemoryStore,
    ManualClock,
    VendorTask,
    build_world,
    picture,
)
from tests.simulation.actors import (
    OF_A_READ,
    OF_A_REPEATED_WRITE,
    OF_A_SUBMISSION,
    OF_A_WRITE,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aigc.jobs.ledger import Marker
    from aigc.jobs.ports import Listed
    from aigc.tasks.kind import ApiCall
    from tests.simulation.actors import Actor, Fate

TIMEOUT_S = 60
"""How long an invocation may take; less than the lease."""
REMEMBERED = {"vod": timedelta(days=3), "mps": timedelta(days=7)}
PICTURE = picture()
VENDOR = "vendor/"
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
KEPT = ("jobs/", "index/", "usage/", "deliveries/", "dead/")
"""What the ledger keeps of a job that has ended."""

T = TypeVar("T")


class Bucket(InMemoryStore):
    """A bucket that knows at any time what it holds as one number."""

    def __init__(self, clock: ManualClock, name: str) -> None:
        super().__init__(clock, name)
        self.digest = 0

    def _write(self, key: str, body: bytes) -> None:
        self._forget(key)
        super()._write(key, body)
        self.digest ^= hash((key, *self.objects[key]))

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._forget(key)
        super()._remove(keys)

    def _forget(self, key: str) -> None:
        if key in self.objects:
            self.digest ^= hash((key, *self.objects[key]))


@dataclass
class Task(VendorTask):
    """A task of the vendor's, with what decides when it is forgotten."""

    created_at: datetime = field(kw_only=True)

    @property
    def job_id(self) -> str:
        """The job that it was made for, as the vendor was told."""
        return self.session_id.rsplit("-", 1)[0] if self.session_id else self._staged_at()[-2]

    @property
    def attempt(self) -> int:
        """The attempt that it was made for."""
        return int(self.session_id.rsplit("-", 1)[1] if self.session_id else self._staged_at()[-1])

    @property
    def lane(self) -> str:
        """The lane that it takes a place of."""
        if not self.session_id:
            return "mps.image"
        return "vod.image" if self.action == "CreateAigcImageTask" else "vod.scene_image"

    @property
    def is_open(self) -> bool:
        """Whether it has still to end."""
        return self.state in {"waiting", "running"}

    def _staged_at(self) -> list[str]:
        path: str = self.params["StoreCosParam"]["CosBucketPath"]
        return path.strip("/").split("/")


class Vendor(FakeVendor):
    """VOD and MPS: they deduplicate or not, end tasks late, and forget them."""

    def __init__(self, results: InMemoryStore, clock: ManualClock) -> None:
        super().__init__(results)
        self._clock = clock

    def task(self, task_id: str) -> VendorTask:
        for task in self.tasks:
            if task.id == task_id and not self._is_forgotten(task):
                return task
        raise RefusedError("describe", code="ResourceNotFound")

    def finish(self, task: VendorTask) -> None:
        task.state = "done"
        self.leave_picture(task)

    def leave_picture(self, task: VendorTask) -> None:
        """Write the picture of an MPS task, which may show later than that it is done."""
        store = task.params.get("StoreCosParam")
        if store:
            self.results.put(f"{store['CosBucketPath'].lstrip('/')}{task.id}.png", PICTURE)

    def state(self) -> tuple[object, ...]:
        """Say all that tells this moment from another, in whatever order the tasks came."""
        return tuple(sorted((task.id, task.state, task.err_code_ext) for task in self.tasks))

    def _create(self, call: ApiCall) -> dict[str, Any]:
        session_id = call.params.get("SessionId", "")
        path = call.params.get("StoreCosParam", {}).get("CosBucketPath", "")
        alike = [one for one in self.tasks if session_id and one.session_id == session_id]
        if any(not self._is_forgotten(one) for one in alike):
            raise DuplicateError("create", code="InvalidParameterValue.SessionId")
        name = session_id or path.strip("/").partition("/")[2].replace("/", "-")
        number = sum(one.id.startswith(f"task-{name}.") for one in self.tasks)
        task = Task(
            f"task-{name}.{number}",
            call.action,
            session_id,
            call.params,
            created_at=self._clock.now(),
        )
        self.tasks.append(task)
        return {"TaskId": task.id, "RequestId": f"request-of-{task.id}"}

    def _list(self) -> dict[str, Any]:
        everything = self.tasks
        self.tasks = [one for one in everything if not self._is_forgotten(one)]
        try:
            return super()._list()
        finally:
            self.tasks = everything

    def _is_forgotten(self, task: VendorTask) -> bool:
        assert isinstance(task, Task)
        age = self._clock.now() - task.created_at
        return age > REMEMBERED["vod" if task.session_id else "mps"]


class Cloud:
    """All that is outside the functions, and what went against a promise there."""

    def __init__(self, lanes: Mapping[str, int]) -> None:
        self.clock = ManualClock()
        self.ledger = Bucket(self.clock, "ledger-1250000000")
        self.results = Bucket(self.clock, "results-1250000000")
        self.vendor = Vendor(self.results, self.clock)
        self.template = _template(tuple(sorted(lanes.items())))
        self.problems: list[str] = []
        self.heard: dict[str, datetime] = {}
        """When the first callback of a task was taken to its end."""
        self.received: list[tuple[str, str, str]] = []
        """Webhooks that arrived: the job, the message's id, how the job ended."""
        self.on_created: Callable[[Task], object] = lambda _: None

    def runtime(self, actor: Actor) -> Runtime:
        """Make what one invocation works with."""
        return _runtime(self, actor)

    def digest(self) -> int:
        """Say in one number all that is outside the functions."""
        return hash(
            (
                self.ledger.digest,
                self.results.digest,
                self.vendor.state(),
                self.clock.moment,
                frozenset(self.heard.items()),
                frozenset(self.received),
            )
        )

    def tasks(self) -> list[Task]:
        """All tasks that the vendor ever took."""
        return [task for task in self.vendor.tasks if isinstance(task, Task)]

    def jobs(self) -> list[Job]:
        """Read all records."""
        written = self.ledger.objects.items()
        return [
            Job.model_validate_json(body) for key, (body, _) in written if key.startswith("jobs/")
        ]

    def record(self, job_id: str) -> dict[str, Any] | None:
        """Read a record as it lies there."""
        found = self.ledger.objects.get(f"jobs/{job_id}.json")
        return None if found is None else _parsed(found[0])

    # What happens there

    def put_record(self, key: str, body: bytes) -> None:
        """Write to the ledger, with an eye on what may not be written."""
        if key in self.ledger.objects:
            self._compare(_parsed(self.ledger.objects[key][0]), _parsed(body))
        self.ledger.put(key, body)

    def put_result(self, key: str, body: bytes, content_type: str) -> None:
        """Write a result, which nobody may do once its job has ended."""
        record = self.record(_owner(key))
        if record is not None and record["state"] in ENDED:
            self.problems.append(f"{key} written although {_told(record)} had ended")
        self.results.put(key, body, content_type)

    def submit(self, call: ApiCall) -> dict[str, Any]:
        """Have the vendor take a task."""
        response = self.vendor.call(call)
        task = self.tasks()[-1]
        self._check_lane(task)
        self._check_order(task)
        self.on_created(task)
        return response

    def _check_lane(self, task: Task) -> None:
        running = sum(one.is_open and one.lane == task.lane for one in self.tasks())
        if running > self.template.settings.lanes[task.lane]:
            self.problems.append(f"{running} tasks at once in lane {task.lane}")

    def _check_order(self, task: Task) -> None:
        record = self.record(task.job_id)
        if record is None or record["state"] != "submitting":
            self.problems.append(f"{task.id} sent for {_told(record) if record else 'no job'}")

    def _compare(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        if old["state"] in ENDED and not self._is_replay(old, new):
            self.problems.append(f"{_told(new)} written over {_told(old)}, which had ended")
        elif new["revision"] <= old["revision"]:
            self.problems.append(f"{_told(new)} written over {_told(old)}")
        elif new["state"] == "succeeded":
            self._check_pictures(new)

    def _is_replay(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """Whether somebody asked that a failed job runs again: as its next attempt."""
        return bool(
            old["state"] == "failed"
            and new["state"] == "queued"
            and len(new["attempts"]) == len(old["attempts"]) + 1
            and new["revision"] == old["revision"] + 1
        )

    def _check_pictures(self, record: dict[str, Any]) -> None:
        for one in record["pictures"]:
            body, _ = self.results.objects.get(one["key"], (b"", None))
            if len(body) != one["size"]:
                self.problems.append(
                    f"{_told(record)} names {one['key']}, which is not there whole"
                )
        described = f"{record['place']['prefix']}{record['place']['name']}.json"
        if not record["pictures"] or described not in self.results.objects:
            self.problems.append(f"{_told(record)} without its pictures or their description")

    # What must hold at the end

    def broken_promises(self) -> list[str]:
        """Find what does not hold now that nothing is under way any more."""
        return [
            *self.problems,
            *self._unpaid(),
            *self._untrue(),
            *self._unindexed(),
            *self._untold(),
            *self.unfinished(),
        ]

    def unfinished(self) -> list[str]:
        """Find jobs that have not ended, and what is left of those that have."""
        left = [key for key in self.ledger.objects if not self._may_stay(key)]
        staged = [key for key in self.results.objects if key.startswith(STAGING)]
        endless = [f"{_told(record)} never ends" for record in self._open_records()]
        return [*endless, *(f"{key} is left" for key in (*left, *staged))]

    def idle(self) -> list[str]:
        """Find places that are free though a job waits for one; nobody is at work just now."""
        ledger = Ledger(
            self.ledger, lease=timedelta(seconds=LEASE_S), now=lambda: self.clock.moment
        )
        return [
            f"{marker.job_id} waits though a place is free in lane {lane}"
            for lane, most in self.template.settings.lanes.items()
            for view in [ledger.lane(lane)]
            for marker in view.waiting()
            if len(view.slots) < most and not view.cuts and self._waits(marker)
        ]

    def _waits(self, marker: Marker) -> bool:
        record = self.record(marker.job_id)
        is_due = marker.not_before <= self.clock.moment
        return is_due and record is not None and record["state"] == "queued"

    def _may_stay(self, key: str) -> bool:
        """Whether something may lie there for good: what a replay that died held may."""
        if key.startswith(KEPT):
            return True
        if not key.startswith("claims/"):
            return False
        job_id, step = key.split("/")[1:3]
        record = self.record(job_id)
        return (
            record is not None
            and record["state"] == "failed"
            and step == f"{record['revision']:06d}"
        )

    def _open_records(self) -> list[dict[str, Any]]:
        written = self.ledger.objects.items()
        records = [_parsed(body) for key, (body, _) in written if key.startswith("jobs/")]
        return [record for record in records if record["state"] not in ENDED]

    def _unpaid(self) -> list[str]:
        """Find what was paid twice, or although it was cancelled."""
        found = []
        for job in self.jobs():
            paid = [
                task.id for task in self.tasks() if task.job_id == job.id and task.state == "done"
            ]
            most = 0 if job.state == "cancelled" else 1
            if len(paid) > most:
                found.append(f"{_told_job(job)} was paid: {', '.join(paid)}")
        return found

    def hear(self, task: Task) -> None:
        """Note that a callback was taken to its end."""
        self.heard.setdefault(task.id, self.clock.moment)

    def _untrue(self) -> list[str]:
        """Find what is called failed though its task succeeded and we could know.

        MPS leaves its picture; VOD lists the task, or we have heard of it by a callback, in time.
        """
        return [
            f"{_told_job(job)} though {task.id} succeeded"
            for job in self.jobs()
            for task in self.tasks()
            if job.state == "failed" and task.job_id == job.id and task.state == "done"
            if self._is_known(task, job)
        ]

    def _is_known(self, task: Task, job: Job) -> bool:
        if job.updated_at - task.created_at > timedelta(days=2):
            return False
        heard_at = self.heard.get(task.id, self.clock.moment)
        in_time = job.updated_at - heard_at > timedelta(seconds=LEASE_S)
        return not task.session_id or self.vendor.lists_tasks or in_time

    def _unindexed(self) -> list[str]:
        """Find jobs that the index does not show; what a dead repeat left bears another time."""
        shown = [key.split("-")[:2] for key in self.ledger.objects if key.startswith("index/")]
        return [
            f"{_told_job(job)} is {times} times in the index"
            for job in self.jobs()
            if (times := shown.count([_index_time(job), job.id])) != 1
        ]

    def _untold(self) -> list[str]:
        """Find jobs whose end was not told under one name, or not as it was."""
        found = []
        for job in self.jobs():
            told = {
                (message, state) for job_id, message, state in self.received if job_id == job.id
            }
            given_up = f"dead/webhooks/{job.id}.json" in self.ledger.objects
            wanted = {(f"msg_{job.id}", job.state)} if job.webhook_url else set()
            if told != wanted and not (given_up and told <= wanted):
                found.append(f"{_told_job(job)} was told as {told or 'nothing'}")
        return found


class Port:
    """What an actor uses of the cloud: each request is handed to the scheduler first."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def _ask(self, verb: str, keys: tuple[str, ...], effect: Callable[[], T], **more: Any) -> T:
        request: Request[T] = Request(verb, keys, effect, **more)
        return self._actor.ask(request)


class Store(Port):
    """A bucket through the COS adapter and its SDK, which repeats what may be done twice."""

    def __init__(self, actor: Actor, bucket: Bucket, name: str, put: Callable[..., None]) -> None:
        super().__init__(actor)
        self._bucket = bucket
        self._name = name
        self._put = put

    def create(self, key: str, body: bytes) -> bool:
        bucket = self._bucket

        def again() -> bool:
            return bucket.create(key, body) or bucket.get(key) == body

        return self._write("create", (key,), lambda: bucket.create(key, body), again=again)

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self._write("put", (key,), lambda: self._put(key, body, content_type))

    def get(self, key: str) -> bytes | None:
        return self._read("get", key, lambda: self._bucket.get(key))

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        return self._read(
            "list", prefix, lambda: self._bucket.list(prefix, after, limit), lists=True
        )

    def delete(self, *keys: str) -> None:
        def effect() -> None:
            self._bucket.delete(*keys)

        if keys:
            self._write("delete", keys, effect, again=effect)

    def delete_once(self, key: str) -> None:
        self._write("delete once", (key,), lambda: self._bucket.delete_once(key))

    def presigned_url(self, key: str, expires_s: int) -> str:
        return self._bucket.presigned_url(key, expires_s)

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        return self._bucket.presigned_upload(key, headers, expires_s)

    def _read(self, verb: str, key: str, effect: Callable[[], T], **more: Any) -> T:
        return self._ask(verb, (self._name + key,), effect, faults=OF_A_READ, **more)

    def _write(
        self,
        verb: str,
        keys: tuple[str, ...],
        effect: Callable[[], T],
        again: Callable[[], T] | None = None,
    ) -> T:
        named = tuple(self._name + key for key in keys)
        if self._name:  # a result is looked at with its job: see `put_result`
            named = (*named, *(f"jobs/{_owner(key)}.json" for key in keys))
        faults = OF_A_REPEATED_WRITE if again else OF_A_WRITE
        return self._ask(verb, named, effect, faults=faults, changes=True, again=again)


class TaskApi(Port):
    """API 3.0, which takes tasks and may not say so."""

    def __init__(self, actor: Actor, cloud: Cloud) -> None:
        super().__init__(actor)
        self._cloud = cloud

    def call(self, call: ApiCall) -> dict[str, Any]:
        named = call.params.get("TaskId") or call.params.get("SessionId", "")
        faults: tuple[Fate, ...] = OF_A_READ
        effect = functools.partial(self._cloud.vendor.call, call)
        if call.action.startswith("Create"):
            faults = OF_A_SUBMISSION
            effect = functools.partial(self._cloud.submit, call)
        changes = not call.action.startswith("Describe")
        # Whatever the task: the vendor counts and lists them together.
        verb = f"{call.action} {named}".strip()
        return self._ask(
            verb, (VENDOR, "jobs/"), effect, faults=faults, changes=changes, lists=True
        )


class Pictures(Port):
    """Finished pictures at the vendor."""

    def fetch(self, url: str) -> bytes:
        return self._ask(f"download {url}", (), lambda: PICTURE, faults=OF_A_READ)


class Receiver(Port):
    """Whoever asked to be told of a job's end."""

    def __init__(self, actor: Actor, cloud: Cloud) -> None:
        super().__init__(actor)
        self._cloud = cloud

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        told = json.loads(body)
        message = (told["job"], headers["webhook-id"], told["state"])

        def effect() -> None:
            self._cloud.received.append(message)

        try:
            self._ask(f"POST {url} {timeout_s:g}", (), effect, faults=OF_A_WRITE, changes=True)
        except ThrottledError:
            return Reply(status=503)
        except CloudError:
            return Reply(error="no answer")
        return Reply(status=200)


def _report(job: Job, _: Runtime) -> dict[str, str]:
    return {"job": job.id, "state": job.state}


def _runtime(cloud: Cloud, actor: Actor) -> Runtime:
    skew = timedelta(seconds=actor.skew_s)

    def now() -> datetime:
        return cloud.clock.moment + skew

    def sleep(seconds: float) -> None:
        actor.ask(Request("sleep", (), lambda: None, waits_s=seconds))

    def put(key: str, body: bytes, _: str) -> None:
        return (
            cloud.put_record(key, body) if key.startswith("jobs/") else cloud.ledger.put(key, body)
        )

    bucket = Store(actor, cloud.ledger, "", put)
    return dataclasses.replace(
        cloud.template,
        ledger=Ledger(bucket, lease=timedelta(seconds=LEASE_S), now=now),
        bucket=bucket,
        upstream=TaskApi(actor, cloud),
        results=Store(actor, cloud.results, "results/", cloud.put_result),
        downloads=Pictures(actor),
        now=now,
        sleep=sleep,
        deadline=actor.deadline,
        sender=Receiver(actor, cloud),
        report_of=_report,
        pacer=QueryPacer(0),
        memory=Memory(),
    )


@functools.cache
def _template(lanes: tuple[tuple[str, int], ...]) -> Runtime:
    return build_world(lanes=dict(lanes), webhook_secrets=[SECRET]).runtime()


def _owner(key: str) -> str:
    """Name the job that a result is of; ids hold neither dash nor dot here."""
    return key.rpartition("/")[2].partition("-")[0].partition(".")[0]


@functools.lru_cache(4096)
def _parsed(body: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(body)
    return record


def _index_time(job: Job) -> str:
    return f"index/{10**13 - milliseconds(job.created_at):013d}"


def _told(record: dict[str, Any]) -> str:
    return f"jobs/{record['id']}.json ({record['state']}, revision {record['revision']})"


def _told_job(job: Job) -> str:
    return f"jobs/{job.id}.json ({job.state}, revision {job.revision})"
