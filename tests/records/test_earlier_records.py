"""This version reads, shows and finishes the jobs of earlier versions.

`capture.py` has captured the ledger, the results and the vendor's tasks by the code of each
version.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from aigc.jobs.job import ENDED, Job
from aigc.jobs.restore import restore
from aigc.sweeping import sweep
from tests.fakes import InMemoryStore, VendorTask, World, build_world
from tests.records.capture import FOLDER, HOOK, SECRET
from tests.unit.api.client import KEY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
SCENES = [(version, scene) for version, scenes in VERSIONS.items() for scene in scenes]
KEPT = ("jobs/", "index/", "images/", "usage/", "deliveries/", "dead/jobs/", "sweep/")


def with_key(prefix: str, scene: str) -> list[str]:
    """Return the versions that have this scene, and in it an object below this prefix."""
    ledgers = {
        name: scenes[scene]["ledger"] for name, scenes in VERSIONS.items() if scene in scenes
    }
    return [name for name, keys in ledgers.items() if any(key.startswith(prefix) for key in keys)]


def restored(sample: dict[str, Any]) -> World:
    keys = {"default": hashlib.sha256(KEY.encode()).hexdigest()}
    world = build_world(webhook_secrets=[SECRET], api_keys=keys)
    fill(world.store, sample["ledger"])
    fill(world.results, sample["results"])
    world.vendor.tasks = [VendorTask(**task) for task in sample["tasks"]]
    world.vendor.urls = sample.get("urls", {})
    world.clock.moment = datetime.fromisoformat(sample["now"])
    return world


def fill(store: InMemoryStore, objects: dict[str, dict[str, str]]) -> None:
    for key, stored in objects.items():
        store.put(key, base64.b64decode(stored["body"]))
        modified = datetime.fromisoformat(stored["modified"])
        store.objects[key] = (store.objects[key][0], modified)


def records(world: World) -> Iterator[bytes]:
    for key, (body, _) in world.store.objects.items():
        if key.startswith("jobs/"):
            yield body


def jobs(world: World) -> Iterator[Job]:
    for body in records(world):
        yield Job.parse("", body)


def stored_files(record: dict[str, Any]) -> list[str]:
    """Return the names of the stored images of a record, which format 1 calls `pictures`."""
    images = record["images" if "images" in record else "pictures"]
    return [image["key"].rpartition("/")[2] for image in images]


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
    ended = {job.id: job.state for job in jobs(world) if job.state in ENDED}

    finish(world)

    states = {job.id: job.state for job in jobs(world)}
    assert states == {**dict.fromkeys(states, "succeeded"), **ended}
    paid = [job_id for job_id, state in states.items() if state != "cancelled"]
    assert len(world.vendor.tasks) == len(paid)
    assert [key for key in world.ledger_keys() if not key.startswith(KEPT)] == []


@pytest.mark.parametrize(("version", "scene"), SCENES)
def test_jobs_of_an_earlier_version_are_listed_and_shown(version: str, scene: str) -> None:
    world = restored(VERSIONS[version][scene])
    client = Client(world, "function_url")
    earlier = {record["id"]: record for record in map(json.loads, records(world))}

    listed = {job["request_id"]: job for job in client.get("/v1/jobs").body["jobs"]}
    shown = {job_id: client.get(f"/v1/jobs/{job_id}").body["images"] for job_id in earlier}

    assert listed.keys() == earlier.keys()
    for job_id, record in earlier.items():
        files = stored_files(record)
        assert (listed[job_id]["state"], listed[job_id]["images"]) == (record["state"], len(files))
        assert [image["file_name"] for image in shown[job_id]][: len(files)] == files


@pytest.mark.parametrize("version", with_key("images/", "ended"))
def test_images_of_an_earlier_version_are_listed(version: str) -> None:
    world = restored(VERSIONS[version]["ended"])

    [image] = Client(world, "function_url").get("/v1/images").body["images"]

    assert (image["request_id"], image["file_name"]) == ("succeeded", "succeeded-1.png")


@pytest.mark.parametrize("version", with_key("jobs/", "partly_stored"))
def test_stored_images_of_an_earlier_version_are_kept_by_the_next_try(version: str) -> None:
    world = restored(VERSIONS[version]["partly_stored"])
    before = {job.id: job.images for job in jobs(world)}

    restore("unusable", world.runtime())
    finish(world)

    assert {len(images) for images in before.values()} == {1}
    for job in jobs(world):
        assert (job.state, len(job.images)) == ("succeeded", 2)
        assert job.images[:1] == before[job.id]
    assert len(world.downloads.fetched) == len(before)


@pytest.mark.parametrize("version", VERSIONS)
def test_webhooks_of_an_earlier_version_are_sent(version: str) -> None:
    world = restored(VERSIONS[version]["running"])

    finish(world)

    assert [sent.url for sent in world.sender.sent] == [HOOK] * 3
