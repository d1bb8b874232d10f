"""Jobs in a world in memory: orders for them, and sweeps until the jobs have ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aigc.jobs.accept import Order, accept
from aigc.sweeping import sweep
from aigc.tasks.kinds import KINDS
from tests.fakes import LEASE_S, a_call, an_id, an_output_location

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from tests.fakes import World

TASKS: dict[str, dict[str, Any]] = {
    "vod.image": {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"},
    "vod.scene_image": {
        "scene_info": {"type": "product_image", "product_image_config": {"prompt": "on a table"}},
        "file_infos": [{"type": "Url", "url": "https://example.com/a.png"}],
    },
    "mps.image": {"model_name": "Hunyuan", "prompt": "a cat"},
}

SERVICES = ("vod.image", "mps.image")
"""One kind of each vendor's service; the scenes of VOD follow the protocol of its images."""


class KilledError(BaseException):
    """The platform ends the process."""


def order(
    kind: str = "vod.image",
    job_id: str = "",
    *,
    priority: int = 0,
    is_repeatable: bool = True,
    visible_label: bool = False,
    **task: Any,
) -> Order:
    return Order(
        id=job_id or an_id(),
        kind=kind,
        task=KINDS[kind].model.model_validate(TASKS[kind] | task),
        source=a_call(),
        output_location=an_output_location(),
        priority=priority,
        is_repeatable=is_repeatable,
        visible_label=visible_label,
    )


def accepted(world: World, kind: str = "vod.image", **changes: Any) -> Job:
    return accept(order(kind, **changes), world.runtime()).job


def read(world: World, job: Job) -> Job:
    current = world.runtime().ledger.records.read(job.id)
    assert current is not None
    return current


def sweeps(world: World, seconds: float, each_s: float = 60) -> None:
    """Let the sweep run at an interval for some time; an invocation may be killed."""
    until = world.clock.moment + timedelta(seconds=seconds)
    while world.clock.moment < until:
        world.clock.pass_time(each_s)
        try:
            sweep(world.runtime())
        except KilledError:
            continue


def only_records_are_left(world: World) -> bool:
    """Sweep once all leases are over; return whether the ledger has nothing but its records."""
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    kept = ("jobs/", "index/", "images/", "usage/", "deliveries/", "dead/", "sweep/")
    return all(key.startswith(kept) for key in world.ledger_keys())
