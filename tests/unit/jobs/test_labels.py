"""Stored images have labels, and records and descriptions name them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.accept import Order, accept, fingerprint
from aigc.jobs.settle import refresh
from aigc.labels.files import read_labels
from tests.fakes import StoreFault, World, build_world
from tests.jobs import TASKS, order
from tests.unit.labels.builders import carriers, packet, png_chunk, png_with

if TYPE_CHECKING:
    from aigc.jobs.job import Job

LOGO = {"vod.image": "output_config", "mps.image": "extra_parameters"}


def ended(world: World, ordered: Order) -> Job:
    job = accept(ordered, world.runtime()).job
    world.vendor.finish(world.vendor.tasks[-1])
    done = refresh(job.id, world.runtime())
    assert done is not None
    assert done.state == "succeeded", done.error
    return done


def stored(world: World) -> bytes:
    return world.results.objects["calls/image-1.png"][0]


def beside(world: World) -> dict[str, Any]:
    [image] = json.loads(world.results.objects["calls/image.json"][0])["images"]
    return dict(image)


@pytest.mark.parametrize("kind", TASKS)
def test_each_kind_of_result_is_labelled(kind: str) -> None:
    world = build_world()

    job = ended(world, order(kind))

    labels = read_labels(stored(world))
    assert labels.label is not None
    assert labels.label["ContentProducer"] == "aigc-functions-1250000000"
    assert labels.label["ProduceID"] == f"{job.id}-1"
    assert job.images[0].labels == labels.names == ("tc260", "iptc")
    assert job.images[0].size == len(stored(world))
    assert beside(world)["labels"] == ["tc260", "iptc"]
    assert beside(world)["unlabelled"] == ""


def test_the_producer_is_the_configured_one() -> None:
    world = build_world(content_producer="示例工作室")

    ended(world, order())

    label = read_labels(stored(world)).label
    assert label is not None
    assert label["ContentProducer"] == "示例工作室"


def test_without_labels_the_bytes_are_the_vendors() -> None:
    world = build_world(labels="none")

    job = ended(world, order())

    assert stored(world) == world.downloads.data
    assert (job.images[0].labels, job.images[0].unlabelled) == ((), "")


def test_a_repeat_of_storing_writes_the_same_bytes() -> None:
    world = build_world()
    key = "put calls/image-1.png"
    world.results.faults.append(StoreFault(key, AmbiguousError("put"), takes_effect=True))
    job = accept(order(), world.runtime()).job
    world.vendor.finish(world.vendor.tasks[-1])
    refresh(job.id, world.runtime())
    first = stored(world)

    world.clock.pass_time(100)
    done = refresh(job.id, world.runtime())

    assert done is not None
    assert done.state == "succeeded"
    assert stored(world) == first
    assert world.results.requests.count("put calls/image-1.png") == 2


def test_a_manifest_is_kept_and_recorded(caplog: pytest.LogCaptureFixture) -> None:
    world = build_world()
    world.downloads.data = png_with(world.downloads.data, png_chunk(b"caBX", b"manifest"))

    with caplog.at_level(logging.WARNING):
        job = ended(world, order())

    assert stored(world) == world.downloads.data
    assert job.images[0].labels == ("c2pa",)
    assert "C2PA" in job.images[0].unlabelled
    assert beside(world)["unlabelled"] == job.images[0].unlabelled
    [logged] = [
        logged_record
        for logged_record in caplog.records
        if logged_record.message == "image_not_labelled"
    ]
    assert vars(logged)["job"] == job.id


def test_a_vendors_label_stays_and_this_service_is_the_propagator() -> None:
    world = build_world()
    vendors = '<TC260:AIGC>{"Label":"1","ContentProducer":"V","ProduceID":"9"}</TC260:AIGC>'
    world.downloads.data = carriers()["png"](packet(vendors))

    job = ended(world, order())

    label = read_labels(stored(world)).label
    assert label is not None
    assert (label["ContentProducer"], label["ProduceID"]) == ("V", "9")
    assert label["ContentPropagator"] == "aigc-functions-1250000000"
    assert label["PropagateID"] == f"{job.id}-1"


def test_metadata_that_cannot_be_read_does_not_cost_the_image() -> None:
    world = build_world()
    world.downloads.data = carriers()["png"](b"<broken")

    job = ended(world, order())

    assert stored(world) == world.downloads.data
    assert job.images[0].labels == ()
    assert "not XML" in job.images[0].unlabelled


@pytest.mark.parametrize(
    ("kind", "default"), [("vod.image", "stack"), ("vod.image", "key"), ("mps.image", "key")]
)
def test_the_logo_is_requested_by_default(kind: str, default: str) -> None:
    world = build_world(**({"labels": "visible"} if default == "stack" else {}))

    job = ended(world, order(kind, visible_label=default == "key"))

    assert logo_sent(world, kind) in {"Enabled", 1}
    assert job.images[0].labels == ("tc260", "iptc", "visible")
    assert job.warnings == ()


@pytest.mark.parametrize("kind", LOGO)
def test_a_task_may_refuse_the_logo(kind: str) -> None:
    world = build_world(labels="visible")

    job = ended(world, order(kind, **with_logo(kind, logo=False)))

    assert logo_sent(world, kind) in {"Disabled", 0}
    assert job.images[0].labels == ("tc260", "iptc")


@pytest.mark.parametrize("kind", LOGO)
def test_a_logo_is_recorded_where_metadata_is_switched_off(kind: str) -> None:
    world = build_world(labels="none")

    job = ended(world, order(kind, **with_logo(kind, logo=True)))

    assert job.images[0].labels == ("visible",)


def test_a_kind_without_a_logo_warns() -> None:
    job = ended(build_world(labels="visible"), order("vod.scene_image"))

    assert job.warnings == ("no visible label: vod.scene_image has no parameter for it",)
    assert job.images[0].labels == ("tc260", "iptc")


def test_a_default_leaves_a_repeat_a_repeat() -> None:
    plain = order()
    world = build_world(labels="visible")

    job = accept(plain, world.runtime()).job

    assert job.fingerprint == fingerprint(plain.task)
    assert job.task["output_config"] == {"logo_add": "Enabled"}


def with_logo(kind: str, *, logo: bool) -> dict[str, Any]:
    return {LOGO[kind]: {"logo_add": logo}}


def logo_sent(world: World, kind: str) -> Any:
    params = world.vendor.tasks[-1].params
    output = params["OutputConfig" if kind == "vod.image" else "ExtraParameters"]
    return output["LogoAdd"]
