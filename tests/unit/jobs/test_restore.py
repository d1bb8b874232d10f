"""Images of a failed job are stored without another attempt, while the vendor has them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from aigc.errors import AmbiguousError, BadImageError, RefusedError
from aigc.jobs.accept import accept
from aigc.jobs.replay import replay
from aigc.jobs.restore import restore
from aigc.jobs.settle import refresh
from aigc.jobs.storing import KEPT_S
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, World, build_world
from tests.jobs import (
    SERVICES,
    accepted,
    only_records_are_left,
    order,
    read,
    sweeps,
)
from tests.unit.jobs.test_storing import DAY_S, finished


def failed(world: World, kind: str = "vod.image", images: int = 1) -> str:
    """Let a job fail whose task succeeded."""
    job = finished(world, kind, images)
    data, world.downloads.data = world.downloads.data, b"<html>sorry</html>"
    staged = [key for key in world.results.objects if key.startswith(".aigc/mps/")]
    for key in staged:
        world.results.put(f"kept/{key}", world.results.objects[key][0])
        world.results.put(key, b"<html>sorry</html>")
    refresh(job.id, world.runtime())
    assert read(world, job).state == "failed"
    world.downloads.data = data
    for key in staged:
        world.results.put(key, world.results.objects[f"kept/{key}"][0])
        world.results.delete(f"kept/{key}")
    return job.id


def state(world: World, job_id: str) -> str:
    job = world.runtime().ledger.records.read(job_id)
    assert job is not None
    return job.state


@pytest.mark.parametrize("kind", SERVICES)
def test_a_failed_job_gets_the_images_that_are_paid_for(world: World, kind: str) -> None:
    job_id = failed(world, kind)
    sweeps(world, 3 * LEASE_S)

    restored = restore(job_id, world.runtime())
    sweeps(world, 120)

    assert restored is not None
    assert restored.refusal is None
    assert state(world, job_id) == "succeeded"
    assert len(world.vendor.tasks) == 1
    assert world.runtime().ledger.records.dead_jobs() == []
    assert only_records_are_left(world)
    assert [key for key in world.results.objects if key.startswith(".aigc/")] == []


def test_a_restore_queries_fresh_urls(world: World) -> None:
    job_id = failed(world)
    world.vendor.calls.clear()

    restore(job_id, world.runtime())

    assert world.vendor.calls == ["DescribeTaskDetail"]


def test_a_restore_stores_only_the_images_that_are_missing(world: World) -> None:
    job = finished(world, images=3)
    data = world.downloads.data
    fetch = world.downloads.fetch

    def second_is_bad(url: str) -> bytes:
        if url.endswith("/1.png"):
            raise BadImageError("no image")
        return fetch(url)

    world.downloads.fetch = second_is_bad  # type: ignore[method-assign]
    refresh(job.id, world.runtime())
    assert read(world, job).state == "failed"
    world.downloads.fetch, world.downloads.data = fetch, data  # type: ignore[method-assign]

    restore(job.id, world.runtime())
    sweeps(world, 120)

    assert read(world, job).state == "succeeded"
    assert world.downloads.fetched == [f"http://vendor/{number}.png" for number in range(3)]


def test_a_job_without_a_task_is_not_restored(world: World) -> None:
    world.vendor.next_creates = ["refuse"]
    job = accepted(world)

    refused = restore(job.id, world.runtime())

    assert refused is not None
    assert refused.refusal == "no_task"


def test_a_task_that_ended_after_its_job_was_given_up_is_restored(world: World) -> None:
    job = accepted(world)
    world.clock.pass_time(3 * DAY_S + 1)
    sweep(world.runtime())
    assert read(world, job).state == "failed"
    world.vendor.finish(world.vendor.tasks[0])

    restore(job.id, world.runtime())
    sweeps(world, 120)

    assert read(world, job).state == "succeeded"


def forget(world: World) -> None:
    """Let VOD forget its tasks, as it does after three days."""

    def refused(_: str) -> None:
        raise RefusedError("describe", code="ResourceNotFound")

    world.vendor.task = refused  # type: ignore[assignment,method-assign]


def test_images_outlive_the_vendors_memory_of_their_task(world: World) -> None:
    job_id = failed(world)
    world.clock.pass_time(5 * DAY_S)
    forget(world)

    restored = restore(job_id, world.runtime())
    sweeps(world, 120)

    assert restored is not None
    assert restored.refusal is None
    assert state(world, job_id) == "succeeded"


def test_images_that_the_vendor_has_removed_are_not_restored(world: World) -> None:
    job_id = failed(world)
    world.clock.pass_time(KEPT_S + 1)
    forget(world)

    refused = restore(job_id, world.runtime())

    assert refused is not None
    assert refused.refusal == "not_kept"


def test_a_restore_just_before_the_end_still_has_time(world: World) -> None:
    job_id = failed(world)
    world.clock.pass_time(KEPT_S - 600)

    restore(job_id, world.runtime())
    sweeps(world, 120)

    assert state(world, job_id) == "succeeded"


def test_a_restore_without_an_answer_of_the_vendor_uses_the_urls_of_the_record(
    world: World,
) -> None:
    job_id = failed(world)

    def unanswered(_: str) -> None:
        raise AmbiguousError("describe")

    world.vendor.task = unanswered  # type: ignore[assignment,method-assign]

    restore(job_id, world.runtime())
    sweeps(world, 120)

    assert state(world, job_id) == "succeeded"


def test_a_replay_is_not_refused_when_nothing_is_left_to_restore(world: World) -> None:
    job_id = failed(world)
    world.clock.pass_time(KEPT_S + 1)

    replayed = replay(job_id, world.runtime())

    assert replayed is not None
    assert replayed.refusal is None


def test_a_new_attempt_stores_all_of_its_images(world: World) -> None:
    job = finished(world, images=2)
    fetch = world.downloads.fetch

    def second_is_bad(url: str) -> bytes:
        if url.endswith("/1.png"):
            raise BadImageError("no image")
        return fetch(url)

    world.downloads.fetch = second_is_bad  # type: ignore[method-assign]
    refresh(job.id, world.runtime())
    world.downloads.fetch = fetch  # type: ignore[method-assign]

    replay(job.id, world.runtime(), pays_again=True)
    task = world.vendor.tasks[-1]
    world.vendor.urls[task.id] = [f"http://vendor/{number}.png" for number in range(2)]
    world.vendor.finish(task)
    refresh(job.id, world.runtime())

    assert len(read(world, job).images) == 2
    assert world.downloads.fetched[1:] == ["http://vendor/0.png", "http://vendor/1.png"]


def test_both_ends_are_counted(world: World) -> None:
    job_id = failed(world)

    restore(job_id, world.runtime())
    world.clock.pass_time(timedelta(minutes=2).total_seconds())
    sweep(world.runtime())
    only_records_are_left(world)

    assert len(world.ledger_keys("usage/")) == 2


def test_a_restored_job_reports_its_second_end_as_a_message_of_its_own() -> None:
    world = build_world(webhook_secrets=["whsec_" + "A" * 43 + "="])
    with_hook = dataclasses.replace(order(), webhook_url="https://example.com/hook")
    job = accept(with_hook, world.runtime()).job
    world.vendor.finish(world.vendor.tasks[-1])
    world.downloads.errors = [BadImageError("no image")]
    refresh(job.id, world.runtime())

    restore(job.id, world.runtime())
    sweeps(world, 120)

    ids = [sent.headers["webhook-id"] for sent in world.sender.sent]
    assert ids == [f"msg_{job.id}", f"msg_{job.id}-0r1"]
