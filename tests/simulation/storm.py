"""Storms: many jobs and many workers while much goes wrong, the same for each seed.

Calls, repeats of them, status calls, cancellations, callbacks and sweeps arrive at random times;
each request has a random duration and a random outcome. For some minutes requests fail; then the
faults stop, and sweeps run until nothing is left to do. Everything is drawn from one list of
numbers, so a storm can be repeated, and shrunk.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import itertools
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import BadRecordError, CloudError
from aigc.jobs.accept import accept
from aigc.jobs.cancel import cancel
from aigc.jobs.settle import on_callback, on_stored, refresh
from aigc.sweeping import sweep
from tests.fakes import START
from tests.simulation.cases import HOOK, MODELS, order, takes_line
from tests.simulation.checks import broken_promises, unfinished
from tests.simulation.cloud import NO_RULES, TIMEOUT_S, Cloud
from tests.simulation.inbox import FOLDER, PHOTO, RULES, event
from tests.simulation.play import RAISED, captured_log, trace_line
from tests.simulation.storage import LANDS_WITHIN_S, STORAGES, Storage
from tests.simulation.workers import (
    BACKLOGGED,
    KILLED,
    LANDS_LATER,
    LATE,
    NO_ANSWER,
    NOT_SENT,
    OK,
    SENT_AGAIN,
    SENT_AGAIN_LATE,
    THROTTLED,
    Killed,
    Worker,
    controlled_randomness,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aigc.jobs.accept import Order
    from aigc.jobs.runtime import Runtime
    from tests.simulation.draws import Draws
    from tests.simulation.vendor import Task
    from tests.simulation.workers import Branch, Request

LANES = {"vod.image": 1, "vod.scene_image": 1, "mps.image": 2}
ARRIVAL_S = 120
"""Calls arrive within this time."""
FAULTS_S = 480
"""Requests fail within this time."""
LONG_S = 2 * 3600
"""After this time sweeps are rare."""
LAST_END_S = 10 * 86400 + 3 * 3600
"""How long after that a storm is stopped, if jobs are still open or objects are left over."""
VERSIONS = ((40, 0), (60, 0.5), (150, 1), (200, 0.5), (FAULTS_S, 0), (float("inf"), 1))
"""Until which second which share of the invocations runs the newer version."""
DURATIONS_S = (0.01, 0.03, 0.1, 0.5, 2, 9)
"""How long a slow request, or its answer, may take."""
DURATION_WEIGHTS = (40, 30, 20, 6, 3, 1)
RAISED_AFTER_S = 300
"""How long after the last fault a ceiling is raised."""
LATE_BY_S = (0.01, 0.1, 1, LANDS_WITHIN_S)
"""How much later a request takes effect whose worker no longer waits for it."""
REFUSALS = ("FailedOperation.UserArrears", "UnauthorizedOperation", "FailedOperation.SomethingNew")
"""Codes by which the account is refused."""
REFUSED_ACTIONS = (("Create",), ("Describe",), ("Create", "Describe", "Manage"))
"""Beginnings of the actions that are refused."""
LONG_RUNS_S = (3600, 86400, LAST_END_S)
"""How long a task runs that does not end in time."""
SDK_GIVES_UP_S = (1, 11)
"""How long the SDK waits for an answer: until the connection breaks, or until its timeout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How likely each fault is, from 0 to 1."""

    killed: float = 0
    slow: float = 0
    """The chance that a request takes longer than some hundredths of a second."""
    skewed_s: float = 0
    """How far a function's wall clock may be from the clock of COS; it jumps by as much, too."""
    cos_reply_lost: float = 0
    cos_failed: float = 0
    cos_throttled: float = 0
    create_throttled: float = 0
    create_backlogged: float = 0
    create_lost: float = 0
    query_lost: float = 0
    download_lost: float = 0
    hook_lost: float = 0
    hook_refused: float = 0
    lists_tasks: bool = True
    """Whether the vendor shows a session's task in its list."""
    task_backlogged: float = 0
    """A task fails for lack of capacity, after it was accepted."""
    task_failed: float = 0
    callback_dropped: float = 0
    callback_repeated: float = 0
    callback_late: float = 0
    order_repeated: float = 0
    order_cancelled: float = 0
    order_impatient: float = 0
    """The chance of a deadline by which the task must be sent."""
    order_hooked: float = 0
    """The chance of a webhook."""
    order_uploaded: float = 0
    """The chance that an upload takes the place of a call."""
    order_in_batch: float = 0
    """The chance that a repeatable order is a line of a batch, which waits for the next pump."""
    event_dropped: float = 0
    """The chance that no event reports an upload."""
    event_repeated: float = 0
    upload_copied: float = 0
    """The chance that an upload is copied onto itself later."""
    ceiling: int = 0
    """Images that may be made in a day, until it is raised minutes after the last fault; 0: any."""
    download_s: float = 0
    """How long a download takes at most, if not as long as any request."""
    images: int = 1
    """How many images a task makes at most."""
    denied_s: int = 0
    """For so many seconds the functions may not use the results bucket."""
    has_versions: bool = False
    """Whether a newer version is deployed, taken back, and deployed again."""
    task_endless: float = 0
    """The chance that a task runs for an hour, for a day, or for ever."""
    refused_s: int = 0
    """For so many seconds the vendor refuses the account, by a code and for actions that are
    drawn. It begins while calls arrive."""
    sleeps_days: int = 0
    """For so many days no function runs once the calls have arrived."""


CALM = Weather()
WEATHERS = {
    "events of uploads are lost": Weather(
        killed=0.02,
        slow=0.3,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        order_uploaded=0.7,
        event_dropped=0.3,
        event_repeated=0.3,
        upload_copied=0.3,
    ),
    "lines of batches are read twice": Weather(
        killed=0.03,
        slow=0.3,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        create_lost=0.05,
        order_repeated=0.6,
        order_in_batch=0.8,
    ),
    "requests are slow": Weather(slow=0.5),
    "calls are repeated": Weather(order_repeated=0.8),
    "functions are killed and the vendor is unreliable": Weather(
        killed=0.02,
        slow=0.3,
        create_throttled=0.4,
        create_backlogged=0.05,
        create_lost=0.3,
        query_lost=0.1,
        task_backlogged=0.1,
        task_failed=0.1,
        callback_dropped=0.1,
        callback_repeated=0.1,
        callback_late=0.2,
        order_repeated=0.3,
        order_cancelled=0.2,
        order_impatient=0.1,
        order_hooked=0.3,
        hook_lost=0.3,
        hook_refused=0.1,
    ),
    "answers of COS are lost": Weather(
        slow=0.3,
        skewed_s=1,
        cos_reply_lost=0.03,
        cos_failed=0.01,
        cos_throttled=0.01,
        callback_dropped=0.1,
        order_repeated=0.3,
        order_hooked=0.3,
    ),
    "most requests to COS fail": Weather(
        killed=0.01,
        slow=0.3,
        cos_reply_lost=0.1,
        cos_failed=0.05,
        cos_throttled=0.05,
        create_lost=0.1,
        download_lost=0.3,
        callback_repeated=0.1,
        order_repeated=0.3,
        order_cancelled=0.2,
        order_hooked=0.3,
    ),
    "most downloads of images fail": Weather(
        killed=0.01,
        slow=0.3,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        download_lost=0.7,
    ),
    "the vendor lists no tasks": Weather(
        killed=0.02,
        slow=0.3,
        cos_reply_lost=0.03,
        create_lost=0.3,
        callback_dropped=0.1,
        callback_repeated=0.3,
        lists_tasks=False,
    ),
    "a ceiling is reached": Weather(
        killed=0.02,
        slow=0.3,
        skewed_s=1,
        cos_reply_lost=0.03,
        cos_failed=0.01,
        cos_throttled=0.01,
        create_throttled=0.2,
        create_lost=0.2,
        task_backlogged=0.1,
        task_failed=0.2,
        callback_dropped=0.2,
        order_repeated=0.3,
        order_cancelled=0.2,
        order_impatient=0.1,
        ceiling=2,
    ),
    "no function runs for four days": Weather(
        killed=0.02,
        create_lost=0.2,
        callback_dropped=0.3,
        sleeps_days=4,
    ),
    "access to the results bucket is denied for a day": Weather(
        killed=0.01,
        slow=0.3,
        cos_reply_lost=0.01,
        callback_dropped=0.2,
        order_hooked=0.2,
        images=3,
        denied_s=86400,
    ),
    "storing is slow and functions are killed": Weather(
        killed=0.02,
        slow=0.3,
        cos_reply_lost=0.02,
        callback_repeated=0.3,
        images=9,
        download_s=40,
    ),
    "a newer version is deployed and taken back": Weather(
        killed=0.01,
        slow=0.3,
        create_throttled=0.1,
        create_lost=0.1,
        download_lost=0.2,
        callback_dropped=0.2,
        order_repeated=0.3,
        order_cancelled=0.1,
        order_hooked=0.2,
        images=2,
        has_versions=True,
    ),
    "the account is in arrears for a day": Weather(
        killed=0.01,
        slow=0.3,
        create_throttled=0.1,
        create_lost=0.1,
        callback_dropped=0.2,
        order_repeated=0.3,
        order_hooked=0.2,
        refused_s=86400,
    ),
    "answers of COS are lost while the account is refused": Weather(
        killed=0.02,
        slow=0.3,
        skewed_s=1,
        cos_reply_lost=0.05,
        cos_failed=0.02,
        cos_throttled=0.02,
        order_repeated=0.3,
        order_cancelled=0.2,
        order_impatient=0.1,
        refused_s=240,
    ),
    "tasks do not end": Weather(
        killed=0.02,
        slow=0.3,
        cos_reply_lost=0.02,
        query_lost=0.2,
        callback_dropped=0.3,
        task_endless=0.5,
    ),
    "clocks are an hour apart": Weather(
        killed=0.02,
        slow=0.3,
        skewed_s=3600,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        cos_throttled=0.01,
        create_lost=0.2,
        download_lost=0.1,
        callback_dropped=0.1,
        callback_repeated=0.2,
        order_repeated=0.5,
        order_cancelled=0.1,
        order_impatient=0.1,
        order_hooked=0.3,
    ),
    "everything": Weather(
        images=3,
        killed=0.02,
        slow=0.5,
        skewed_s=2,
        cos_reply_lost=0.03,
        cos_failed=0.02,
        cos_throttled=0.02,
        create_throttled=0.2,
        create_backlogged=0.05,
        create_lost=0.2,
        query_lost=0.2,
        download_lost=0.3,
        task_backlogged=0.2,
        task_failed=0.1,
        task_endless=0.1,
        refused_s=120,
        callback_dropped=0.5,
        callback_repeated=0.5,
        callback_late=0.3,
        order_repeated=0.6,
        order_cancelled=0.2,
        order_impatient=0.2,
        order_hooked=0.5,
        hook_lost=0.3,
        hook_refused=0.2,
    ),
}


class Storm:
    """One storm: its jobs, its workers, what happened, and which promises were broken."""

    def __init__(
        self, draws: Draws, weather: Weather, jobs: int = 8, storage: Storage | None = None
    ) -> None:
        self.draws = draws
        self.weather = weather
        self.storage = storage or draws.one_of(STORAGES)
        self.cloud = Cloud(LANES, RULES if weather.order_uploaded else NO_RULES)
        self.cloud.vendor.lists_tasks = weather.lists_tasks
        if weather.ceiling:
            self.cloud.limit(weather.ceiling)
        self.cloud.on_created = self._plan_task
        for bucket in (self.cloud.ledger, self.cloud.results, self.cloud.inbox):
            bucket.blind_s = self.storage.blind_s
            bucket.lag_s = self.storage.lag_s
            bucket.choose = self._choose_state if self.storage.lag_s else None
        self.requests = 0
        self.deaths = 0
        self.sweeps_needed = 0
        self._most_jobs = jobs
        self._ids: list[str] = []
        self._is_asleep = False
        self._has_versions = weather.has_versions
        self._crashes: list[str] = []
        self._lines: list[tuple[datetime, str, tuple[str, ...], str]] = []
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._workers: set[Worker] = set()
        self._branches: list[tuple[datetime, int, Branch, Request[object]]] = []
        """Branches by the time at which their request takes effect."""

    def run(self) -> list[str]:
        """Run to the end; return the broken promises."""
        with controlled_randomness(self.draws), captured_log() as errors:
            self._plan()
            while not (self._crashes or self.cloud.problems or self._is_over()):
                self._step()
            for worker in self._workers:
                worker.kill()
        unexpected = [*self._crashes, *errors.found]
        return unexpected or self.cloud.problems or broken_promises(self.cloud)

    def trace(self) -> str:
        """Return what happened, a line for each request."""
        return "\n".join(trace_line(*line) for line in self._lines)

    # The plan

    def _plan(self) -> None:
        kinds = [self.draws.one_of(list(MODELS)) for _ in range(2)]
        for number in range(1 + self.draws.which(*[1] * self._most_jobs)):
            self._plan_order(f"job{number}", self.draws.one_of(kinds))
        self._after(FAULTS_S, self._stop_faults)
        if self.weather.sleeps_days:
            self._after(ARRIVAL_S, self._fall_asleep)
        if self.weather.denied_s:
            self._after(ARRIVAL_S / 2, lambda: self._deny_results(is_denied=True))
            self._after(self.weather.denied_s, lambda: self._deny_results(is_denied=False))
        if self.weather.refused_s:
            self._plan_refusals()
        self._sweep()
        self._look()

    def _plan_order(self, job_id: str, kind: str) -> None:
        arrives = ARRIVAL_S * self.draws.fraction()
        if self.weather.order_uploaded and self.draws.happens(self.weather.order_uploaded):
            self._plan_upload(f"{FOLDER}{job_id}.png", arrives)
            return
        self._ids.append(job_id)
        has_deadline = self.draws.happens(self.weather.order_impatient)
        start_by = START + timedelta(seconds=arrives + 10 + 60 * self.draws.fraction())
        planned = order(
            job_id,
            kind,
            priority=self.draws.one_of([0, 0, 5]),
            start_by=start_by if has_deadline else None,
            webhook_url=HOOK if self.draws.happens(self.weather.order_hooked) else "",
            is_repeatable=self.draws.happens(0.5),
        )
        in_batch = self.weather.order_in_batch
        is_line = planned.is_repeatable and in_batch > 0 and self.draws.happens(in_batch)
        self._after(arrives, lambda: self._accept(planned, is_line=is_line))
        while planned.is_repeatable and self.draws.happens(self.weather.order_repeated):
            arrives += self.draws.one_of([0, 0, 0.05, 1, 60])
            self._after(arrives, lambda: self._accept(planned, is_line=is_line))
        if self.draws.happens(self.weather.order_cancelled):
            self._after(arrives + 60 * self.draws.fraction(), lambda: self._cancel(job_id))

    def _plan_upload(self, key: str, arrives: float) -> None:
        self._after(arrives, lambda: self.cloud.put_upload(key, PHOTO, "image/png"))
        if not self.draws.happens(self.weather.event_dropped):
            self._plan_event(key, arrives)
        if self.draws.happens(self.weather.upload_copied):
            copied = arrives + self.draws.one_of([1, 60, 600])
            self._after(copied, lambda: self.cloud.put_upload(key, PHOTO, "image/png"))
            self._plan_event(key, copied, "copy")

    def _plan_event(self, key: str, happens: float, request_id: str = "first") -> None:
        work = event(key, request_id)
        repeats = [0, 1, 60] if self.draws.happens(self.weather.event_repeated) else [0]
        for later in repeats:
            self._after(happens + later, lambda: self._invoke(f"event {key}", work))

    def _plan_refusals(self) -> None:
        code = self.draws.one_of(REFUSALS)
        actions = self.draws.one_of(REFUSED_ACTIONS)
        refused = self.cloud.vendor.refused
        begins = ARRIVAL_S * self.draws.fraction()
        self._after(begins, lambda: refused.update(dict.fromkeys(actions, code)))
        self._after(begins + self.weather.refused_s, refused.clear)

    def _stop_faults(self) -> None:
        if self.weather.ceiling:
            self._after(RAISED_AFTER_S, self._raise_ceiling)
        self.weather = CALM
        self._note("-", "no faults from here on")

    def _raise_ceiling(self) -> None:
        self.cloud.limit(RAISED)
        self._note("-", "the ceiling is raised")

    def _deny_results(self, *, is_denied: bool) -> None:
        self.cloud.results_denied = is_denied
        self._note("-", "the results bucket is denied" if is_denied else "it is open again")

    def _is_newer(self) -> bool:
        """Draw which version an invocation runs; a deployment takes a while."""
        if not self._has_versions:
            return False
        since = (self.cloud.clock.moment - START).total_seconds()
        share = next(share for until, share in VERSIONS if since < until)
        return self.draws.happens(share)

    def _fall_asleep(self) -> None:
        self._is_asleep = True
        self._after(self.weather.sleeps_days * 86400, self._wake_up)

    def _wake_up(self) -> None:
        self._is_asleep = False

    def _accept(self, planned: Order, *, is_line: bool) -> None:
        work = takes_line(planned) if is_line else functools.partial(accept, planned)
        self._invoke(f"accept {planned.id}", work)

    def _cancel(self, job_id: str) -> None:
        self._invoke(f"cancel {job_id}", functools.partial(cancel, job_id))

    def _sweep(self) -> None:
        is_calm = self.weather is CALM
        self.sweeps_needed += is_calm and not self._is_asleep
        self._invoke("sweep", sweep)
        # Days of refusals and of tasks without an end have a sweep each ten minutes, so that a
        # storm does not take too long.
        is_long = (self.cloud.clock.moment - START).total_seconds() > LONG_S
        calm_s = 600 if is_long else 60
        self._after(calm_s if is_calm else 5 + 55 * self.draws.fraction(), self._sweep)

    def _look(self) -> None:
        if self._ids:
            job_id = self.draws.one_of(self._ids)
            self._invoke(f"look {job_id}", functools.partial(refresh, job_id))
        if self.weather is not CALM:
            self._after(1 + 14 * self.draws.fraction(), self._look)

    def _plan_task(self, task: Task) -> None:
        if self.weather.images > 1:
            images = 1 + self.draws.which(*[1] * self.weather.images)
            self.cloud.vendor.set_images(task, images)
        runs_after = 5 * self.draws.which(2, 1)
        if runs_after and task.session_id:
            task.state = "waiting"
            self._after(runs_after, lambda: self._run_task(task))
        runs_s = 2 + 38 * self.draws.fraction()
        if self.draws.happens(self.weather.task_endless):
            runs_s = self.draws.one_of(LONG_RUNS_S)
        self._after(runs_after + runs_s, lambda: self._end_task(task))

    def _run_task(self, task: Task) -> None:
        if task.state == "waiting":
            task.state = "running"

    def _end_task(self, task: Task) -> None:
        if not task.is_open:
            return
        weather = self.weather
        ends = ("done", "RequestLimitExceeded", "InternalError")
        good = 1 - weather.task_backlogged - weather.task_failed
        end = ends[self.draws.which(good, weather.task_backlogged, weather.task_failed)]
        if end == "done":
            task.state = "done"
        else:
            self.cloud.vendor.fail(task, end)
        self._note("vendor", f"{task.id} ends: {end}")
        # It is not documented whether MPS's image appears before its task is done.
        self._after(3 * self.draws.which(2, 1), lambda: self._report_end(task))

    def _report_end(self, task: Task) -> None:
        weather = self.weather
        if task.state == "done":
            self.cloud.vendor.write_image(task)
        if not self.draws.happens(weather.callback_dropped):
            self._report(task)
        if self.draws.happens(weather.callback_repeated):
            self._report(task)

    def _report(self, task: Task) -> None:
        late_s = (
            300 * self.draws.fraction() if self.draws.happens(self.weather.callback_late) else 0
        )
        name = f"callback {task.job_id}-{task.attempt}"
        if task.session_id:
            work = functools.partial(self._call_back, task)
            self._after(late_s, lambda: self._invoke(name, work))
        elif task.state == "done":
            stored = functools.partial(on_stored, task.job_id, task.attempt)
            self._after(late_s, lambda: self._invoke(name, stored))

    def _call_back(self, task: Task, runtime: Runtime) -> None:
        on_callback(task.job_id, task.session_id, task.id, runtime)
        self.cloud.note_callback(task)

    # The scheduler

    def _after(self, seconds: float, action: Callable[[], object]) -> None:
        due = self.cloud.clock.moment + timedelta(seconds=seconds)
        heapq.heappush(self._agenda, (due, next(self._numbers), action))

    def _invoke(self, name: str, work: Callable[[Runtime], object]) -> None:
        if self._is_asleep:
            return
        number = next(self._numbers)
        skew_s = self.weather.skewed_s * (2 * self.draws.fraction() - 1)
        is_newer = self._is_newer()
        deadline = self.cloud.clock.moment + timedelta(seconds=TIMEOUT_S)

        def run(worker: Worker) -> object:
            worker.clock_skew_s = skew_s
            worker.is_newer = is_newer
            return work(self.cloud.runtime(worker))

        worker = Worker(f"{name} #{number}", run, deadline)
        self._workers.add(worker)
        self._schedule(worker)

    def _schedule(self, worker: Worker) -> None:
        """Decide when the new requests of a worker take effect."""
        if worker.has_ended:
            self._workers.discard(worker)
            self._report_error(worker)
            return
        now = self.cloud.clock.moment
        for branch in worker.pending:
            request = branch.pending
            assert request is not None
            if branch.scheduled is not request:
                branch.scheduled = request
                if not _is_second_step(request):
                    branch.sent_at = now
                wakes_at = now + timedelta(seconds=self._duration_s(request))
                heapq.heappush(self._branches, (wakes_at, next(self._numbers), branch, request))

    def _duration_s(self, request: Request[object]) -> float:
        if _is_second_step(request):
            return self.storage.window_s * self.draws.fraction() if self.storage.window_s else 0
        if request.verb.startswith("download") and self.weather.download_s:
            return self.weather.download_s * self.draws.fraction()
        return request.waits_s or self._transit_s()

    def _transit_s(self) -> float:
        if self.draws.happens(self.weather.slow):
            return DURATIONS_S[self.draws.which(*DURATION_WEIGHTS)]
        return 0.01 * (1 + self.draws.which(1, 1, 1))

    def _step(self) -> None:
        """Move the clock to the next request or event, whichever is earlier."""
        while self._branches and self._branches[0][2].pending is not self._branches[0][3]:
            heapq.heappop(self._branches)  # its worker was killed
        if self._branches and (not self._agenda or self._branches[0][0] <= self._agenda[0][0]):
            moment, _, branch, _ = heapq.heappop(self._branches)
            self.cloud.clock.moment = max(moment, self.cloud.clock.moment)
            self._resume(branch)
            if not self.storage.window_s and branch.pending and _is_second_step(branch.pending):
                self._resume(branch)
        else:
            moment, _, action = heapq.heappop(self._agenda)
            self.cloud.clock.moment = max(moment, self.cloud.clock.moment)
            action()

    def _resume(self, branch: Branch) -> None:
        request, worker = branch.pending, branch.worker
        assert request is not None
        if self.cloud.clock.moment > worker.deadline:
            self._kill(worker, "reaches its timeout")
            return
        outcome = self._outcome(request)
        self._note(branch.name, request.verb, *request.keys[:1], outcome=outcome)
        self.requests += 1
        if outcome == KILLED:
            self._kill(worker, "is killed")
            return
        if outcome in LATE:
            self._send_late(branch, request)
        branch.answer_delay_s = self._answer_delay_s(request, outcome)
        worker.resume(branch, outcome)
        self._schedule(worker)

    def _kill(self, worker: Worker, how: str) -> None:
        """Kill a worker; each of its writes is lost, takes effect, or takes effect later."""
        self.deaths += 1
        self._note(worker.name, how)
        requests = [(branch, branch.pending) for branch in worker.pending]
        worker.kill()
        for branch, request in requests:
            assert request is not None
            is_sent = request.changes and self.draws.happens(0.5)
            if is_sent and request.can_be_late and self.draws.happens(0.5):
                self._send_late(branch, request)
            elif is_sent:
                self._note(branch.name, request.verb, *request.keys[:1], outcome="takes effect")
                with contextlib.suppress(CloudError):
                    request.effect()
        self._schedule(worker)

    def _send_late(self, branch: Branch, request: Request[object]) -> None:
        def land() -> None:
            if self._is_refused(request):
                return
            self._note(branch.name, request.verb, *request.keys[:1], outcome="takes effect late")
            with contextlib.suppress(CloudError):
                request.effect()

        assert branch.sent_at is not None
        on_its_way_s = (self.cloud.clock.moment - branch.sent_at).total_seconds()
        self._after(min(self.draws.one_of(LATE_BY_S), max(0, LANDS_WITHIN_S - on_its_way_s)), land)

    def _is_refused(self, request: Request[object]) -> bool:
        """Whether a late create finds its key taken, where look and write are one step."""
        is_atomic = _is_second_step(request) and not self.storage.window_s
        return is_atomic and self.cloud.ledger.sees(request.keys[0])

    def _choose_state(self, states: int) -> int:
        return self.draws.which(*[1] * states)

    def _answer_delay_s(self, request: Request[object], outcome: str) -> float:
        if outcome not in {OK, THROTTLED, BACKLOGGED}:
            return self.draws.one_of(SDK_GIVES_UP_S)
        is_slow = bool(request.keys) and self.draws.happens(self.weather.slow)
        return self._transit_s() if is_slow else 0

    def _outcome(self, request: Request[object]) -> str:
        weather = self.weather
        if weather is CALM or not (request.keys or request.faults):
            return OK
        chances = {
            outcome: chance
            for outcome, chance in self._chances(request).items()
            if outcome in request.faults or (outcome in LATE and request.can_be_late)
        }
        outcomes = [OK, KILLED, *chances]
        weights = (weather.killed, *chances.values())
        return outcomes[self.draws.which(max(0, 1 - sum(weights)), *weights)]

    def _chances(self, request: Request[object]) -> Mapping[str, float]:
        weather, verb = self.weather, request.verb
        if verb.startswith("Create"):
            lost = weather.create_lost / 2
            return {
                NOT_SENT: lost,
                NO_ANSWER: lost,
                THROTTLED: weather.create_throttled,
                BACKLOGGED: weather.create_backlogged,
            }
        if verb.startswith(("Describe", "ManageTask")):
            return {NOT_SENT: weather.query_lost, NO_ANSWER: weather.query_lost}
        if verb.startswith("download"):
            return {NOT_SENT: weather.download_lost}
        if verb.startswith("POST"):
            lost = weather.hook_lost / 2
            return {THROTTLED: weather.hook_refused, NOT_SENT: lost, NO_ANSWER: lost}
        return self._chances_of_cos(request)

    def _chances_of_cos(self, request: Request[object]) -> Mapping[str, float]:
        weather = self.weather
        failed, lost = weather.cos_failed / 2, weather.cos_reply_lost
        chances = {THROTTLED: weather.cos_throttled, NOT_SENT: failed}
        if request.again is None:
            return {**chances, NO_ANSWER: (failed + lost) / 2, LANDS_LATER: (failed + lost) / 2}
        return {
            **chances,
            NO_ANSWER: failed / 2,
            LANDS_LATER: failed / 2,
            SENT_AGAIN: lost / 2,
            SENT_AGAIN_LATE: lost / 2,
        }

    def _report_error(self, worker: Worker) -> None:
        error = worker.error
        if error is None:
            return
        self._note(worker.name, f"ends by {error!r}")
        if not isinstance(error, (Killed, CloudError, BadRecordError)):
            self._crashes.append("".join(traceback.format_exception(error)))

    def _is_over(self) -> bool:
        since = (self.cloud.clock.moment - START).total_seconds() - FAULTS_S
        since -= self.weather.sleeps_days * 86400
        if self.weather is not CALM or since < 0 or self._workers or self._is_asleep:
            return False
        return since > LAST_END_S or not unfinished(self.cloud)

    def _note(self, subject: str, *what: str, outcome: str = OK) -> None:
        self._lines.append((self.cloud.clock.moment, subject, what, outcome))


def _is_second_step(request: Request[object]) -> bool:
    """Whether it is the write of a create that has looked before."""
    return request.verb == "create: write"
