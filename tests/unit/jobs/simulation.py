"""Many functions at work on one ledger, at random but the same each time, while things break.

Each invocation of a function is a thread, and only one of them ever runs: around each request to
COS, to the vendor or for a picture it hands over to the simulation, which draws who goes on. So
requests of different functions interleave as they may in the cloud, and between any two of them
an invocation may be killed. What else may go wrong, and how likely, is said by `Chances`.

For a time things go wrong; then they stop, and the sweep goes on. While it runs, `Simulation`
watches that no record changes once it has ended, that each revision is written once, and that
no lane runs more tasks than it may. At the end it looks whether every job ended, whether one was
paid twice or called failed though its task succeeded, and whether anything but records was left.

All that is drawn is drawn from the seed, `random`'s own generator included. What happened can be
read as a story, one line for each request.
"""

from __future__ import annotations

import collections
import functools
import heapq
import itertools
import random
import re
import threading
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aigc.errors import AmbiguousError, CloudError, ThrottledError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Job
from aigc.jobs.ledger import Ledger
from aigc.jobs.recover import sweep
from aigc.jobs.runtime import STAGING, Runtime
from aigc.jobs.settle import look, on_callback, on_stored
from aigc.tasks.kinds import KINDS
from tests.fakes import LEASE_S, START, InMemoryStore, a_call, a_place, build_world, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aigc.jobs.ports import Listed
    from aigc.tasks.kind import ApiCall
    from tests.fakes import ManualClock, VendorTask

JOBS = 8
ARRIVAL_S = 120
"""Jobs arrive within this time."""
LANES = {"vod.image": 1, "vod.scene_image": 1, "mps.image": 2}
FAULTS_S = 480
"""Things go wrong within this time."""
PATIENCE_S = 2 * 3600
"""How long after that all must have ended: the last of eight attempts may wait 24 minutes."""
TIMEOUT_S = 60
"""How long an invocation may take; less than the lease."""
MOST_STEPS = 60
"""An invocation that is to die does so within its first so many steps."""
SDK_WAITS_S = (1, 11)
"""After which the COS SDK repeats a request: broken connection, time-out."""

TASKS: dict[str, dict[str, Any]] = {
    "vod.image": {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"},
    "vod.scene_image": {
        "scene_info": {"type": "product_image", "product_image_config": {"prompt": "on a table"}},
        "file_infos": [{"type": "Url", "url": "https://example.com/a.png"}],
    },
    "mps.image": {"model_name": "Hunyuan", "prompt": "a cat"},
}
MODELS = {kind: KINDS[kind].model.model_validate(task) for kind, task in TASKS.items()}
PICTURE = picture()
KEPT = ("jobs/", "index/", "dead/")
"""What stays in the ledger when all jobs have ended."""
_RANDOM_PARTS = re.compile(r"-[0-9a-f]{8}\b|(?<=slot-)[0-9a-f]{32}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How likely it is that something goes wrong, from 0 to 1."""

    killed: float = 0
    """An invocation dies between two of its requests, or over one."""
    slow: float = 0
    """A request reaches the cloud seconds after it was made."""
    cos_reply_lost: float = 0
    """COS did what was asked; the SDK asks again where it may be done twice."""
    cos_failed: float = 0
    """COS was asked until the SDK gave up, and has done it or not."""
    cos_throttled: float = 0
    create_throttled: float = 0
    create_lost: float = 0
    """A Create, or its reply, is lost."""
    query_lost: float = 0
    download_lost: float = 0
    task_backlogged: float = 0
    """A task fails for want of room, after it was accepted."""
    callback_dropped: float = 0
    callback_repeated: float = 0
    order_repeated: float = 0
    lists_tasks: bool = True
    """Whether the vendor shows a session's task in its list."""


CALM = Chances()


class Killed(BaseException):
    """The platform ended the invocation."""


class Invocation:
    """One run of a function: a thread that moves when it is told to, a step at a time."""

    def __init__(
        self, name: str, work: Callable[[Invocation], object], clock: ManualClock, dies_at: int
    ) -> None:
        self.name = name
        self.wakes_at = clock.now()
        self.deadline = clock.now() + timedelta(seconds=TIMEOUT_S)
        self.has_ended = False
        self.error: BaseException | None = None
        self._clock = clock
        self._steps_left = dies_at
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it go on until it pauses or ends."""
        self._go.release()
        self._paused.acquire()

    def pause(self, seconds: float = 0) -> None:
        """Hand over, for this long at least; called within the thread."""
        self.wakes_at = self._clock.now() + timedelta(seconds=seconds)
        self._paused.release()
        self._go.acquire()
        self._steps_left -= 1
        if self._steps_left == 0 or self._clock.now() > self.deadline:
            raise Killed

    def _run(self, work: Callable[[Invocation], object]) -> None:
        self._go.acquire()
        try:
            work(self)
        except BaseException as error:  # noqa: BLE001  the simulation tells it
            self.error = error
        self.has_ended = True
        self._paused.release()


class WatchedStore(InMemoryStore):
    """The ledger's bucket; it notes each write of a record that should not have been made."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.problems: list[str] = []

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        if key in self.objects and self.objects[key][0] != body:
            self._compare(Job.model_validate_json(self.objects[key][0]), _job(body))
        super().put(key, body, content_type)

    def _compare(self, old: Job, new: Job) -> None:
        if old.has_ended:
            self.problems.append(f"{_told(new)} written over {_told(old)}, which had ended")
        elif new.revision <= old.revision:
            self.problems.append(f"{_told(new)} written over {_told(old)}")


class Outside:
    """The cloud as one invocation meets it: each request is a step and may fail."""

    def __init__(self, simulation: Simulation, invocation: Invocation) -> None:
        self._simulation = simulation
        self._invocation = invocation

    @property
    def chances(self) -> Chances:
        """How likely what is to fail now."""
        return self._simulation.chances

    @property
    def rng(self) -> random.Random:
        """What all is drawn from."""
        return self._simulation.rng

    def draw(self, **chances: float) -> str:
        """Draw which of several things happens to a request; "ok" if none does."""
        drawn = self.rng.random()
        sums = itertools.accumulate(chances.values())
        return next(
            (what for what, up_to in zip(chances, sums, strict=True) if drawn < up_to), "ok"
        )

    def ask(self, request: str, effect: Callable[[], T]) -> T:
        """Make a request that is answered; who dies does so before it or after it."""
        is_slow = self.rng.random() < self.chances.slow
        self._invocation.pause(self.rng.uniform(0.5, 3) if is_slow else 0)
        self._simulation.tell(self._invocation.name, request)
        try:
            return effect()
        finally:
            self._invocation.pause()

    def ask_in_vain(self, request: str) -> None:
        """Make a request that has no effect."""
        self.ask(request, lambda: None)


class FaultyStore(Outside):
    """A bucket through the COS adapter and its SDK, neither of which always gets through."""

    def __init__(
        self, simulation: Simulation, invocation: Invocation, store: InMemoryStore
    ) -> None:
        super().__init__(simulation, invocation)
        self._store = store

    def create(self, key: str, body: bytes) -> bool:
        def again() -> bool:
            return self._store.create(key, body) or self._store.get(key) == body

        return self._send(f"create {key}", lambda: self._store.create(key, body), again)

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        request = f"put {_told(_job(body))}" if key.startswith("jobs/") else f"put {key}"
        self._send(request, lambda: self._store.put(key, body, content_type))

    def get(self, key: str) -> bytes | None:
        return self._repeatable(f"get {key}", lambda: self._store.get(key))

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        return self._repeatable(f"list {prefix}", lambda: self._store.list(prefix, after, limit))

    def delete(self, *keys: str) -> None:
        if keys:
            self._repeatable(f"delete {' '.join(keys)}", lambda: self._store.delete(*keys))

    def delete_once(self, key: str) -> None:
        self._send(f"delete once {key}", lambda: self._store.delete_once(key))

    def presigned_url(self, key: str, expires_s: int) -> str:
        return self._store.presigned_url(key, expires_s)

    def _repeatable(self, request: str, effect: Callable[[], T]) -> T:
        return self._send(request, effect, effect)

    def _send(
        self, request: str, effect: Callable[[], T], again: Callable[[], T] | None = None
    ) -> T:
        fate = self.draw(
            throttled=self.chances.cos_throttled,
            failed=self.chances.cos_failed,
            reply_lost=self.chances.cos_reply_lost,
        )
        if fate == "ok":
            return self.ask(request, effect)
        if fate == "throttled":
            self.ask_in_vain(f"{request}: throttled")
            raise ThrottledError(request)
        if fate == "failed" and self.rng.random() < 0.5:
            self.ask_in_vain(f"{request}: does not arrive")
        else:
            self.ask(f"{request}: no reply", effect)
        self._invocation.pause(self.rng.choice(SDK_WAITS_S))
        if fate == "failed" or again is None:
            raise AmbiguousError(request)
        return self.ask(f"{request}: again", again)


class FaultyVendor(Outside):
    """VOD and MPS, which take tasks and may not say so."""

    def call(self, call: ApiCall) -> dict[str, Any]:
        return self._create(call) if call.action.startswith("Create") else self._query(call)

    def _create(self, call: ApiCall) -> dict[str, Any]:
        fate = self.draw(
            throttle=self.chances.create_throttled,
            lost_request=self.chances.create_lost / 2,
            lost_reply=self.chances.create_lost / 2,
        )
        session = call.params.get("SessionId", "without a session")
        return self.ask(
            f"{call.action} {session}: {fate}", lambda: self._simulation.create(call, fate)
        )

    def _query(self, call: ApiCall) -> dict[str, Any]:
        if self.rng.random() < self.chances.query_lost:
            self.ask_in_vain(f"{call.action}: no reply")
            raise AmbiguousError(call.action)
        return self.ask(call.action, lambda: self._simulation.world.vendor.call(call))


class FaultyDownloads(Outside):
    """Finished pictures, which cannot always be fetched."""

    def fetch(self, url: str) -> bytes:
        if self.rng.random() < self.chances.download_lost:
            self.ask_in_vain(f"download {url}: no reply")
            raise AmbiguousError("download")
        return self.ask(f"download {url}", lambda: PICTURE)


class Simulation:
    """One run: its jobs, its invocations, what happened and what should not have."""

    def __init__(self, seed: int, chances: Chances) -> None:
        self.rng = random.Random(seed)  # noqa: S311  no secret
        self.chances = chances
        self.world = build_world(lanes=LANES)
        self.world.vendor.lists_tasks = chances.lists_tasks
        self._store = WatchedStore(self.world.clock)
        self._crashes: list[str] = []
        self._overfull: list[str] = []
        self._heard: set[str] = set()
        self._lines: list[str] = []
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._invocations: list[Invocation] = []

    def run(self) -> list[str]:
        """Run to the end; return what went against the promises."""
        state = random.getstate()
        random.seed(self.rng.random())
        try:
            self._plan()
            while not self._is_over():
                self._step()
        finally:
            random.setstate(state)
        return self._problems()

    def story(self) -> str:
        """Tell what happened, a line for each request."""
        return "\n".join(self._lines)

    def jobs(self) -> list[Job]:
        """Read all records."""
        written = self._store.objects.items()
        return [_job(body) for key, (body, _) in written if key.startswith("jobs/")]

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story; what is unique to each run is left out."""
        seconds = (self.world.clock.now() - START).total_seconds()
        self._lines.append(f"{seconds:9.3f}  {who:12} {_RANDOM_PARTS.sub('-…', what)}")

    def create(self, call: ApiCall, fate: str) -> dict[str, Any]:
        """Have the vendor take a task, which then ends after a while."""
        vendor = self.world.vendor
        vendor.next_creates = [fate]
        known = len(vendor.tasks)
        try:
            return vendor.call(call)
        finally:
            for task in vendor.tasks[known:]:
                self._after(self.rng.uniform(2, 40), functools.partial(self._finish, task))
                self._count(_lane(task))

    def _plan(self) -> None:
        kinds = self.rng.sample(list(MODELS), self.rng.randint(1, 2))
        for number in range(JOBS):
            self._plan_order(f"job{number}", self.rng.choice(kinds))
        self._after(FAULTS_S, self._calm_down)
        self._sweep()
        self._look()

    def _plan_order(self, job_id: str, kind: str) -> None:
        order = Order(
            id=job_id,
            kind=kind,
            task=MODELS[kind],
            source=a_call(),
            place=a_place(job_id),
            priority=self.rng.choice([0, 0, 5]),
        )
        arrives = self.rng.uniform(0, ARRIVAL_S)
        self._after(arrives, lambda: self._accept(order))
        while self.rng.random() < self.chances.order_repeated:
            arrives += self.rng.choice([0, 0.05, 1, 60])
            self._after(arrives, lambda: self._accept(order))

    def _calm_down(self) -> None:
        self.chances = CALM
        self.tell("-", "from here on nothing goes wrong")

    # What happens of itself

    def _accept(self, order: Order) -> None:
        self._invoke(f"accept {order.id}", lambda runtime: accept(order, runtime))

    def _sweep(self) -> None:
        self._invoke("sweep", sweep)
        self._after(60 if self.chances is CALM else self.rng.uniform(5, 60), self._sweep)

    def _look(self) -> None:
        job_id = f"job{self.rng.randrange(JOBS)}"
        self._invoke(f"look {job_id}", lambda runtime: look(job_id, runtime))
        if self.chances is not CALM:
            self._after(self.rng.uniform(1, 15), self._look)

    def _finish(self, task: VendorTask) -> None:
        vendor = self.world.vendor
        if self.rng.random() < self.chances.task_backlogged:
            vendor.fail(task, "RequestLimitExceeded")
        else:
            vendor.finish(task)
        self.tell("-", f"{task.id} of {_job_id(task)} is {task.state}")
        if self.rng.random() >= self.chances.callback_dropped:
            self._report(task)
        if self.rng.random() < self.chances.callback_repeated:
            self._report(task)

    def _report(self, task: VendorTask) -> None:
        job_id = _job_id(task)
        if task.session_id:
            self._invoke(f"call {job_id}", functools.partial(self._call_back, job_id, task))
        elif task.state == "done":
            attempt = int(_staged_at(task)[-1])
            self._invoke(f"stored {job_id}", lambda runtime: on_stored(job_id, attempt, runtime))

    def _call_back(self, job_id: str, task: VendorTask, runtime: Runtime) -> None:
        on_callback(job_id, task.session_id, task.id, runtime)
        self._heard.add(task.id)

    # Who goes on

    def _after(self, seconds: float, action: Callable[[], object]) -> None:
        due = self.world.clock.now() + timedelta(seconds=seconds)
        heapq.heappush(self._agenda, (due, next(self._numbers), action))

    def _invoke(self, name: str, work: Callable[[Runtime], object]) -> None:
        dies = self.rng.random() < self.chances.killed
        self._invocations.append(
            Invocation(
                name,
                lambda invocation: work(self._runtime(invocation)),
                self.world.clock,
                self.rng.randint(1, MOST_STEPS) if dies else 0,
            )
        )

    def _runtime(self, invocation: Invocation) -> Runtime:
        world = self.world
        bucket = FaultyStore(self, invocation, self._store)
        return Runtime(
            settings=world.settings,
            ledger=Ledger(bucket, lease=timedelta(seconds=LEASE_S), now=world.clock.now),
            bucket=bucket,
            kinds=KINDS,
            upstream=FaultyVendor(self, invocation),
            results=FaultyStore(self, invocation, world.results),
            inbox=world.inbox,
            downloads=FaultyDownloads(self, invocation),
            now=world.clock.now,
            sleep=invocation.pause,
            deadline=invocation.deadline,
        )

    def _step(self) -> None:
        """Let one of those who can go on do so; where none can, let time pass until one can."""
        clock = self.world.clock
        clock.pass_time(self.rng.choice([0.005, 0.02, 0.1]))
        while self._agenda[0][0] <= clock.now():
            heapq.heappop(self._agenda)[2]()
        ready = [one for one in self._invocations if one.wakes_at <= clock.now()]
        if ready:
            self._go_on(self.rng.choice(ready))
        else:
            wakes = [one.wakes_at for one in self._invocations]
            clock.moment = min([self._agenda[0][0], *wakes])

    def _go_on(self, invocation: Invocation) -> None:
        invocation.step()
        if not invocation.has_ended:
            return
        self._invocations.remove(invocation)
        error = invocation.error
        if isinstance(error, (Killed, CloudError)):
            self.tell(invocation.name, f"ends by {error!r}")
        elif error is not None:
            told = traceback.format_exception(type(error), error, error.__traceback__)
            self._crashes.append(f"{invocation.name} crashed: {''.join(told)}")

    # What must hold

    def _is_over(self) -> bool:
        since = (self.world.clock.now() - START).total_seconds() - FAULTS_S
        if since < 0 or self._invocations:
            return False
        return since > PATIENCE_S or not self._unfinished()

    def _count(self, lane: str) -> None:
        running = sum(
            task.state == "running" and _lane(task) == lane for task in self.world.vendor.tasks
        )
        if running > self.world.settings.lanes[lane]:
            self._overfull.append(f"{running} tasks at once in lane {lane}")

    def _problems(self) -> list[str]:
        return [
            *self._crashes,
            *self._overfull,
            *self._store.problems,
            *self._paid_twice(),
            *self._untrue(),
            *self._unfinished(),
        ]

    def _paid_twice(self) -> list[str]:
        paid = collections.Counter(map(_job_id, self._succeeded()))
        return [
            f"{times} tasks of {job_id} succeeded" for job_id, times in paid.items() if times > 1
        ]

    def _untrue(self) -> list[str]:
        """Find what is called failed though its task succeeded and we could know.

        MPS leaves its picture; VOD lists the task, or we have heard of it by a callback.
        """
        paid = {_job_id(task) for task in self._succeeded() if self._can_be_known(task)}
        return [
            f"{_told(job)} though its task succeeded"
            for job in self.jobs()
            if job.state == "failed" and job.id in paid
        ]

    def _can_be_known(self, task: VendorTask) -> bool:
        return not task.session_id or self.world.vendor.lists_tasks or task.id in self._heard

    def _unfinished(self) -> list[str]:
        ledger = [key for key in self._store.objects if not key.startswith(KEPT)]
        staged = [key for key in self.world.results.objects if key.startswith(STAGING)]
        endless = [f"{_told(job)} never ends" for job in self.jobs() if not job.has_ended]
        return [*endless, *(f"{key} is left" for key in (*ledger, *staged))]

    def _succeeded(self) -> list[VendorTask]:
        return [task for task in self.world.vendor.tasks if task.state == "done"]


def _job(body: bytes) -> Job:
    return Job.model_validate_json(body)


def _told(job: Job) -> str:
    return f"jobs/{job.id}.json ({job.state}, revision {job.revision})"


def _staged_at(task: VendorTask) -> list[str]:
    """Split the path where MPS leaves pictures: …/<job>/<attempt>/."""
    path: str = task.params["StoreCosParam"]["CosBucketPath"]
    return path.strip("/").split("/")


def _job_id(task: VendorTask) -> str:
    return task.session_id.rsplit("-", 1)[0] if task.session_id else _staged_at(task)[-2]


def _lane(task: VendorTask) -> str:
    if not task.session_id:
        return "mps.image"
    return "vod.image" if task.action == "CreateAigcImageTask" else "vod.scene_image"
