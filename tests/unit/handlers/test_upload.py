"""Uploads become jobs, or are passed over with a reason; none is lost with another."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import upload
from aigc.errors import AmbiguousError, RefusedError
from aigc.triggers.cos import CosEvent
from aigc.uploads.rules import Rules, load_rules
from tests.captured import captured
from tests.fakes import InMemoryStore, ManualClock, World, build_world, picture

if TYPE_CHECKING:
    from aigc.jobs.job import Job

RULES = load_rules(Path(__file__).parents[3] / "rules.toml")


@pytest.fixture
def world() -> World:
    return build_world()


def handle(world: World, event: dict[str, Any], rules: Rules = RULES) -> dict[str, int]:
    return upload.handle(CosEvent.parse(event), rules=rules, runtime=world.runtime())


def uploaded(world: World, name: str, data: bytes | None = None) -> dict[str, Any]:
    """Put the objects of a captured event in the inbox and return the event."""
    event = captured(f"cos/{name}")
    for created in CosEvent.parse(event).created:
        world.inbox.put(created.key, picture() if data is None else data, "image/png")
    return event


def jobs(world: World) -> list[Job]:
    ledger = world.runtime().ledger
    found = [ledger.records.read(key[5:-5]) for key in world.ledger_keys("jobs/")]
    return [job for job in found if job is not None]


def staged(key: str) -> dict[str, Any]:
    event = captured("cos/put")
    cos = event["Records"][0]["cos"]
    cos["cosBucket"]["name"] = "results"
    cos["cosObject"] |= {"key": f"/1250000000/results/{key}", "url": ""}
    return event


def test_upload_becomes_the_job_of_its_rule(world: World) -> None:
    counts = handle(world, uploaded(world, "post"))

    [job] = jobs(world)
    assert counts == {"ignored": 0, "accepted": 1}
    assert job.kind == "vod.scene_image"
    assert job.source.model_dump() == {
        "type": "upload",
        "name": "product",
        "bucket": "inbox-1250000000",
        "key": "product/teapot.png",
        "request_id": "NjkxZjAwYzBfOWUxYjBiMDlfMTIzNF81Njc4OWE=",
    }
    assert (job.output_location.prefix, job.output_location.name) == ("product/", "teapot")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("key_with_space", "anime/my cat.jpg"),
        ("key_with_plus", "anime/cat+dog.jpg"),
        ("key_with_percent", "anime/100% wool.jpg"),
        ("key_in_chinese", "anime/猫.jpg"),
    ],
)
def test_upload_is_handed_to_the_vendor_by_a_presigned_url(
    world: World, name: str, key: str
) -> None:
    handle(world, uploaded(world, name))

    [task] = world.vendor.tasks
    [given] = task.params["FileInfos"]
    assert given["Url"].startswith(f"https://inbox-1250000000.cos.example/{key}?")


def test_other_reading_of_a_key_is_tried_where_the_first_is_not_there(world: World) -> None:
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored["key"] = "/1250000000/inbox/anime/a%20b.jpg"
    stored["url"] = "http://inbox-1250000000.cos.ap-guangzhou.myqcloud.com/anime/a%20b.jpg"
    world.inbox.put("anime/a%20b.jpg", picture())

    handle(world, event)

    [job] = jobs(world)
    assert job.source.key == "anime/a%20b.jpg"


def test_same_event_three_times_is_one_job_and_one_task(world: World) -> None:
    event = uploaded(world, "put")

    counts = [handle(world, event) for _ in range(3)]

    assert [count.get("accepted") for count in counts] == [1, None, None]
    assert [count.get("known") for count in counts] == [None, 1, 1]
    assert len(world.vendor.tasks) == 1


def test_second_upload_of_a_key_is_another_job(world: World) -> None:
    event = uploaded(world, "put")
    handle(world, event)
    event["Records"][0]["cos"]["cosObject"]["meta"]["x-cos-request-id"] = "another"

    handle(world, event)

    assert len(jobs(world)) == 2


def test_prompt_of_the_event_goes_before_the_rules(world: World) -> None:
    handle(world, uploaded(world, "put"))

    assert world.vendor.tasks[0].params["Prompt"] == "as a woodcut"


def test_prompt_is_read_from_the_object_where_the_event_lacks_it(world: World) -> None:
    event = uploaded(world, "copy")
    world.inbox.headers["anime/copied.webp"]["x-cos-meta-aigc-prompt"] = "%E7%8C%AB"

    handle(world, event)

    assert world.vendor.tasks[0].params["Prompt"] == "猫"


def test_rule_prompts_where_nobody_else_does(world: World) -> None:
    handle(world, uploaded(world, "copy"))

    assert world.vendor.tasks[0].params["Prompt"] == "Redraw this picture in anime style"


def test_picture_among_other_records_is_taken(world: World) -> None:
    counts = handle(world, uploaded(world, "several_records"))

    assert counts == {"ignored": 0, "accepted": 2, "not_wanted": 1}


@pytest.mark.parametrize(
    ("changes", "data", "reason"),
    [
        ({"key": "/1250000000/inbox/other/a.jpg"}, picture(), "no rule fits its key"),
        ({"key": "/1250000000/inbox/.aigc/a.jpg"}, picture(), "no rule fits its key"),
        ({"size": 0}, b"", "it is empty"),
        ({"size": 20 * 2**20 + 1}, picture(), "more than 20971520"),
        ({}, b"%PDF-1.7", "not a JPEG, PNG or WebP"),
        ({}, None, "not there any more"),
    ],
    ids=["no rule", "reserved", "empty", "too large", "no picture", "gone"],
)
def test_object_that_is_not_wanted_costs_nothing(
    world: World,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    data: bytes | None,
    reason: str,
) -> None:
    caplog.set_level(logging.INFO)
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored |= {"url": "", **changes}
    if data is not None:
        world.inbox.put(CosEvent.parse(event).created[0].key, data)

    counts = handle(world, event)

    [said] = [record for record in caplog.records if record.message == "upload_not_wanted"]
    assert counts == {"ignored": 0, "not_wanted": 1}
    assert reason in vars(said)["reason"]
    assert world.vendor.tasks == []
    assert jobs(world) == []


def test_object_of_a_bucket_that_is_not_ours_is_not_wanted(world: World) -> None:
    event = captured("cos/put")
    event["Records"][0]["cos"]["cosBucket"]["name"] = "elsewhere"

    assert handle(world, event) == {"ignored": 0, "not_wanted": 1}


def test_without_rules_nothing_is_wanted(world: World) -> None:
    counts = handle(world, uploaded(world, "put"), Rules())

    assert counts == {"ignored": 0, "not_wanted": 1}


def test_removal_is_counted_as_ignored(world: World) -> None:
    assert handle(world, captured("cos/object_removed")) == {"ignored": 1}


class StumblingStore(InMemoryStore):
    """A bucket that fails once."""

    def __init__(self, error: Exception) -> None:
        super().__init__(ManualClock())
        self._errors = [error]

    def create(self, key: str, body: bytes) -> bool:
        if self._errors:
            raise self._errors.pop()
        return super().create(key, body)


@pytest.mark.parametrize("error", [AmbiguousError("put"), ZeroDivisionError("a bug")])
def test_fault_with_one_record_loses_none_and_asks_for_a_repeat(
    world: World, error: Exception
) -> None:
    event = uploaded(world, "several_records")
    world.store = StumblingStore(error)

    with pytest.raises(type(error)):
        handle(world, event)
    between = len(jobs(world))
    repeated = handle(world, event)

    assert between == 1
    assert repeated == {"ignored": 0, "accepted": 1, "known": 1, "not_wanted": 1}


class ForbiddenInbox(InMemoryStore):
    """A bucket whose policy was forgotten."""

    def head(self, *_: object) -> bytes | None:
        raise RefusedError("head", code="AccessDenied")


def test_refusal_of_ours_is_raised_since_a_policy_or_a_key_may_be_right_a_minute_later(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.inbox = ForbiddenInbox(world.clock)

    with pytest.raises(RefusedError):
        handle(world, captured("cos/put"))

    [said] = [record for record in caplog.records if record.message == "record_failed"]
    assert vars(said)["key"] == "anime/cat.jpg"


def test_picture_that_mps_left_settles_its_job(world: World) -> None:
    event = captured("cos/complete_multipart_upload")
    world.inbox.put("sketch/large.png", picture())
    handle(world, event)
    [task] = world.vendor.tasks
    world.vendor.finish(task)
    [key] = [listed.key for listed in world.results.list(".aigc/mps/")]

    counts = handle(world, staged(key))

    [job] = jobs(world)
    assert counts == {"ignored": 0, "stored": 1}
    assert job.state == "succeeded"
    assert "sketch/large-1.png" in world.results.objects


@pytest.mark.parametrize("key", [".aigc/mps/x.png", ".aigc/mps/job/x.png", ".aigc/mps/job/one/x"])
def test_object_that_mps_cannot_have_left_is_not_wanted(world: World, key: str) -> None:
    assert handle(world, staged(key)) == {"ignored": 0, "not_wanted": 1}


def test_result_of_ours_is_no_upload(world: World) -> None:
    assert handle(world, staged("anime/cat-1.png")) == {"ignored": 0, "not_wanted": 1}
