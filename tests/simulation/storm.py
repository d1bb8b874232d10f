"""Many jobs and many functions for an hour of the cloud's worst weather, the same for each seed.

Orders, repeats of them, status calls, cancellations, callbacks and sweeps come as they may; each
request takes its time and has its fate, both drawn. For a time things go wrong; then they stop,
and the sweep goes on until nothing is left to do. All is drawn from one list of numbers, so a
storm can be told again, and told with less in it.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import CloudError
from aigc.jobs.accept import accept
from aigc.jobs.cancel import cancel
from aigc.jobs.recover import sweep
from aigc.jobs.settle import look, on_callback, on_stored
from tests.fakes import START
from tests.simulation.actors import Actor, Killed, determined
from tests.simulation.cases import HOOK, MODELS, order
from tests.simulation.cloud import TIMEOUT_S, Cloud, Task
from tests.simulation.play import told, watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.accept import Order
    from aigc.jobs.runtime import Runtime
    from tests.simulation.actors import Fate, Request
    from tests.simulation.draws import Draws

LANES = {"vod.image": 1, "vod.scene_image": 1, "mps.image": 2}
ARRIVAL_S = 120
"""Orders arrive within this time."""
FAULTS_S = 480
"""Things go wrong within this time."""
PATIENCE_S = 3 * 3600
"""How long after that all must have ended: the last of eight attempts may wait 24 minutes."""
TAKES_S = (0.01, 0.03, 0.1, 0.5, 2, 9)
"""How long a request may be under way, one way, and …"""
OFTEN = (40, 30, 20, 6, 3, 1)
"""… how often it is."""
SDK_GIVES_UP_S = (1, 11)
"""How long the SDK waits for what does not come: a broken connection, a time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How likely it is that something goes wrong, from 0 to 1."""

    killed: float = 0
    slow: float = 0
    """Whether requests take their time at all."""
    skewed_s: float = 0
    """How far a function's clock may be from the cloud's."""
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
    """A task fails for want of room, after it was accepted."""
    task_failed: float = 0
    callback_dropped: float = 0
    callback_repeated: float = 0
    callback_late: float = 0
    order_repeated: float = 0
    order_cancelled: float = 0
    order_impatient: float = 0
    """An order wants to be sent soon or not at all."""
    order_hooked: float = 0
    sleeps_days: int = 0
    """For so long nothing of ours runs once the orders are in."""


CALM = Weather()
WEATHERS = {
    "functions die and the vendor is unreliable": Weather(
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
    "the replies of COS are lost": Weather(
        slow=0.3,
        skewed_s=1,
        cos_reply_lost=0.03,
        cos_failed=0.01,
        cos_throttled=0.01,
        callback_dropped=0.1,
        order_repeated=0.3,
        order_hooked=0.3,
    ),
    "COS is hardly there": Weather(
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
    "pictures can seldom be fetched": Weather(
        killed=0.01,
        slow=0.3,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        download_lost=0.7,
    ),
    "the vendor does not list what it has": Weather(
        killed=0.02,
        slow=0.3,
        cos_reply_lost=0.03,
        create_lost=0.3,
        callback_dropped=0.1,
        callback_repeated=0.3,
        lists_tasks=False,
    ),
    "nothing of ours runs for four days": Weather(
        killed=0.02,
        create_lost=0.2,
        callback_dropped=0.3,
        sleeps_days=4,
    ),
    "everything": Weather(
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
    """One run: its jobs, its invocations, what happened and what should not have."""

    def __init__(self, draws: Draws, weather: Weather, jobs: int = 8) -> None:
        self.draws = draws
        self.weather = weather
        self.cloud = Cloud(LANES)
        self.cloud.vendor.lists_tasks = weather.lists_tasks
        self.cloud.on_created = self._plan_task
        self.requests = 0
        self.deaths = 0
        self.sweeps_needed = 0
        self._most_jobs = jobs
        self._ids: list[str] = []
        self._is_asleep = False
        self._crashes: list[str] = []
        self._lines: list[tuple[datetime, str, tuple[str, ...], str]] = []
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._actors: list[tuple[datetime, int, Actor]] = []

    def run(self) -> list[str]:
        """Run to the end; return what went against the promises."""
        with determined(self.draws), watched() as faults:
            self._plan()
            while not (self._crashes or self.cloud.problems or self._is_over()):
                self._step()
            for _, _, actor in self._actors:
                actor.kill()
        found = [*self._crashes, *faults.found]
        return found or self.cloud.problems or self.cloud.broken_promises()

    def story(self) -> str:
        """Tell what happened, a line for each request."""
        return "\n".join(told(*line) for line in self._lines)

    # What is to happen

    def _plan(self) -> None:
        kinds = [self.draws.one_of(list(MODELS)) for _ in range(2)]
        for number in range(1 + self.draws.which(*[1] * self._most_jobs)):
            self._plan_order(f"job{number}", self.draws.one_of(kinds))
        self._after(FAULTS_S, self._calm_down)
        if self.weather.sleeps_days:
            self._after(ARRIVAL_S, self._fall_asleep)
        self._sweep()
        self._look()

    def _plan_order(self, job_id: str, kind: str) -> None:
        self._ids.append(job_id)
        arrives = ARRIVAL_S * self.draws.fraction()
        impatient = self.draws.happens(self.weather.order_impatient)
        by = START + timedelta(seconds=arrives + 10 + 60 * self.draws.fraction())
        wanted = order(
            job_id,
            kind,
            priority=self.draws.one_of([0, 0, 5]),
            start_by=by if impatient else None,
            webhook_url=HOOK if self.draws.happens(self.weather.order_hooked) else "",
        )
        self._after(arrives, lambda: self._accept(wanted))
        while self.draws.happens(self.weather.order_repeated):
            arrives += self.draws.one_of([0, 0.05, 1, 60])
            self._after(arrives, lambda: self._accept(wanted))
        if self.draws.happens(self.weather.order_cancelled):
            self._after(arrives + 60 * self.draws.fraction(), lambda: self._cancel(job_id))

    def _calm_down(self) -> None:
        self.weather = CALM
        self._tell("-", "from here on nothing goes wrong")

    def _fall_asleep(self) -> None:
        self._is_asleep = True
        self._after(self.weather.sleeps_days * 86400, self._wake_up)

    def _wake_up(self) -> None:
        self._is_asleep = False

    def _accept(self, wanted: Order) -> None:
        self._invoke(f"accept {wanted.id}", functools.partial(accept, wanted))

    def _cancel(self, job_id: str) -> None:
        self._invoke(f"cancel {job_id}", functools.partial(cancel, job_id))

    def _sweep(self) -> None:
        is_calm = self.weather is CALM
        self.sweeps_needed += is_calm and not self._is_asleep
        self._invoke("sweep", sweep)
        self._after(60 if is_calm else 5 + 55 * self.draws.fraction(), self._sweep)

    def _look(self) -> None:
        job_id = self.draws.one_of(self._ids)
        self._invoke(f"look {job_id}", functools.partial(look, job_id))
        if self.weather is not CALM:
            self._after(1 + 14 * self.draws.fraction(), self._look)

    def _plan_task(self, task: Task) -> None:
        runs_after = 5 * self.draws.which(2, 1)
        if runs_after and task.session_id:
            task.state = "waiting"
            self._after(runs_after, lambda: self._run_task(task))
        self._after(runs_after + 2 + 38 * self.draws.fraction(), lambda: self._end_task(task))

    def _run_task(self, task: Task) -> None:
        if task.state == "waiting":
            task.state = "running"

    def _end_task(self, task: Task) -> None:
        if not task.is_open:
            return
        weather = self.weather
        fates = ("done", "RequestLimitExceeded", "InternalError")
        good = 1 - weather.task_backlogged - weather.task_failed
        fate = fates[self.draws.which(good, weather.task_backlogged, weather.task_failed)]
        if fate == "done":
            task.state = "done"
        else:
            self.cloud.vendor.fail(task, fate)
        self._tell("vendor", f"{task.id} ends: {fate}")
        # Whether MPS's picture shows before its task is done is not documented.
        self._after(3 * self.draws.which(2, 1), lambda: self._report_end(task))

    def _report_end(self, task: Task) -> None:
        weather = self.weather
        if task.state == "done":
            self.cloud.vendor.leave_picture(task)
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
        self.cloud.hear(task)

    # Who goes on

    def _after(self, seconds: float, action: Callable[[], object]) -> None:
        due = self.cloud.clock.moment + timedelta(seconds=seconds)
        heapq.heappush(self._agenda, (due, next(self._numbers), action))

    def _invoke(self, name: str, work: Callable[[Runtime], object]) -> None:
        if self._is_asleep:
            return
        number = next(self._numbers)
        skew_s = self.weather.skewed_s * (2 * self.draws.fraction() - 1)
        deadline = self.cloud.clock.moment + timedelta(seconds=TIMEOUT_S)

        def run(actor: Actor) -> object:
            actor.skew_s = skew_s
            return work(self.cloud.runtime(actor))

        self._wait_for(Actor(f"{name} #{number}", run, deadline))

    def _wait_for(self, actor: Actor) -> None:
        if actor.pending is None:
            self._look_at_end(actor)
            return
        takes_s = actor.pending.waits_s or self._takes_s()
        wakes_at = self.cloud.clock.moment + timedelta(seconds=takes_s)
        heapq.heappush(self._actors, (wakes_at, next(self._numbers), actor))

    def _takes_s(self) -> float:
        if self.draws.happens(self.weather.slow):
            return TAKES_S[self.draws.which(*OFTEN)]
        return 0.01 * (1 + self.draws.which(1, 1, 1))

    def _step(self) -> None:
        """Let time pass until something happens or somebody goes on, whichever comes first."""
        if self._actors and (not self._agenda or self._actors[0][0] <= self._agenda[0][0]):
            moment, _, actor = heapq.heappop(self._actors)
            self.cloud.clock.moment = max(moment, self.cloud.clock.moment)
            self._go_on(actor)
        else:
            moment, _, action = heapq.heappop(self._agenda)
            self.cloud.clock.moment = max(moment, self.cloud.clock.moment)
            action()

    def _go_on(self, actor: Actor) -> None:
        request = actor.pending
        assert request is not None
        fate = self._fate(request)
        if self.cloud.clock.moment > actor.deadline:
            # What is under way when the platform ends a function may arrive all the same.
            fate = "dies"
            if not request.changes or self.draws.happens(0.5):
                self._tell(actor.name, "has worked for too long and is ended")
                actor.kill()
                return
        self._tell(actor.name, request.verb, *request.keys[:1], fate=fate)
        self.requests += 1
        self.deaths += fate == "dies"
        actor.hears_after_s = self._hears_after_s(request, fate)
        actor.resume(fate)
        self._wait_for(actor)

    def _hears_after_s(self, request: Request[object], fate: Fate) -> float:
        if fate in {"not sent", "no answer", "sent again"}:
            return self.draws.one_of(SDK_GIVES_UP_S)
        return self._takes_s() if request.keys and self.draws.happens(self.weather.slow) else 0

    def _fate(self, request: Request[object]) -> Fate:
        weather = self.weather
        if weather is CALM or not (request.keys or request.faults):
            return "ok"
        chances = self._chances(request)
        chances = {fate: chance for fate, chance in chances.items() if fate in request.faults}
        fates: list[Fate] = ["ok", "dies", *chances]
        bad = (weather.killed, *chances.values())
        return fates[self.draws.which(max(0, 1 - sum(bad)), *bad)]

    def _chances(self, request: Request[object]) -> dict[Fate, float]:
        weather, verb = self.weather, request.verb
        if verb.startswith("Create"):
            lost = weather.create_lost / 2
            refused: dict[Fate, float] = {
                "throttled": weather.create_throttled,
                "backlogged": weather.create_backlogged,
            }
            return {"not sent": lost, "no answer": lost, **refused}
        if verb.startswith(("Describe", "ManageTask")):
            return {"not sent": weather.query_lost, "no answer": weather.query_lost}
        if verb.startswith("download"):
            return {"not sent": weather.download_lost}
        if verb.startswith("POST"):
            lost = weather.hook_lost / 2
            return {"throttled": weather.hook_refused, "not sent": lost, "no answer": lost}
        lost = weather.cos_failed / 2
        again = weather.cos_reply_lost
        unheard = lost if "sent again" in request.faults else lost + again
        return {
            "throttled": weather.cos_throttled,
            "not sent": lost,
            "no answer": unheard,
            "sent again": again,
        }

    def _look_at_end(self, actor: Actor) -> None:
        error = actor.error
        if error is None:
            return
        self._tell(actor.name, f"ends by {error!r}")
        if not isinstance(error, (Killed, CloudError)):
            self._crashes.append("".join(traceback.format_exception(error)))

    def _is_over(self) -> bool:
        since = (self.cloud.clock.moment - START).total_seconds() - FAULTS_S
        since -= self.weather.sleeps_days * 86400
        if self.weather is not CALM or since < 0 or self._actors or self._is_asleep:
            return False
        return since > PATIENCE_S + 10 * 86400 or not self.cloud.unfinished()

    def _tell(self, who: str, *what: str, fate: str = "ok") -> None:
        self._lines.append((self.cloud.clock.moment, who, what, fate))
