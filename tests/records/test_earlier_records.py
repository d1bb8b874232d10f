"""This version reads and finishes the jobs that earlier versions had in flight.

`capture.py` has captured the ledger, the results and the vendor's tasks by the code of each
version.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from aigc.jobs.job import ENDED, Job
from aigc.sweeping import sweep
from tests.fakes import InMemoryStore, VendorTask, World, build_world
from tests.records.capture import FOLDER, HOOK, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
SCENES = [(version, scene) for version, scenes in VERSIONS.items() for scene in scenes]
KEPT = ("jobs/", "index/", "images/", "usage/", "deliveries/", "dead/jobs/", "sweep/")


def restored(sample: dict[str, Any]) -> World:
    world = build_world(webhook_secrets=[SECRET])
    fill(world.store, sample["ledger"])
    fill(world.results, sample["results"])
    world.vendor.tasks = [VendorTask(**task) for task in sample["tasks"]]
    world.clock.moment = datetime.fromisoformat(sample["now"])
    return world


def fill(store: InMemoryStore, objects: dict[str, dict[str, str]]) -> None:
    for key, stored in objects.items():
        store.put(key, base64.b64decode(stored["body"]))
        modified = datetime.fromisoformat(stored["modified"])
        store.objects[key] = (store.objects[key][0], modified)


def jobs(world: World) -> Iterator[Job]:
    for key, (body, _) in world.store.objects.items():
        if key.startswith("jobs/"):
            yield Job.parse(key, body)


def finish(world: World) -> None:
    """Let the tasks end, and the sweep run for a day."""
    for _ in range(400):
        for task in world.vendor.tasks:
            if task.state == "running":
                world.vendor.finish(task)
        world.clock.pass_time(60)
        sweep(world.runtime())


@pytest.mark.parametrize(("version", "scene"), SCENES)
def test_jobs_of_an_earlier_version_are_finished_and_paid_once(version: str, scene: str) -> None:
    world = restored(VERSIONS[version][scene])
    failed = {job.id for job in jobs(world) if job.state == "failed"}

    finish(world)

    states = {job.id: job.state for job in jobs(world)}
    assert set(states.values()) <= ENDED
    assert {job_id for job_id, state in states.items() if state != "succeeded"} == failed
    paid = [task.session_id or task.params["StoreCosParam"] for task in world.vendor.tasks]
    assert len(paid) == len(states)
    assert [key for key in world.ledger_keys() if not key.startswith(KEPT)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_webhooks_of_an_earlier_version_are_sent(version: str) -> None:
    world = restored(VERSIONS[version]["running"])

    finish(world)

    assert [sent.url for sent in world.sender.sent] == [HOOK] * 3
