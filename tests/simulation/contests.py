"""Small cases of mutual exclusion alone: contenders for one key, and nothing else."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from aigc.jobs.ledger.contest import Contest
from aigc.jobs.ledger.slots import new_slot
from tests.fakes import LEASE_S
from tests.simulation.play import Case, Phase

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from tests.simulation.cloud import Cloud
    from tests.simulation.play import Work

KEY = "claims/thing"
LANE = "lane"
MADE = "usage/made"
WON = "usage/won/"
LATER_S = LEASE_S + 5


def acquires(name: str) -> Work:
    """Contend for a key that is held for a lease."""

    def work(runtime: Runtime) -> None:
        if _contest(runtime).acquire(KEY) is not None:
            runtime.ledger.bucket.put(f"{WON}{name}", b"")

    return work


def takes_once(name: str) -> Work:
    """Contend for a key that is never released."""

    def work(runtime: Runtime) -> None:
        if _contest(runtime).take_once(KEY):
            runtime.ledger.bucket.put(f"{WON}{name}", b"")

    return work


def creates_once(name: str) -> Work:
    """Contend for the creation of an object."""

    def work(runtime: Runtime) -> None:
        if _contest(runtime).create_once(KEY, lambda: runtime.ledger.bucket.get(MADE)) is None:
            runtime.ledger.bucket.put(MADE, name.encode())
            runtime.ledger.bucket.put(f"{WON}{name}", b"")

    return work


def takes_slot(name: str) -> Work:
    """Contend for a slot, in the three steps of a launch."""

    def work(runtime: Runtime) -> None:
        slots, slot = runtime.ledger.slots, new_slot(0)
        is_entered = slots.enter(LANE, slot, name)
        if is_entered and slots.mark(LANE, slot) and slots.confirm(LANE, slot):
            runtime.ledger.bucket.put(f"{WON}{name}", b"")

    return work


def takes_slot_of_queue(name: str) -> Work:
    """Contend for a slot as a pump does."""

    def work(runtime: Runtime) -> None:
        if runtime.ledger.slots.take(LANE, 0, name) is not None:
            runtime.ledger.bucket.put(f"{WON}{name}", b"")

    return work


def _contest(runtime: Runtime) -> Contest:
    return Contest(runtime.ledger.bucket, runtime.ledger.lease, runtime.parallel)


def more_than_one_winner(cloud: Cloud) -> list[str]:
    """Find winners that won within the same phase; `acquire` may win again after a lease.

    A look that missed a key of a slot may add a winner: see `aigc.jobs.ledger.slots`.
    """
    missed = sum(key.startswith("lanes/") for key in cloud.ledger.missed)
    winners = [key.removeprefix(WON) for key in cloud.ledger.objects if key.startswith(WON)]
    phases = collections.Counter(name.split()[0] for name in winners)
    return [f"{winners} all won" for count in phases.values() if count > 1 + missed]


def _case(title: str, *phases: Phase, **more: int | None) -> Case:
    return Case(
        title=title,
        phases=phases,
        lanes={},
        check=more_than_one_winner,
        **more,  # type: ignore[arg-type]
    )


CONTESTS = [
    _case(
        "two contenders for a claim",
        Phase(workers={"1": acquires("first 1"), "2": acquires("first 2")}),
        deaths=1,
        faults=1,
        weak=2,
        quick_switches=None,
    ),
    _case(
        "three contenders for a claim",
        Phase(workers={name: acquires(f"first {name}") for name in "123"}),
        weak=1,
        quick_switches=2,
        is_quick=False,
    ),
    _case(
        "one of two contenders inherits a claim",
        Phase(workers={"1": acquires("first 1"), "2": acquires("first 2")}),
        Phase(workers={"3": acquires("second 3"), "4": acquires("second 4")}, after_s=LATER_S),
        deaths=1,
        weak=1,
        quick_switches=None,
        is_quick=False,
    ),
    _case(
        "two contenders for a key that is never released",
        Phase(workers={"1": takes_once("ever 1"), "2": takes_once("ever 2")}),
        quick_switches=3,
        is_quick=False,
    ),
    _case(
        "two contenders for a key that is never released, with faults",
        Phase(workers={"1": takes_once("ever 1"), "2": takes_once("ever 2")}),
        deaths=1,
        faults=1,
        weak=1,
        quick_switches=1,
        is_quick=False,
    ),
    _case(
        "two contenders for a slot",
        Phase(workers={"1": takes_slot("ever 1"), "2": takes_slot("ever 2")}),
        deaths=1,
        weak=1,
        quick_switches=3,
        is_quick=False,
    ),
    _case(
        "a launch and a pump contend for a slot",
        Phase(workers={"1": takes_slot("ever 1"), "2": takes_slot_of_queue("ever 2")}),
        quick_switches=3,
        is_quick=False,
    ),
    _case(
        "two pumps contend for a slot",
        Phase(workers={"1": takes_slot_of_queue("ever 1"), "2": takes_slot_of_queue("ever 2")}),
        deaths=1,
        quick_switches=3,
        is_quick=False,
    ),
    _case(
        "two contenders for a creation",
        Phase(workers={"1": creates_once("ever 1"), "2": creates_once("ever 2")}),
        quick_switches=3,
    ),
    _case(
        "two contenders for a creation, with faults",
        Phase(workers={"1": creates_once("ever 1"), "2": creates_once("ever 2")}),
        Phase(workers={"3": creates_once("ever 3")}, after_s=LATER_S),
        deaths=1,
        faults=1,
        weak=1,
        quick_switches=1,
        is_quick=False,
    ),
]
