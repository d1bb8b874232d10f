"""Paid images are stored in the end, however long that takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aigc.errors import AmbiguousError, HostNotAllowedError, RefusedError
from aigc.jobs.settle import refresh
from aigc.jobs.storing import KEPT_S, STORE_SHARE
from aigc.sweeping import sweep
from aigc.wire import with_fields
from tests.fakes import (
    LEASE_S,
    START,
    InMemoryStore,
    StoreFault,
    World,
    build_world,
    image_bytes,
)
from tests.jobs import SERVICES, KilledError, accepted, only_records_are_left, read, sweeps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Listed

IMAGES = 10
DAY_S = 86400
DENIED = RefusedError("cos put", code="AccessDenied")


@dataclass
class SlowDownloads:
    """Downloads whose invocation dies after a number of images."""

    images_until_death: int = IMAGES
    fetched: list[str] = field(default_factory=list)
    left: int = 0

    def begin(self) -> None:
        """Begin another invocation."""
        self.left = self.images_until_death

    def fetch(self, url: str) -> bytes:
        if not self.left:
            raise KilledError
        self.left -= 1
        self.fetched.append(url)
        return image_bytes()


class DeniedStore(InMemoryStore):
    """A results bucket that may be closed to the functions; MPS writes by a role of its own."""

    is_denied = False
    denied = 0

    def _deny(self, key: str) -> None:
        if self.is_denied and not key.startswith(".aigc/mps/"):
            self.denied += 1
            raise DENIED

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self._deny(key)
        super().put(key, body, content_type)

    def get(self, key: str) -> bytes | None:
        self._deny("")
        return super().get(key)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        self._deny("")
        return super().list(prefix, after, limit)


@pytest.fixture
def closed() -> World:
    world = build_world()
    world.results = world.vendor.results = DeniedStore(world.clock, "results-1250000000")
    world.results.is_denied = True
    return world


def finished(world: World, kind: str = "vod.image", images: int = 1) -> Job:
    """Accept a job whose task has ended with a number of images."""
    job = accepted(world, kind)
    task = world.vendor.tasks[-1]
    world.vendor.finish(task)
    world.vendor.urls[task.id] = [f"http://vendor/{number}.png" for number in range(images)]
    return job


def dies(work: Callable[[], object]) -> None:
    with pytest.raises(KilledError):
        work()


def test_after_a_death_the_next_invocation_continues_with_the_same_image(
    world: World,
) -> None:
    slow = SlowDownloads(images_until_death=1)
    world.downloads = slow  # type: ignore[assignment]
    job = finished(world, images=IMAGES)

    slow.begin()
    dies(lambda: refresh(job.id, world.runtime()))
    for _ in range(20 * IMAGES):
        world.clock.pass_time(60)
        slow.begin()
        try:
            sweep(world.runtime())
        except KilledError:
            continue

    assert read(world, job).state == "succeeded"
    assert slow.fetched == [f"http://vendor/{number}.png" for number in range(IMAGES)]
    assert len(read(world, job).images) == IMAGES
    assert only_records_are_left(world)


def test_an_image_is_not_started_without_enough_time(world: World) -> None:
    job = finished(world, images=3)
    fetch = world.downloads.fetch

    def slow(url: str) -> bytes:
        world.clock.pass_time(20)
        return fetch(url)

    world.downloads.fetch = slow  # type: ignore[method-assign]

    refresh(job.id, world.runtime(50))
    assert len(read(world, job).images) == 2
    sweep(world.runtime(50))

    assert read(world, job).state == "succeeded"
    assert len(world.downloads.fetched) == 3


@pytest.mark.parametrize(
    ("request_start", "is_moved"),
    [("put unstored/", False), ("put jobs/", False), ("delete lanes/vod.image/slots/", True)],
)
def test_a_death_before_the_slot_is_given_back_loses_neither_job_nor_slot(
    world: World, request_start: str, *, is_moved: bool
) -> None:
    job, following = finished(world), accepted(world)
    fault = StoreFault(request_start, KilledError(), takes_effect=True)
    world.store.faults.append(fault)

    dies(lambda: refresh(job.id, world.runtime()))
    assert (read(world, job).state == "storing") or not is_moved
    sweeps(world, 4 * LEASE_S)

    assert read(world, job).state == "succeeded"
    assert read(world, following).state == "running"
    assert world.vendor.most_at_once == 1


def test_images_that_cannot_be_fetched_now_do_not_hold_the_lane(world: World) -> None:
    job, following = finished(world), accepted(world)
    world.downloads.errors = [AmbiguousError("download")] * 3

    refresh(job.id, world.runtime())
    assert read(world, job).state == "storing"
    assert read(world, following).state == "running"
    sweeps(world, 600)

    assert read(world, job).state == "succeeded"


@pytest.mark.parametrize("kind", SERVICES)
def test_a_results_bucket_that_was_denied_for_six_hours_gets_the_images(
    closed: World, kind: str
) -> None:
    job = finished(closed, kind)
    refresh(job.id, closed.runtime())
    sweeps(closed, 6 * 3600)
    assert read(closed, job).state == "storing"
    assert closed.results.denied < 30  # type: ignore[attr-defined]

    closed.results.is_denied = False  # type: ignore[attr-defined]
    sweeps(closed, 3600 + 120)

    assert read(closed, job).state == "succeeded"
    assert len(closed.vendor.tasks) == 1
    assert only_records_are_left(closed)


def test_a_status_call_does_not_shorten_the_wait_for_the_next_try(closed: World) -> None:
    job = finished(closed)
    refresh(job.id, closed.runtime())
    sweeps(closed, 6 * 3600)
    denied = closed.results.denied  # type: ignore[attr-defined]
    held_up = read(closed, job)
    assert held_up.store_after is not None

    while closed.clock.moment < held_up.store_after - timedelta(seconds=10):
        refresh(job.id, closed.runtime())
        closed.clock.pass_time(5)

    assert closed.results.denied == denied  # type: ignore[attr-defined]
    assert read(closed, job) == held_up


@pytest.mark.parametrize("kind", SERVICES)
def test_storing_is_given_up_when_the_vendor_is_about_to_remove_the_images(
    closed: World, kind: str
) -> None:
    job = finished(closed, kind)
    refresh(job.id, closed.runtime())
    store_share_s = KEPT_S * STORE_SHARE

    sweeps(closed, store_share_s - 3600, each_s=1800)
    assert read(closed, job).state == "storing"
    sweeps(closed, 2 * 3600 + 600, each_s=600)

    error = read(closed, job).error
    assert error is not None
    assert error.type == "result_unusable"
    assert "AccessDenied" in error.message
    assert closed.clock.moment < START + timedelta(seconds=KEPT_S + 3600)


def test_a_job_that_kills_every_invocation_that_stores_it_kills_few_and_ends(world: World) -> None:
    deaths = 0

    def kill(url: str) -> bytes:  # noqa: ARG001  as the port has it
        nonlocal deaths
        deaths += 1
        raise KilledError

    job, following = finished(world), accepted(world)
    world.downloads.fetch = kill  # type: ignore[method-assign]
    dies(lambda: refresh(job.id, world.runtime()))

    sweeps(world, DAY_S, each_s=300)
    assert deaths < 60
    sweeps(world, 6 * DAY_S, each_s=1800)

    ended = read(world, job)
    assert ended.error is not None
    assert ended.error.type == "result_unusable"
    assert "died" in ended.error.message
    assert read(world, following).attempt.task_id


def test_an_unknown_host_is_a_fault_of_the_deployment_and_ends_with_its_setting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    job = finished(world)
    world.downloads.errors = [HostNotAllowedError("images.example.com", ".myqcloud.com")] * 5

    refresh(job.id, world.runtime())
    held_up = read(world, job)
    sweeps(world, DAY_S, each_s=300)

    assert held_up.state == "storing"
    assert "'images.example.com'" in held_up.storing_error
    [record, *_] = [
        logged for logged in caplog.records if logged.message == "result_not_stored_yet"
    ]
    assert record.levelno == logging.ERROR
    assert read(world, job).state == "succeeded"


def test_expired_urls_are_queried_again(world: World) -> None:
    job = finished(world)
    world.downloads.errors = [RefusedError("download", code="403")]
    refresh(job.id, world.runtime())
    world.vendor.urls[world.vendor.tasks[0].id] = ["http://vendor/signed-anew.png"]

    sweeps(world, 120)

    assert read(world, job).state == "succeeded"
    assert world.downloads.fetched == ["http://vendor/0.png", "http://vendor/signed-anew.png"]


def test_a_note_of_the_previous_version_leads_to_its_job(world: World) -> None:
    job = finished(world)
    world.downloads.errors = [AmbiguousError("download")]
    refresh(job.id, world.runtime())
    for key in world.ledger_keys("unstored/"):
        world.store.delete(key)
    without_times = with_fields(read(world, job), store_after=None, store_until=None)
    world.store.put(f"jobs/{job.id}.json", without_times.model_dump_json().encode())
    world.store.put(f"unstored/{job.id}", b"{}")

    sweeps(world, 120)

    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)
