"""Measures one pass of the reconciliation: `python -m benchmarks.reconcile`.

The buckets are in memory, so only requests and the CPU time of the program are measured.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated

import typer

from aigc.sweeping import sweep
from aigc.uploads.entries import Entries, Entry
from aigc.uploads.rules import DeployedRules, Rules
from tests.fakes import World, build_world, image_bytes

RULES = Rules.parse(
    {
        "rule": [
            {
                "name": "photos",
                "prefix": "photos/",
                "kind": "vod.image",
                "task": {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse"},
            }
        ]
    }
)
SWEEP_S = 60


def build_inbox(objects: int, unknown: int) -> World:
    """Build a world with known objects in the inbox, and unknown ones that no event reported."""
    world = build_world()
    world.memory.of(DeployedRules).rules = RULES
    sweep(world.runtime())
    world.clock.pass_time(SWEEP_S)
    image = image_bytes()
    for number in range(objects):
        world.inbox.put(f"photos/{number:07d}.png", image, "image/png")
    _write_entries(world)
    step = max(1, objects // max(1, unknown))
    for number in range(unknown):
        world.inbox.put(f"photos/{number * step:07d}-unknown.png", image, "image/png")
    world.clock.pass_time(world.settings.reconcile_after_s + 1)
    return world


def _write_entries(world: World) -> None:
    """Write the entries that the events of all objects cause."""
    entries = Entries(world.store)
    after = ""
    while page := world.inbox.list("", after):
        for listed_object in page:
            entry = Entry(
                key=listed_object.key,
                etag=listed_object.etag,
                size=listed_object.size,
                modified=listed_object.modified,
                kind="job",
                noted_at=world.clock.now(),
            )
            entries.write(entry)
        after = page[-1].key


def run_pass(world: World, jobs: int) -> tuple[int, Counter[str], float]:
    """Sweep until this number of jobs has been made.

    Returns the number of sweeps, the requests by kind, and the CPU time in seconds.
    """
    world.inbox.requests.clear()
    world.store.requests.clear()
    started, sweeps, job_count = time.process_time(), 0, 0
    while job_count < jobs:
        job_count += sweep(world.runtime(seconds=3600)).uploads
        sweeps += 1
        world.clock.pass_time(SWEEP_S)
    walk = [f"inbox {request}" for request in world.inbox.requests if request.startswith("list")]
    walk += [
        request
        for request in world.store.requests
        if request == "list uploads/" or " inbox/" in request
    ]
    reads = sum(request.startswith("peek") for request in world.inbox.requests)
    return sweeps, Counter(walk) + Counter(reads=reads), time.process_time() - started


def main(
    objects: Annotated[int, typer.Option(help="Known objects in the inbox.")] = 100_000,
    unknown: Annotated[int, typer.Option(help="Objects that no event reported.")] = 300,
) -> None:
    """Run a pass that finds the unknown objects of an inbox; print its requests and CPU time."""
    world = build_inbox(objects, unknown)
    sweeps, requests, seconds = run_pass(world, unknown)
    walk = sum(count for request, count in requests.items() if request != "reads")
    print(f"{objects + unknown} objects, {unknown} unknown: all found in {sweeps} sweeps")
    print(f"{walk} requests for the walk, {requests['reads']} objects read, {seconds:.1f} s of CPU")
    for request, count in requests.most_common():
        print(f"  {count:6} {request}")


if __name__ == "__main__":
    typer.run(main)
