"""In-memory fakes of COS, the vendor, the clock and the receivers of webhooks."""

from __future__ import annotations

import bisect
import hashlib
import io
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from PIL import Image

from aigc.bootstrap import Adapters, assemble
from aigc.cloud.error_codes import class_of
from aigc.errors import (
    AccountError,
    AmbiguousError,
    DuplicateError,
    RefusedError,
    ThrottledError,
)
from aigc.jobs.job import OutputLocation, Source, fresh_id
from aigc.jobs.ports import Listed, Peek, Reply, one_after_another
from aigc.jobs.runtime import Memory, Runtime
from aigc.prices import Prices
from aigc.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Parallel
    from aigc.tasks.kind import ApiCall

LEASE_S = 75
START = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


class ManualClock:
    """A clock that moves by `pass_time` and by `sleep`."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def latest(self) -> datetime:
        return self.moment

    def own_seconds(self) -> float:
        return (self.moment - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    pass_time = sleep


class ClockWithEvents(ManualClock):
    """A clock that calls functions at given seconds."""

    def __init__(self, second: float, happens: Callable[[], Any]) -> None:
        super().__init__()
        self._events = [(second, happens)]

    def add(self, second: float, happens: Callable[[], Any]) -> None:
        self._events.append((second, happens))

    def sleep(self, seconds: float) -> None:
        before = self.moment
        super().sleep(seconds)
        for second, happens in self._events:
            if before < START + timedelta(seconds=second) <= self.moment:
                happens()


@dataclass(frozen=True)
class StoreFault:
    """An error of the first request that begins with `request`."""

    request: str
    """For example `put jobs/`."""
    error: BaseException
    takes_effect: bool = False
    """Whether the request takes effect and only its reply is lost."""


class RoundTrips:
    """Counts round trips: requests that are made in parallel take one together."""

    def __init__(self) -> None:
        self.count = 0

    def note(self) -> None:
        """Count a request."""
        self.count += 1

    def parallel(self, *requests: Callable[[], Any]) -> list[Any]:
        """Implement `Parallel`."""
        begin, longest = self.count, self.count
        results = []
        for request in requests:
            self.count = begin
            results.append(request())
            longest = max(longest, self.count)
        self.count = longest
        return results


class InMemoryStore:
    """An `ObjectStore` and `Inbox` with COS's semantics."""

    def __init__(self, clock: ManualClock, bucket: str = "bucket-1250000000") -> None:
        self._clock = clock
        self._bucket = bucket
        self._keys: list[str] = []
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        self.faults: list[StoreFault] = []
        self.round_trips = RoundTrips()

    def create(self, key: str, body: bytes) -> bool:
        self.round_trips.note()
        self.requests.append(f"create {key}")
        fault = self._fault(f"create {key}")
        if fault is not None and not fault.takes_effect:
            raise fault.error
        if key in self.objects:
            return False
        self._write(key, body)
        if fault is not None:
            raise fault.error
        return True

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self.round_trips.note()
        self.requests.append(f"put {key}")
        fault = self._fault(f"put {key}")
        if fault is not None and not fault.takes_effect:
            raise fault.error
        self.headers[key] = {"content-type": content_type, "content-length": str(len(body))}
        self._write(key, body)
        if fault is not None:
            raise fault.error

    def get(self, key: str) -> bytes | None:
        self.round_trips.note()
        self.requests.append(f"get {key}")
        return self.objects[key][0] if key in self.objects else None

    def fill(self, keys: Iterable[str]) -> None:
        """Write many empty objects at once; this does not count as a request."""
        written = (b"{}", self._clock.now())
        self.objects.update(dict.fromkeys(keys, written))
        self._keys = sorted(self.objects)

    def peek(self, key: str, size: int, begin: int = 0) -> Peek | None:
        self.round_trips.note()
        self.requests.append(f"peek {key}")
        if key not in self.objects:
            return None
        data, modified = self.objects[key]
        headers = self.headers.get(key, {})
        return Peek(
            data[begin : begin + size],
            len(data),
            self._etag(key),
            modified.replace(microsecond=0),
            headers,
        )

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        self.round_trips.note()
        self.requests.append(f"list {prefix}")
        first = bisect.bisect_left(self._keys, prefix)
        if after >= prefix:
            first = bisect.bisect_right(self._keys, after)
        listed_objects: list[Listed] = []
        for number in range(first, min(first + limit, len(self._keys))):
            key = self._keys[number]
            if not key.startswith(prefix):
                break
            listed_objects.append(self._listed(key))
        return listed_objects

    def delete(self, *keys: str) -> None:
        request = f"delete {' '.join(keys)}"
        self.round_trips.note()
        self.requests.append(request)
        fault = self._fault(request)
        if fault is None or fault.takes_effect:
            self._remove(keys)
        if fault is not None:
            raise fault.error

    def delete_once(self, key: str) -> None:
        self.delete(key)

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        operation = f"&{process}" if process else ""
        return f"https://{self._bucket}.cos.example/{key}?expires={expires_s}{operation}"

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        signed = ",".join(f"{name}={value}" for name, value in headers.items())
        return f"https://{self._bucket}.cos.example/{key}?expires={expires_s}&signed={signed}"

    def _listed(self, key: str) -> Listed:
        body, modified = self.objects[key]
        return Listed(key, modified, self._etag(key), len(body))

    def _etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key][0], usedforsecurity=False).hexdigest()

    def _fault(self, request: str) -> StoreFault | None:
        fault = next(
            (candidate for candidate in self.faults if request.startswith(candidate.request)), None
        )
        if fault is not None:
            self.faults.remove(fault)
        return fault

    def _write(self, key: str, body: bytes) -> None:
        if key not in self.objects:
            bisect.insort(self._keys, key)
        self.objects[key] = (body, self._clock.now())

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            if self.objects.pop(key, None) is not None:
                del self._keys[bisect.bisect_left(self._keys, key)]


@dataclass
class VendorTask:
    """A task that the fake vendor accepted, and would bill."""

    id: str
    action: str
    session_id: str
    params: dict[str, Any]
    state: str = "running"
    err_code_ext: str = ""


@dataclass
class FakeVendor:
    """VOD and MPS as a `TaskService`: accepts, deduplicates, counts; ends tasks on request."""

    results: InMemoryStore
    tasks: list[VendorTask] = field(default_factory=list)
    next_creates: list[str] = field(default_factory=list)
    """The outcomes of the next creates: ok, throttle, refuse, lost_reply or lost_request."""
    refused: dict[str, str] = field(default_factory=dict)
    """Action, or its beginning → the error code with which each such call is refused."""
    refusals: dict[str, int] = field(default_factory=dict)
    """Action → how many of its calls were refused by `refused`."""
    next_aborts: list[str] = field(default_factory=list)
    """The outcomes of the next aborts: ok, throttle or forbid."""
    lists_tasks: bool = True
    most_at_once: int = 0
    urls: dict[str, list[str]] = field(default_factory=dict)
    """Task of VOD → the URLs of its images; other tasks have one image."""
    calls: list[str] = field(default_factory=list)

    def call(self, call: ApiCall) -> dict[str, Any]:
        self.calls.append(call.action)
        self._refuse(call.action)
        if call.action.startswith("Create"):
            return self._create(call)
        if call.action == "DescribeTasks":
            return self._list()
        if call.action == "ManageTask":
            return self._abort(self.task(call.params["TaskId"]))
        if call.action == "DescribeAigcImageTask":
            return self._describe_mps(self.task(call.params["TaskId"]))
        return self._describe_vod(self.task(call.params["TaskId"]))

    def _refuse(self, action: str) -> None:
        for refused, code in self.refused.items():
            if action.startswith(refused):
                self.refusals[action] = self.refusals.get(action, 0) + 1
                request_id = f"refusal-{self.refusals[action]}"
                raise class_of(code)(
                    action, code=code, vendor_message="repair it", request_id=request_id
                )

    def task(self, task_id: str) -> VendorTask:
        return next(task for task in self.tasks if task.id == task_id)

    def finish(self, task: VendorTask) -> None:
        task.state = "done"
        store = task.params.get("StoreCosParam")
        if store:
            self.results.put(f"{store['CosBucketPath'].lstrip('/')}{task.id}.png", image_bytes())

    def fail(self, task: VendorTask, err_code_ext: str) -> None:
        task.state = "failed"
        task.err_code_ext = err_code_ext

    def _create(self, call: ApiCall) -> dict[str, Any]:
        outcome = self.next_creates.pop(0) if self.next_creates else "ok"
        if outcome == "throttle":
            raise ThrottledError("create", code="RequestLimitExceeded")
        if outcome == "refuse":
            raise RefusedError("create", code="InvalidParameter", request_id="r-1")
        if outcome == "lost_request":
            raise AmbiguousError("create", code="ClientNetworkError")
        session_id = call.params.get("SessionId", "")
        if session_id and any(task.session_id == session_id for task in self.tasks):
            raise DuplicateError("create", code="InvalidParameterValue.SessionId")
        task = VendorTask(f"task-{len(self.tasks) + 1}", call.action, session_id, call.params)
        self.tasks.append(task)
        at_once = sum(1 for task in self.tasks if task.state == "running")
        self.most_at_once = max(self.most_at_once, at_once)
        if outcome == "lost_reply":
            raise AmbiguousError("create", code="ClientNetworkError")
        return {"TaskId": task.id, "RequestId": f"request-of-{task.id}"}

    def _list(self) -> dict[str, Any]:
        listed = self.tasks if self.lists_tasks else []
        return {
            "TaskSet": [{"TaskId": task.id, "SessionId": task.session_id} for task in listed],
            "ScrollToken": "",
        }

    def _abort(self, task: VendorTask) -> dict[str, Any]:
        outcome = self.next_aborts.pop(0) if self.next_aborts else "ok"
        if outcome == "throttle":
            raise ThrottledError("abort", code="RequestLimitExceeded")
        if outcome == "forbid":
            raise AccountError("abort", code="UnauthorizedOperation")
        if task.state != "waiting":
            raise RefusedError("abort", code="FailedOperation", request_id="r-2")
        task.state = "aborted"
        return {"RequestId": f"request-of-{task.id}"}

    def _describe_mps(self, task: VendorTask) -> dict[str, Any]:
        words = {"running": "RUN", "done": "DONE", "failed": "FAIL"}
        message = task.err_code_ext if task.state == "failed" else "ok"
        return {"Status": words[task.state], "Message": message, "ImageUrls": None}

    def _describe_vod(self, task: VendorTask) -> dict[str, Any]:
        name = "AigcImageTask" if task.action == "CreateAigcImageTask" else "SceneAigcImageTask"
        words = {"waiting": "WAITING", "running": "PROCESSING", "aborted": "ABORTED"}
        status = words.get(task.state, "FINISH")
        urls = self.urls.get(task.id, [f"http://vendor/{task.id}.png"])
        files = [{"StorageMode": "Temporary", "FileUrl": url} for url in urls]
        return {
            "TaskType": name,
            "Status": status,
            name: {
                "TaskId": task.id,
                "Status": "PROCESSING" if status == "WAITING" else status,
                "ErrCode": 70000 if task.state == "failed" else 0,
                "ErrCodeExt": task.err_code_ext,
                "Message": task.err_code_ext,
                "Output": {"FileInfos": files if task.state == "done" else []},
                "SessionId": task.session_id,
            },
        }


class FakeDownloads:
    """Returns an image for each URL, or raises the planned error."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.errors: list[Exception] = []
        self.data = image_bytes()

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.errors:
            raise self.errors.pop(0)
        return self.data


@dataclass
class Sent:
    """A webhook that was sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float


class FakeSender:
    """Receives webhooks: answers 200, or the planned reply."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.replies: list[Reply | BaseException] = []

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        answer_bytes: int = 0,  # noqa: ARG002  no body is planned
    ) -> Reply:
        self.sent.append(Sent(url, headers, body, timeout_s))
        reply = self.replies.pop(0) if self.replies else Reply(status=200)
        if isinstance(reply, BaseException):
            raise reply
        return reply


@dataclass
class World:
    """The parts of a runtime, with direct access to each."""

    clock: ManualClock
    store: InMemoryStore
    results: InMemoryStore
    inbox: InMemoryStore
    inputs: InMemoryStore
    """The bucket that the settings name for inputs."""
    vendor: FakeVendor
    downloads: FakeDownloads
    sender: FakeSender
    settings: Settings
    memory: Memory = field(default_factory=Memory)
    """The memory of this instance; another instance has the same ledger and a memory of its own."""
    prices: Prices = field(default_factory=Prices)
    parallel: Parallel = one_after_another

    def runtime(self, seconds: float = 60) -> Runtime:
        """Make the runtime of one invocation with this timeout."""
        adapters = Adapters(
            open_bucket=self.open_bucket,
            upstream=self.vendor,
            downloads=self.downloads,
            sender=self.sender,
            parallel=self.parallel,
            clock=self.clock,
        )
        return assemble(
            self.settings,
            adapters,
            seconds=seconds,
            memory=self.memory,
            prices=lambda: self.prices,
        )

    def open_bucket(self, name: str) -> InMemoryStore:
        """Return the bucket with a name."""
        settings = self.settings
        own = {
            settings.ledger_bucket: self.store,
            settings.results_bucket: self.results,
            settings.inbox_bucket: self.inbox,
        }
        return own.get(name, self.inputs)

    def ledger_keys(self, prefix: str = "") -> list[str]:
        """List the keys of the ledger."""
        return [listed.key for listed in self.store.list(prefix)]


def build_world(**changes: Any) -> World:
    """Make an empty world; keyword arguments change settings."""
    clock = ManualClock()
    results = InMemoryStore(clock, "results-1250000000")
    return World(
        clock=clock,
        store=InMemoryStore(clock),
        results=results,
        inbox=InMemoryStore(clock, "inbox-1250000000"),
        inputs=InMemoryStore(clock, "inputs-1250000000"),
        vendor=FakeVendor(results),
        downloads=FakeDownloads(),
        sender=FakeSender(),
        settings=build_settings(**changes),
    )


def build_settings(**changes: Any) -> Settings:
    """Make the settings of the default stack."""
    values: dict[str, Any] = {
        "region": "ap-guangzhou",
        "sub_app_id": 1500000001,
        "inbox_bucket": "inbox-1250000000",
        "results_bucket": "results-1250000000",
        "ledger_bucket": "ledger-1250000000",
        "api_keys": {},
        "callback_key": "callbackkey",
        "lanes": {"vod.image": 1, "vod.scene_image": 1, "mps.image": 4},
        "lease_s": LEASE_S,
        "poll_interval_s": 0,
    }
    return Settings.model_validate(values | changes)


def image_bytes(width: int = 32, height: int = 24) -> bytes:
    """Draw a small PNG."""
    drawn = io.BytesIO()
    Image.new("RGB", (width, height), (200, 80, 40)).save(drawn, "PNG")
    return drawn.getvalue()


def a_call(name: str = "default") -> Source:
    """Return the source of a job that was submitted with a key."""
    return Source(type="call", name=name)


def an_output_location(name: str = "image") -> OutputLocation:
    """Return an output location."""
    return OutputLocation(prefix="calls/", name=name)


def sessions(job: Job, *attempts: int) -> list[str]:
    """Return the sessions of attempts of a job, as VOD sees them."""
    stem = job.attempts[0].session_id.rpartition("-")[0]
    return [f"{stem}-{number}" for number in attempts]


def an_id() -> str:
    """Make a job id."""
    return fresh_id(START)
