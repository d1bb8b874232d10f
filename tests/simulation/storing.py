"""Small cases about storing and restoring images, and about records of a newer version."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import TYPE_CHECKING

from aigc.errors import BadImageError
from aigc.jobs import restore as restoring
from aigc.jobs.job import FORMAT
from aigc.jobs.settle import refresh
from tests.simulation.cases import HOOK, LATER_S, MPS, accepts, looks
from tests.simulation.checks import NO_IMAGE
from tests.simulation.play import Case, Move, Phase
from tests.simulation.sweeps import sweep

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from tests.simulation.cloud import Cloud
    from tests.simulation.play import Work


class _BadDownloads:
    """The vendor's files as they are while something is wrong with them."""

    def fetch(self, url: str) -> bytes:
        raise BadImageError(f"{url} {NO_IMAGE}")


def fails_to_store(job_id: str) -> Work:
    """Settle a job whose image is none."""

    def work(runtime: Runtime) -> None:
        refresh(job_id, dataclasses.replace(runtime, downloads=_BadDownloads()))

    return work


def restores(job_id: str) -> Work:
    return lambda runtime: restoring.restore(job_id, runtime)


def is_written_in_format(number: int, job_id: str) -> Work:
    """Write a record as a version with another format does."""

    def work(runtime: Runtime) -> None:
        key = f"jobs/{job_id}.json"
        record = json.loads(runtime.ledger.bucket.get(key) or b"")
        runtime.ledger.bucket.put(key, json.dumps({**record, "record_format": number}).encode())

    return work


is_newer = functools.partial(is_written_in_format, FORMAT + 1)


def goes_on(job_id: str) -> Work:
    """Sweep by a version that can read the record of a job."""

    def work(runtime: Runtime) -> None:
        is_written_in_format(FORMAT, job_id)(runtime)
        sweep(runtime)

    return work


def without_slot_while_storing(cloud: Cloud) -> list[str]:
    """Find jobs that are stored and keep the slot in which another job could run."""
    states = {record["id"]: record["state"] for record in cloud.records()}
    is_idle = states["a"] == "storing" and states["b"] == "queued"
    return ["b waits although the task of a has ended"] if is_idle else []


LEFT = (accepts("a"), Move("task-a-1.0", "done"))

STORING = [
    Case(
        title="a job of a newer version runs while an older one sweeps",
        before=(accepts("a"), is_newer("a")),
        phases=(
            Phase(workers={"sweep": sweep, "accept b": accepts("b")}, after_s=LATER_S),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
            Phase(workers={"the newer version": goes_on("a")}),
        ),
    ),
    Case(
        title="a job of a newer version waits while an older one sweeps",
        before=(accepts("a"), accepts("b"), is_newer("b"), Move("task-a-1.0", "done")),
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep 1": sweep, "sweep 2": sweep}, after_s=LATER_S),
            Phase(workers={"the newer version": goes_on("b")}),
        ),
        callbacks=0,
        deaths=1,
    ),
    Case(
        title="images are stored while a job waits for the slot",
        before=(accepts("a"), accepts("b"), Move("task-a-1.0", "done")),
        phases=(Phase(workers={"look": looks("a")}),),
        callbacks=0,
        faults=1,
        faulty=("download",),
        fault_outcomes=frozenset({"not sent"}),
        check=without_slot_while_storing,
        quick_switches=1,
    ),
    Case(
        title="functions are killed while they store three images",
        is_quick=False,
        before=LEFT,
        images=3,
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        callbacks=0,
        deaths=2,
    ),
    Case(
        title="two sweeps store three images",
        before=LEFT,
        images=3,
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep 1": sweep, "sweep 2": sweep}, after_s=LATER_S),
        ),
        callbacks=0,
        deaths=1,
    ),
    Case(
        title="three images of MPS are stored by functions that are killed",
        is_quick=False,
        before=(accepts("a", "mps.image"), Move("task-mps-a-1.0", "done")),
        lanes=MPS,
        images=3,
        phases=(
            Phase(workers={"look": looks("a")}),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        callbacks=0,
        deaths=1,
        weak=1,
    ),
    Case(
        title="a failed job is restored twice while the sweep runs",
        is_quick=False,
        quick_switches=1,
        before=(*LEFT, fails_to_store("a")),
        phases=(
            Phase(
                workers={"restore 1": restores("a"), "restore 2": restores("a"), "sweep": sweep},
                after_s=LATER_S,
            ),
        ),
        callbacks=0,
        ends=("done",),
        deaths=1,
    ),
    Case(
        title="a failed job with a webhook is restored",
        before=(
            accepts("a", webhook_url=HOOK),
            Move("task-a-1.0", "done"),
            fails_to_store("a"),
        ),
        phases=(
            Phase(workers={"restore": restores("a")}, after_s=LATER_S),
            Phase(workers={"sweep": sweep}, after_s=LATER_S),
        ),
        callbacks=0,
        deaths=1,
        faults=1,
        fault_outcomes=frozenset({"not sent", "no answer"}),
        is_quick=False,
    ),
]
