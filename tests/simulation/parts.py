"""Small cases that exercise one part of the protocol each, and the list of all small cases."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aigc.jobs.budget import reserve
from aigc.jobs.job import Slot
from aigc.jobs.ledger.slots import new_slot
from tests.fakes import START
from tests.simulation.account import ACCOUNT
from tests.simulation.cases import (
    CASES,
    LATER_S,
    MPS,
    accepts,
    cancels,
    looks,
    repeats,
    was_left,
)
from tests.simulation.contests import (
    CONTESTS,
    LANE,
    WON,
    more_than_one_winner,
    takes_slot_of_queue,
)
from tests.simulation.inbox import FOLDER, RULES, event, reconciles, uploads
from tests.simulation.play import LATE_LISTING, Case, Move, Phase
from tests.simulation.storing import STORING
from tests.simulation.sweeps import sweep
from tests.simulation.workers import NO_ANSWER, NOT_SENT, REFUSED, SENT_AGAIN, Killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.runtime import Runtime
    from tests.simulation.play import Work

HELD = "usage/held"
"""Where the holder of a slot keeps its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Fatal:
    """A port whose first request of one sort is the last one of its worker."""

    port: Any
    request: str

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fatal(*arguments: Any) -> Any:
            getattr(self.port, name)(*arguments)
            raise Killed

        return fatal if name == self.request else getattr(self.port, name)


def dies_over(work: Work, port: str, request: str) -> Work:
    """Do some work until a request of this sort has taken effect."""

    def until_killed(runtime: Runtime) -> None:
        ports: Any = {port: _Fatal(getattr(runtime, port), request)}
        work(dataclasses.replace(runtime, **ports))

    return until_killed


def dies_over_the_call(job_id: str, kind: str = "vod.image") -> Work:
    """Accept a job and send it, but do not live to see the answer."""
    return dies_over(accepts(job_id, kind), "upstream", "call")


def holds_slot(runtime: Runtime) -> None:
    """Take a slot, and keep its name for `gives_slot_back`."""
    slot = runtime.ledger.slots.take(LANE, 0, "holder")
    assert slot is not None
    runtime.ledger.bucket.put(HELD, slot.model_dump_json().encode())


def gives_slot_back(runtime: Runtime) -> None:
    """Release the slot that `holds_slot` took."""
    held = runtime.ledger.bucket.get(HELD)
    assert held is not None
    runtime.ledger.slots.release(LANE, Slot.model_validate_json(held), "holder")


def enters_slot(runtime: Runtime) -> None:
    """Take the first steps for a slot, and die."""
    slots, slot = runtime.ledger.slots, new_slot(0)
    slots.enter(LANE, slot, "dead")
    slots.mark(LANE, slot)


def frees_slot(runtime: Runtime) -> None:
    """Free a slot as a sweep does, if it finds no entry of a contender there."""
    ledger = runtime.ledger
    entries = ledger.lanes.view(LANE).entries(0)
    for entry in entries:
        if ledger.lease.has_expired(entry.modified):
            ledger.slots.forget(entry)
    if all(ledger.lease.has_expired(entry.modified) for entry in entries):
        ledger.slots.reclaim(LANE, 0)


def lets_time_pass(runtime: Runtime) -> None:
    """Wait until a sweep processes what no event has reported."""
    runtime.sleep(runtime.settings.reconcile_after_s + 1)


TWO_SWEEPS = (Phase(workers={"sweep 1": sweep, "sweep 2": sweep}, after_s=LATER_S),)
SOON = START + timedelta(seconds=20)


def reserves(job_id: str) -> Work:
    """A pump that notes that it has reserved a share for a job, and submits nothing."""

    def work(runtime: Runtime) -> None:
        job = runtime.ledger.records.read(job_id)
        assert job is not None
        if reserve(job, runtime) is None:
            runtime.ledger.bucket.put(f"{WON}ever {job_id}", b"")

    return work


PARTS = [
    Case(
        title="a slot becomes free while a job is accepted",
        before=(accepts("a"),),
        phases=(Phase(workers={"accept b": accepts("b")}),),
        ends=("done",),
        quick_switches=1,
    ),
    Case(
        title="a callback arrives while the sender is still running",
        phases=(Phase(workers={"accept a": accepts("a")}),),
        ends=("done",),
        quick_switches=2,
    ),
    Case(
        title="a status call runs at the same time as the sweep that settles and cleans up",
        before=(accepts("a"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"look": looks("a"), "sweep": sweep}),),
        callbacks=0,
        quick_switches=2,
    ),
    Case(
        title="sweeps are killed while they clean up after a refused call",
        phases=(
            Phase(workers={"accept a": repeats("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        deaths=2,
        faults=1,
        faulty=("Create",),
        fault_outcomes=frozenset({REFUSED}),
    ),
    Case(
        title="a call arrives after a slot was released again",
        before=(accepts("a"), accepts("b"), Move("task-a-1.0", "done")),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
            Phase(workers={"accept c": accepts("c")}),
        ),
        callbacks=0,
        faults=2,
        faulty=("download", "delete once"),
        fault_outcomes=frozenset({NOT_SENT, NO_ANSWER}),
    ),
    Case(
        title="a slot is released while two contend for it",
        is_quick=False,
        lanes={},
        before=(holds_slot,),
        phases=(
            Phase(
                workers={
                    "release": gives_slot_back,
                    "1": takes_slot_of_queue("ever 1"),
                    "2": takes_slot_of_queue("ever 2"),
                }
            ),
        ),
        faults=1,
        faulty=("delete",),
        fault_outcomes=frozenset({SENT_AGAIN}),
        check=more_than_one_winner,
        quick_switches=2,
    ),
    Case(
        title="a sweep releases a slot while two contend for it",
        lanes={},
        phases=(
            Phase(
                workers={
                    "1": takes_slot_of_queue("ever 1"),
                    "free": frees_slot,
                    "2": takes_slot_of_queue("ever 2"),
                }
            ),
        ),
        check=more_than_one_winner,
        quick_switches=2,
    ),
    Case(
        title="two sweeps release a slot while one contends for it",
        is_quick=False,
        lanes={},
        before=(enters_slot,),
        phases=(
            Phase(
                workers={
                    "free 1": frees_slot,
                    "free 2": frees_slot,
                    "1": takes_slot_of_queue("ever 1"),
                },
                after_s=LATER_S,
            ),
            Phase(workers={"2": takes_slot_of_queue("ever 2")}),
        ),
        check=more_than_one_winner,
        quick_switches=2,
    ),
    Case(
        title="two calls for the last share of a ceiling",
        phases=(Phase(workers={"accept a": accepts("a"), "accept b": accepts("b")}),),
        lanes={"vod.image": 2},
        ceiling=1,
        deaths=1,
        faults=1,
        is_quick=False,
    ),
    Case(
        title="two invocations reserve the last share of a ceiling",
        before=(was_left("a"), was_left("b")),
        phases=(Phase(workers={"reserve a": reserves("a"), "reserve b": reserves("b")}),),
        lanes={},
        ceiling=1,
        check=more_than_one_winner,
        quick_switches=1,
    ),
    Case(
        title="a job is cancelled while a sweep finds no share for it",
        before=(was_left("b"), accepts("a"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"sweep": sweep, "cancel": cancels("b")}),),
        ceiling=1,
        callbacks=0,
        quick_switches=1,
    ),
    Case(
        title="a submission whose outcome stays unknown uses its share",
        phases=(Phase(workers={"accept a": accepts("a", "mps.image")}),),
        lanes=MPS,
        ceiling=1,
        faults=1,
        faulty=("Create",),
        fault_outcomes=frozenset({NOT_SENT}),
    ),
    Case(
        title="two sweeps settle a failed job while another wants its share",
        before=(accepts("a"), Move("task-a-1.0", "InternalError")),
        phases=(
            Phase(workers={"sweep 1": sweep, "sweep 2": sweep, "accept b": accepts("b")}),
            Phase(workers={"accept c": accepts("c")}),
        ),
        ceiling=1,
        is_quick=False,
        quick_switches=1,
    ),
    Case(
        title="a job that waits for a share is cancelled while the sweep releases it",
        before=(accepts("a"), accepts("b"), Move("task-a-1.0", "InternalError")),
        phases=(Phase(workers={"sweep": sweep, "cancel": cancels("b")}),),
        ceiling=1,
        deaths=1,
    ),
    Case(
        title="a deadline passes while a waiting job is started",
        before=(was_left("a", start_by=SOON),),
        phases=(Phase(workers={"sweep": sweep}, joining={"look": looks("a")}),),
        pauses=1,
        quick_switches=2,
        is_quick=False,
    ),
    Case(
        title="a waiting job is cancelled while a sweep starts it",
        before=(was_left("a"),),
        phases=(Phase(workers={"sweep": sweep, "cancel": cancels("a")}),),
        quick_switches=2,
    ),
    Case(
        title="two sweeps find the images of a submission with an unknown outcome",
        before=(dies_over_the_call("a", "mps.image"), Move("task-mps-a-1.0", "done")),
        phases=TWO_SWEEPS,
        lanes=MPS,
        callbacks=0,
        quick_switches=1,
    ),
    Case(
        title="two sweeps repeat a call",
        before=(dies_over_the_call("a"),),
        phases=TWO_SWEEPS,
        callbacks=0,
        quick_switches=1,
    ),
    Case(
        title="the vendor has forgotten a session",
        before=(dies_over_the_call("a"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"sweep": sweep}, after_s=4 * 86400),),
        callbacks=0,
    ),
    Case(
        title="two sweeps continue to store images",
        before=(
            accepts("a"),
            Move("task-a-1.0", "done"),
            dies_over(looks("a"), "downloads", "fetch"),
        ),
        phases=TWO_SWEEPS,
        callbacks=0,
        quick_switches=1,
    ),
    Case(
        title="sweeps are killed before they remove the copies of MPS",
        before=(accepts("a", "mps.image"), Move("task-mps-a-1.0", "done")),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        lanes=MPS,
        callbacks=0,
        deaths=2,
    ),
]

A_PHOTO = f"{FOLDER}a"
UPLOADS = [
    Case(
        title="no event reports an upload",
        rules=RULES,
        before=(uploads(A_PHOTO),),
        phases=(Phase(workers={"reconcile": reconciles}, after_s=LATER_S),),
        deaths=1,
        faults=1,
        faulty=("put uploads/", "peek", "list"),
        quick_switches=0,
    ),
    Case(
        title="the event of an upload arrives while the sweep processes it",
        rules=RULES,
        before=(uploads(A_PHOTO), lets_time_pass),
        phases=(Phase(workers={"event": event(A_PHOTO), "reconcile": reconciles}),),
        deaths=1,
        quick_switches=1,
    ),
    Case(
        title="the event of an upload is repeated under another request id",
        rules=RULES,
        before=(uploads(A_PHOTO), event(A_PHOTO), uploads(A_PHOTO)),
        phases=(
            Phase(workers={"event": event(A_PHOTO, "second")}),
            Phase(workers={"reconcile": reconciles}, after_s=LATER_S),
        ),
        weak=1,
        weaknesses=frozenset({LATE_LISTING}),
    ),
    Case(
        title="an object is copied onto itself after its event's function died",
        rules=RULES,
        before=(uploads(A_PHOTO),),
        phases=(
            Phase(workers={"event": event(A_PHOTO)}),
            Phase(workers={"copy": uploads(A_PHOTO)}, after_s=LATER_S),
            Phase(workers={"event": event(A_PHOTO, "second")}),
        ),
        deaths=1,
    ),
]

ALL_CASES = [*CONTESTS, *CASES, *PARTS, *ACCOUNT, *UPLOADS, *STORING]
