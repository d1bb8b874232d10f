"""Captures what this version keeps of jobs in flight: `python -m tests.records.capture NAME`.

It is run once for a release, by the code of that release. Later versions must read and finish the
jobs of its file: see `test_earlier_records.py`.
"""

from __future__ import annotations

import base64
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from aigc.errors import AmbiguousError, BadImageError
from aigc.jobs.accept import Order, accept
from aigc.jobs.cancel import cancel
from aigc.jobs.settle import refresh
from aigc.tasks.kinds import KINDS
from tests.fakes import World, a_call, an_output_location, build_world
from tests.jobs import TASKS, KilledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.tasks.kind import ApiCall
    from tests.fakes import InMemoryStore

FOLDER = Path(__file__).parent
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
HOOK = "https://example.com/hook"


def submit(world: World, job_id: str, kind: str = "vod.image", **options: Any) -> None:
    """Accept a job; start it if its lane has a free slot."""
    task = KINDS[kind].model.model_validate(TASKS[kind])
    location = an_output_location(job_id)
    order = Order(
        id=job_id, kind=kind, task=task, source=a_call(), output_location=location, **options
    )
    accept(order, world.runtime())


def running(world: World) -> None:
    """Run one job of each kind."""
    for number, kind in enumerate(TASKS):
        submit(world, f"job{number}", kind, webhook_url=HOOK)


def queued(world: World) -> None:
    """Run one job and let two wait, one of them with a priority."""
    submit(world, "first")
    submit(world, "second", priority=5)
    submit(world, "third", is_repeatable=False)


def queued_again(world: World) -> None:
    """Let a job wait since the vendor had no capacity."""
    world.vendor.next_creates = ["throttle"] * 4
    submit(world, "throttled")


def submitting(world: World) -> None:
    """Kill the invocation between the call and its answer."""
    call = world.vendor.call

    def killed(api_call: ApiCall) -> dict[str, Any]:
        call(api_call)
        raise KilledError

    with patch.object(world.vendor, "call", killed):
        for number, kind in enumerate(TASKS):
            _until_killed(functools.partial(submit, world, f"job{number}", kind))


def ambiguous(world: World) -> None:
    """Lose the vendor's answers, so that nothing shows whether the tasks were accepted."""
    world.vendor.lists_tasks = False
    for number, kind in enumerate(TASKS):
        world.vendor.next_creates = ["lost_reply"]
        submit(world, f"job{number}", kind)
    world.vendor.lists_tasks = True


def storing(world: World) -> None:
    """Kill the invocation that downloads an image."""
    submit(world, "killed")
    world.vendor.finish(world.vendor.tasks[-1])
    world.downloads.errors = [KilledError()]  # type: ignore[list-item]  # a kill
    _until_killed(lambda: refresh("killed", world.runtime()))


def storing_later(world: World) -> None:
    """Leave an image that could not be downloaded to the sweep."""
    submit(world, "later")
    world.vendor.finish(world.vendor.tasks[-1])
    world.downloads.errors = [AmbiguousError("download")]
    refresh("later", world.runtime())


def partly_stored(world: World) -> None:
    """Store the first of two images of two jobs; one continues, the other fails."""
    for job_id, error in (
        ("continues", AmbiguousError("download")),
        ("unusable", BadImageError("no image")),
    ):
        submit(world, job_id)
        task = world.vendor.tasks[-1]
        world.vendor.urls[task.id] = [f"http://vendor/{task.id}-{number}.png" for number in (1, 2)]
        world.vendor.finish(task)
        with patch.object(world.downloads, "fetch", side_effect=[world.downloads.data, error]):
            refresh(job_id, world.runtime())


def ended(world: World) -> None:
    """End one job as succeeded and one as failed."""
    submit(world, "succeeded", webhook_url=HOOK)
    world.vendor.finish(world.vendor.tasks[-1])
    refresh("succeeded", world.runtime())
    submit(world, "failed")
    world.vendor.finish(world.vendor.tasks[-1])
    world.downloads.errors = [BadImageError("no image")]
    refresh("failed", world.runtime())


def cancelled(world: World) -> None:
    """Cancel a job that waits behind another one."""
    submit(world, "first")
    submit(world, "cancelled")
    cancel("cancelled", world.runtime())


SCENES: tuple[Callable[[World], None], ...] = (
    running,
    queued,
    queued_again,
    submitting,
    ambiguous,
    storing,
    storing_later,
    partly_stored,
    ended,
    cancelled,
)


def _until_killed(work: Callable[[], object]) -> None:
    try:
        work()
    except KilledError:
        return
    raise AssertionError("the invocation was not killed")


def _objects(store: InMemoryStore) -> dict[str, dict[str, str]]:
    return {
        key: {"body": base64.b64encode(body).decode(), "modified": modified.isoformat()}
        for key, (body, modified) in sorted(store.objects.items())
    }


def captured(scene: Callable[[World], None]) -> dict[str, Any]:
    """Play a scene; return the ledger, the results and the vendor's tasks at its end."""
    world = build_world(webhook_secrets=[SECRET])
    scene(world)
    return {
        "now": world.clock.moment.isoformat(),
        "ledger": _objects(world.store),
        "results": _objects(world.results),
        "tasks": [vars(task) for task in world.vendor.tasks],
        "urls": world.vendor.urls,
    }


def main() -> None:
    """Write the samples of this version."""
    [name] = sys.argv[1:]
    samples = {scene.__name__: captured(scene) for scene in SCENES}
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(samples, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
