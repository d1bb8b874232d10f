"""Small cases about an account that is refused, and about tasks that do not end."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tests.simulation.cases import LATER_S, MPS, UNKNOWN_S, accepts, looks
from tests.simulation.play import Case, Phase
from tests.simulation.sweeps import sweep
from tests.simulation.workers import BACKLOGGED, NO_ANSWER, NOT_SENT, SENT_AGAIN, THROTTLED

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from tests.simulation.cloud import Cloud, TaskApi
    from tests.simulation.play import Work

ARREARS = "FailedOperation.UserArrears"
NEW_CODE = "FailedOperation.SomethingNew"
CREATE = "CreateAigcImageTask"
NO_ANSWER_CODE = "InternalError"
MINUTE_S = 61
"""A minute, and some time to see that it has passed."""


def refuses(action: str, code: str = ARREARS) -> Work:
    """From now on the vendor refuses calls of an action."""

    def work(runtime: Runtime) -> None:
        cast("TaskApi", runtime.upstream).cloud.vendor.refused[action] = code

    return work


def is_repaired(runtime: Runtime) -> None:
    """From now on the vendor refuses nothing."""
    cast("TaskApi", runtime.upstream).cloud.vendor.refused.clear()


def task_ends(job_id: str) -> Work:
    """The vendor makes the image of a job."""

    def work(runtime: Runtime) -> None:
        cloud = cast("TaskApi", runtime.upstream).cloud
        [task] = [task for task in cloud.tasks() if task.job_id == job_id]
        cloud.vendor.finish(task)

    return work


def sweeps(*waits_s: float) -> tuple[Phase, ...]:
    """Sweep after each of these waits, one sweep after another."""
    return tuple(Phase(workers={"sweep": sweep}, after_s=seconds) for seconds in waits_s)


REPAIR = (Phase(workers={"repair": is_repaired}), *sweeps(900 + MINUTE_S))
ANSWERS_LOST = frozenset({THROTTLED, NOT_SENT, NO_ANSWER, BACKLOGGED, SENT_AGAIN})


def _records(cloud: Cloud) -> dict[str, Job]:
    return {job.id: job for job in cloud.jobs()}


def _probes_are_rare(cloud: Cloud) -> list[str]:
    """Check a lane of two slots and two jobs after seven minutes of sweeps."""
    refusals = cloud.vendor.refusals.get(CREATE, 0)
    problems = [f"{job.id} is {job.state}" for job in cloud.jobs() if job.state != "queued"]
    if not 3 <= refusals <= 5:
        problems.append(f"{refusals} calls were refused within seven minutes")
    return problems


def _all_are_sent(cloud: Cloud) -> list[str]:
    sent = {task.job_id for task in cloud.tasks()}
    return [] if sent == {"a", "b", "c"} else [f"only {sent} were sent after the repair"]


def _slot_is_used_again(cloud: Cloud) -> list[str]:
    sent = {task.job_id for task in cloud.tasks()}
    slot = _records(cloud)["a"].attempt.slot
    return [] if "b" in sent and slot is None else [f"only {sent} were sent; a has {slot}"]


def _next_job_is_tried(cloud: Cloud) -> list[str]:
    """Check a lane of one slot whose first job is not explained."""
    jobs = _records(cloud)
    first, second = jobs["a"].attempt, jobs["b"].attempt
    is_tried = first.slot is None and first.overdue_at is not None and second.is_ambiguous
    return [] if is_tried else [f"a has {first.slot}; b is {jobs['b'].state}"]


def _nothing_is_sent(cloud: Cloud) -> list[str]:
    sent = {task.job_id for task in cloud.tasks()}
    return [] if sent == {"a"} else [f"{sent} were sent although no query is answered"]


ACCOUNT = [
    Case(
        title="the account is refused while calls arrive",
        lanes={"vod.image": 2},
        before=(refuses("Create"),),
        phases=(
            Phase(workers={"accept a": accepts("a"), "accept b": accepts("b")}),
            *sweeps(MINUTE_S),
            *REPAIR,
        ),
        deaths=1,
        is_quick=False,
    ),
    Case(
        title="the account is refused and repaired between two sweeps",
        before=(refuses("Create"), accepts("a"), accepts("b")),
        phases=(
            Phase(
                workers={"repair": is_repaired, "sweep 1": sweep, "sweep 2": sweep},
                after_s=MINUTE_S,
            ),
            *sweeps(LATER_S, 900 + MINUTE_S),
        ),
        quick_switches=1,
    ),
    Case(
        title="requests fail while the account is refused",
        is_quick=False,
        before=(refuses("Create"),),
        phases=(Phase(workers={"accept a": accepts("a")}), *sweeps(MINUTE_S), *REPAIR),
        deaths=1,
        faults=1,
        faulty=("put", "get", "delete"),
        fault_outcomes=ANSWERS_LOST,
    ),
    Case(
        title="the account is refused after an answer was lost",
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"refuse": refuses("Create")}),
            *sweeps(LATER_S, 1900),
            *REPAIR,
        ),
        deaths=1,
        faults=1,
        faulty=("Create",),
        fault_outcomes=frozenset({NOT_SENT, NO_ANSWER}),
    ),
    Case(
        title="a call is refused with an unclear code after an answer was lost",
        lanes={"vod.image": 1},
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"refuse": refuses("Create", NEW_CODE)}),
            *sweeps(LATER_S, UNKNOWN_S, LATER_S),
            *REPAIR,
        ),
        callbacks=0,
        deaths=2,
        faults=1,
        faulty=("Create",),
        fault_outcomes=frozenset({NOT_SENT, NO_ANSWER}),
    ),
    Case(
        title="the outcome of a submission stays unknown",
        before=(refuses("Create", NO_ANSWER_CODE), accepts("a"), accepts("b")),
        phases=sweeps(LATER_S, UNKNOWN_S, LATER_S),
        check=_next_job_is_tried,
    ),
    Case(
        title="a callback arrives while the slot of its submission is released",
        phases=(
            Phase(workers={"accept a": accepts("a")}),
            Phase(workers={"sweep": sweep}, after_s=UNKNOWN_S),
        ),
        ends=("done",),
        lists_tasks=False,
        deaths=1,
        faults=1,
        faulty=("Create",),
        quick_switches=1,
        is_quick=False,
    ),
    Case(
        title="a paused lane is probed",
        lanes={"vod.image": 2},
        before=(refuses("Create"), accepts("a"), accepts("b")),
        phases=sweeps(*[MINUTE_S] * 7),
        check=_probes_are_rare,
    ),
    Case(
        title="the account is repaired while a lane is paused",
        lanes={"vod.image": 3},
        before=(refuses("Create"), accepts("a"), accepts("b"), accepts("c"), is_repaired),
        phases=sweeps(MINUTE_S),
        check=_all_are_sent,
    ),
    Case(
        title="several jobs are refused with an unclear code",
        before=(refuses("Create", NEW_CODE),),
        phases=(
            Phase(workers={"accept a": accepts("a"), "accept b": accepts("b")}),
            Phase(workers={"accept c": accepts("c")}),
            *sweeps(MINUTE_S),
            *REPAIR,
        ),
        deaths=1,
    ),
    Case(
        title="a query is refused",
        before=(accepts("a"), refuses("Describe")),
        phases=(
            Phase(workers={"look": looks("a"), "accept b": accepts("b")}),
            *sweeps(660, LATER_S),
        ),
        check=_nothing_is_sent,
        quick_switches=1,
    ),
    Case(
        title="a query is refused and answered again",
        before=(accepts("a", "mps.image"), refuses("Describe")),
        phases=(
            Phase(workers={"look": looks("a")}),
            *sweeps(660),
            *REPAIR,
        ),
        lanes=MPS,
        deaths=1,
    ),
    Case(
        title="a task does not end",
        before=(accepts("a"), accepts("b")),
        phases=(
            Phase(workers={"sweep": sweep, "look": looks("a")}, after_s=660),
            *sweeps(LATER_S, LATER_S, LATER_S),
        ),
        check=_slot_is_used_again,
        deaths=1,
        quick_switches=1,
        is_quick=False,
    ),
    Case(
        title="an overdue task ends",
        is_quick=False,
        before=(accepts("a"), accepts("b")),
        phases=(
            Phase(workers={"sweep": sweep}, after_s=660),
            *sweeps(LATER_S),
        ),
        ends=("done",),
        deaths=1,
    ),
    Case(
        title="a callback arrives while the slot of its task is released",
        before=(accepts("a"),),
        phases=(Phase(workers={"sweep": sweep}, after_s=660),),
        ends=("done",),
        quick_switches=2,
        is_quick=False,
    ),
    Case(
        title="an overdue task is settled after two invocations died",
        before=(accepts("a"),),
        phases=(
            *sweeps(660),
            Phase(workers={"the task ends": task_ends("a")}),
            *sweeps(LATER_S, LATER_S),
        ),
        callbacks=0,
        deaths=2,
    ),
]
