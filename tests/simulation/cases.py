"""The small cases, each of which is searched in every order."""

from __future__ import annotations

import dataclasses
import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aigc.jobs.accept import Order, accept
from aigc.jobs.cancel import cancel
from aigc.jobs.dispatch import pump
from aigc.jobs.replay import replay
from aigc.jobs.settle import refresh
from aigc.tasks.kinds import KINDS
from tests.fakes import LEASE_S, START, a_call, an_output_location
from tests.jobs import TASKS
from tests.simulation.play import FORGOTTEN_S, Case, Move, Phase
from tests.simulation.sweeps import sweep

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from tests.simulation.play import Work

MODELS = {kind: KINDS[kind].model.model_validate(task) for kind, task in TASKS.items()}
HOOK = "https://example.com/hook"
LATER_S = LEASE_S + 5
UNKNOWN_S = 1900
"""After which a submission that nothing explains gives its slot back (VOD) or fails (MPS)."""


def order(job_id: str, kind: str = "vod.image", **more: Any) -> Order:
    """Order an image, under an id that no other call has."""
    return Order(
        id=job_id,
        kind=kind,
        task=MODELS[kind],
        source=a_call(),
        output_location=an_output_location(job_id),
        **{"is_repeatable": False, **more},
    )


def accepts(job_id: str, kind: str = "vod.image", **more: Any) -> Work:
    """A call that orders an image."""
    return functools.partial(accept, order(job_id, kind, **more))


def repeats(job_id: str) -> Work:
    """A call under an `Idempotency-Key`."""
    return accepts(job_id, is_repeatable=True)


def takes_line(line: Order) -> Work:
    """A reader of a batch: it accepts lines, and pumps their lanes at its end."""

    def work(runtime: Runtime) -> None:
        accept(line, runtime, starts=False)
        pump(line.kind, runtime)

    return work


def lines(job_id: str) -> Work:
    """A reader of a batch with one line."""
    return takes_line(order(job_id, is_repeatable=True))


def was_left(job_id: str, *, with_slot: bool = False, **more: Any) -> Work:
    """A worker that was killed before it took a slot for its job, or after."""

    def work(runtime: Runtime) -> None:
        without_time = runtime.limited_to(0)
        job = accept(order(job_id, **more), without_time).job
        if with_slot:
            runtime.ledger.slots.take(job.lane, 0, job.id)

    return work


def looks(job_id: str) -> Work:
    return functools.partial(refresh, job_id)


def cancels(job_id: str) -> Work:
    return functools.partial(cancel, job_id)


def replays(job_id: str) -> Work:
    return functools.partial(replay, job_id)


def bounded(case: Case, switches: int | None) -> Case:
    """The same case, with so many interruptions at most."""
    return dataclasses.replace(case, switches=switches)


MPS = {"mps.image": 1}

CASES = [
    Case(
        title="a new call is launched",
        is_quick=False,
        phases=(Phase(workers={"accept a": accepts("a")}),),
        deaths=1,
        faults=1,
        weak=1,
    ),
    Case(
        title="two calls for one slot",
        is_quick=False,
        quick_switches=1,
        phases=(Phase(workers={"accept a": accepts("a"), "accept b": accepts("b")}),),
        deaths=1,
        faults=1,
    ),
    Case(
        title="three calls for two slots",
        is_quick=False,
        quick_switches=1,
        phases=(Phase(workers={f"accept {one}": accepts(one) for one in "abc"}),),
        lanes={"vod.image": 2},
    ),
    Case(
        title="a call is repeated",
        is_quick=False,
        quick_switches=1,
        phases=(Phase(workers={"accept 1": repeats("a"), "accept 2": repeats("a")}),),
        deaths=1,
        faults=1,
    ),
    Case(
        title="two readers of a batch process the same line",
        is_quick=False,
        quick_switches=1,
        phases=(Phase(workers={"reader 1": lines("a"), "reader 2": lines("a")}),),
        deaths=1,
        faults=1,
    ),
    Case(
        title="a line of a batch is processed while the sweep runs",
        quick_switches=1,
        phases=(Phase(workers={"reader": lines("a"), "sweep": sweep}),),
        deaths=1,
    ),
    Case(
        title="a call is repeated while the sweep runs",
        is_quick=False,
        quick_switches=1,
        phases=(
            Phase(workers={"accept 1": repeats("a"), "accept 2": repeats("a"), "sweep": sweep}),
        ),
        deaths=1,
    ),
    Case(
        title="a task ends while its call is handled",
        phases=(Phase(workers={"accept a": accepts("a"), "sweep": sweep}),),
        ends=("done",),
        deaths=1,
        faults=1,
        is_quick=False,
    ),
    Case(
        title="callbacks, a status call and the sweep settle one job",
        before=(accepts("a"),),
        phases=(Phase(workers={"look": looks("a"), "sweep": sweep}),),
        ends=("done",),
        callbacks=2,
        deaths=1,
    ),
    Case(
        title="a slot passes to a waiting job while another call arrives",
        is_quick=False,
        quick_switches=1,
        before=(accepts("a"), accepts("b")),
        phases=(Phase(workers={"accept c": accepts("c")}),),
        ends=("done",),
        deaths=1,
    ),
    Case(
        title="two sweeps continue after an invocation died",
        is_quick=False,
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep 1": sweep, "sweep 2": sweep}, after_s=LATER_S),
        ),
        ends=("done",),
        deaths=2,
    ),
    Case(
        title="answers of the vendor are lost",
        is_quick=False,
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep": sweep, "look": looks("a")}, after_s=LATER_S),
        ),
        ends=("done",),
        faults=2,
        faulty=("Create", "Describe", "put"),
    ),
    Case(
        title="a task fails because the vendor has no capacity",
        is_quick=False,
        before=(accepts("a"), accepts("b")),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep, "accept c": accepts("c")}, after_s=LATER_S),
        ),
        ends=("RequestLimitExceeded",),
        deaths=1,
    ),
    Case(
        title="slow workers run at the same time as the sweep that replaces them",
        is_quick=False,
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep 1": sweep}, after_s=LATER_S),
        ),
        pauses=3,
        deaths=1,
    ),
    Case(
        title="a slow status call runs at the same time as the sweep that replaces it",
        is_quick=False,
        before=(accepts("a"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"look": looks("a")}, joining={"sweep": sweep}),),
        callbacks=0,
        pauses=2,
        quick_switches=2,
    ),
    Case(
        title="a callback arrives while the sender is killed, and the vendor lists no tasks",
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        ends=("done",),
        lists_tasks=False,
        deaths=1,
        faults=1,
        fault_outcomes=frozenset({"no answer"}),
        is_quick=False,
    ),
    Case(
        title="a call finds a job whose invocation died",
        before=(was_left("a"),),
        phases=(Phase(workers={"accept b": accepts("b")}),),
        lanes={"vod.image": 2},
        quick_switches=1,
    ),
    Case(
        title="two sweeps start a job whose invocation died",
        before=(was_left("a"),),
        phases=(Phase(workers={"sweep 1": sweep, "sweep 2": sweep}),),
        lanes={"vod.image": 2},
        quick_switches=1,
    ),
    Case(
        title="two sweeps release the slot of a killed worker",
        is_quick=False,
        before=(was_left("a", with_slot=True),),
        phases=(Phase(workers={"sweep 1": sweep, "sweep 2": sweep}, after_s=LATER_S),),
        quick_switches=2,
    ),
    Case(
        title="a deadline passes while the task is sent",
        phases=(
            Phase(
                workers={"accept a": accepts("a", start_by=START + timedelta(seconds=20))},
                joining={"look": looks("a")},
            ),
        ),
        pauses=1,
        deaths=1,
        quick_switches=1,
    ),
    Case(
        title="a slot is released before the images are stored",
        is_quick=False,
        before=(accepts("a"), accepts("b")),
        phases=(Phase(workers={"look": looks("a")}),),
        ends=("done",),
        faults=1,
        faulty=("download",),
        fault_outcomes=frozenset({"not sent"}),
        quick_switches=2,
    ),
    Case(
        title="a callback arrives when its job is declared failed",
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep": sweep}, after_s=FORGOTTEN_S),
        ),
        ends=("done",),
        lists_tasks=False,
        deaths=1,
        quick_switches=1,
        is_quick=False,
    ),
    Case(
        title="the release of a slot gets no answer",
        is_quick=False,
        before=(accepts("a"), accepts("b"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"look": looks("a"), "accept c": accepts("c")}),),
        callbacks=0,
        faults=1,
        faulty=("delete",),
        fault_outcomes=frozenset({"no answer", "sent again"}),
        quick_switches=1,
    ),
    Case(
        title="the sweep sees a webhook's marker before the job has ended",
        before=(accepts("a", webhook_url=HOOK), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"look": looks("a"), "sweep": sweep}),),
        callbacks=0,
        deaths=1,
        quick_switches=1,
    ),
    Case(
        title="an MPS task ends while its call is handled",
        is_quick=False,
        phases=(
            Phase(workers={"accept a": accepts("a", "mps.image")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        lanes=MPS,
        ends=("done",),
        deaths=1,
        faults=1,
    ),
    Case(
        title="a job is cancelled while it is submitted",
        phases=(Phase(workers={"accept a": accepts("a"), "cancel": cancels("a"), "sweep": sweep}),),
        ends=("done",),
        deaths=1,
    ),
    Case(
        title="a waiting job is cancelled while a slot becomes free",
        is_quick=False,
        before=(accepts("a"), accepts("b")),
        phases=(Phase(workers={"cancel b": cancels("b"), "cancel b again": cancels("b")}),),
        ends=("done",),
        deaths=1,
    ),
    Case(
        title="the first downloads of images fail",
        is_quick=False,
        before=(accepts("a"), accepts("b")),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        ends=("done",),
        faults=2,
        faulty=("download", "delete once"),
    ),
    Case(
        title="a failed job is replayed twice while the sweep runs",
        is_quick=False,
        quick_switches=1,
        before=(accepts("a"), Move("task-a-1.0", "InternalError")),
        phases=(
            Phase(
                workers={"replay 1": replays("a"), "replay 2": replays("a"), "sweep": sweep},
                after_s=LATER_S,
            ),
        ),
        deaths=1,
    ),
    Case(
        title="a webhook is sent at the end of the job and by the sweep",
        is_quick=False,
        before=(accepts("a", webhook_url=HOOK),),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        ends=("done",),
        deaths=1,
        faults=1,
        fault_outcomes=frozenset({"not sent", "no answer"}),
    ),
]
