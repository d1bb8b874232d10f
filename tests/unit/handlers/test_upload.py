"""Uploads become jobs, or are refused with a reason; an error with one loses no other."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import upload
from aigc.errors import AmbiguousError, RefusedError
from aigc.jobs.job import id_from
from aigc.triggers.cos import CosEvent
from aigc.uploads.entries import Entries, Entry, EntryJob
from aigc.uploads.rules import Rules, load_rules
from aigc.wire import with_fields
from tests.captured import captured
from tests.fakes import InMemoryStore, ManualClock, World, build_world, image_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Peek

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
        put(world, created.key, image_bytes() if data is None else data, created.meta)
    return event


def put(
    world: World, key: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Put an object in the inbox, with the headers that an event has of it."""
    world.inbox.put(key, image_bytes() if data is None else data, "image/png")
    world.inbox.headers[key] |= headers or {}


def entries(world: World) -> list[Entry]:
    """Read all entries of the ledger."""
    return [
        Entry.model_validate_json(world.store.objects[key][0])
        for key in world.ledger_keys("uploads/")
    ]


def jobs(world: World) -> list[Job]:
    ledger = world.runtime().ledger
    records = [ledger.records.read(key[5:-5]) for key in world.ledger_keys("jobs/")]
    return [job for job in records if job is not None]


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
    assert job.source.model_dump(exclude_defaults=True) == {
        "type": "upload",
        "name": "product",
        "bucket": "inbox-1250000000",
        "key": "product/teapot.png",
        "request_id": "NjkxZjAwYzBfOWUxYjBiMDlfMTIzNF81Njc4OWE=",
    }
    assert (job.output_location.prefix, job.output_location.name) == ("product/", "teapot.png")


def test_upload_is_passed_to_the_vendor_as_a_presigned_url(world: World) -> None:
    handle(world, uploaded(world, "key_in_chinese"))

    [task] = world.vendor.tasks
    [file_info] = task.params["FileInfos"]
    assert file_info["Url"].startswith("https://inbox-1250000000.cos.example/anime/猫.jpg?")


def test_another_form_of_a_key_is_tried_if_the_first_does_not_exist(world: World) -> None:
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored["key"] = "/1250000000/inbox/anime/a%20b.jpg"
    stored["url"] = "http://inbox-1250000000.cos.ap-guangzhou.myqcloud.com/anime/a%20b.jpg"
    world.inbox.put("anime/a%20b.jpg", image_bytes())

    handle(world, event)

    [job] = jobs(world)
    assert job.source.key == "anime/a%20b.jpg"


def test_same_event_three_times_is_one_job_and_one_task(world: World) -> None:
    event = uploaded(world, "put")

    counts = [handle(world, event) for _ in range(3)]

    assert [count.get("accepted") for count in counts] == [1, None, None]
    assert [count.get("known") for count in counts] == [None, 1, 1]
    assert len(world.vendor.tasks) == 1


def test_same_content_under_the_same_key_is_the_same_job(world: World) -> None:
    event = uploaded(world, "put")
    handle(world, event)
    event["Records"][0]["cos"]["cosObject"]["meta"]["x-cos-request-id"] = "another"
    world.clock.pass_time(60)
    world.inbox.put("anime/cat.jpg", image_bytes(), "image/png")
    put(world, "anime/cat.jpg", headers=CosEvent.parse(event).created[0].meta)

    counts = handle(world, event)

    assert counts == {"ignored": 0, "known": 1}
    assert len(jobs(world)) == 1


@pytest.mark.parametrize(
    ("data", "headers"),
    [(image_bytes(40, 30), {}), (None, {"x-cos-meta-aigc-prompt": "in blue"})],
    ids=["content", "metadata of ours"],
)
def test_other_content_or_metadata_under_the_same_key_is_another_job(
    world: World, data: bytes | None, headers: dict[str, str]
) -> None:
    put(world, "anime/cat.jpg")
    event = captured("cos/put")
    handle(world, event)
    put(world, "anime/cat.jpg", data, headers)

    handle(world, event)

    assert len(jobs(world)) == 2


def test_metadata_of_others_does_not_make_another_job(world: World) -> None:
    put(world, "anime/cat.jpg")
    event = captured("cos/put")
    handle(world, event)
    put(world, "anime/cat.jpg", headers={"x-cos-meta-camera": "X100", "x-cos-storage-class": "IA"})

    assert handle(world, event) == {"ignored": 0, "known": 1}


def test_rule_that_repeats_makes_a_job_of_each_upload(world: World) -> None:
    rule = RULES.rule[0].model_copy(update={"repeat": True})
    rules = Rules.model_construct(rule=(rule,))
    event = captured("cos/put")
    event["Records"][0]["cos"]["cosObject"]["key"] = f"/1250000000/inbox/{rule.prefix}cat.jpg"
    event["Records"][0]["cos"]["cosObject"]["url"] = ""
    for _ in range(2):
        world.inbox.put(f"{rule.prefix}cat.jpg", image_bytes(), "image/png")
        counts = [handle(world, event, rules) for _ in range(2)]
        world.clock.pass_time(60)

    assert counts == [{"ignored": 0, "accepted": 1}, {"ignored": 0, "known": 1}]
    assert len(jobs(world)) == 2


def test_event_of_an_upload_with_a_job_of_an_earlier_version_makes_no_other_job(
    world: World,
) -> None:
    event = uploaded(world, "put")
    [created] = CosEvent.parse(event).created
    old_id = id_from("upload", created.bucket, created.key, created.occurrence)
    handle(world, uploaded(world, "post"))
    [other] = jobs(world)
    world.runtime().ledger.records.write_new(with_fields(other, id=old_id))

    counts = handle(world, event)

    assert counts == {"ignored": 0, "known": 1}
    assert [
        job.id for entry in entries(world) for job in entry.jobs if entry.key == created.key
    ] == [old_id]


@pytest.mark.parametrize("event_name", ["Copy", "Replication"])
def test_copy_is_an_upload_only_to_a_rule_that_names_it(world: World, event_name: str) -> None:
    event = uploaded(world, "put")
    event["Records"][0]["event"]["eventName"] = f"cos:ObjectCreated:{event_name}"
    named = [rule.model_copy(update={"events": (event_name,)}) for rule in RULES.rule]

    counts = [
        handle(world, event, rules) for rules in (RULES, Rules.model_construct(rule=tuple(named)))
    ]

    assert counts == [{"ignored": 0, "not_wanted": 1}, {"ignored": 0, "accepted": 1}]


@pytest.mark.parametrize(("name", "outcome"), [("Put", "accepted"), ("*", "not_wanted")])
def test_event_without_its_name_may_be_a_copy_of_what_lay_there_before(
    world: World, name: str, outcome: str
) -> None:
    put(world, "anime/cat.jpg")
    [listed] = world.inbox.list("anime/")
    before = Entry(
        key=listed.key,
        etag=listed.etag,
        size=listed.size,
        modified=listed.modified,
        kind="before",
        noted_at=world.clock.now(),
    )
    Entries(world.store).write(before)
    event = captured("cos/put")
    event["Records"][0]["event"]["eventName"] = f"cos:ObjectCreated:{name}"

    assert handle(world, event) == {"ignored": 0, outcome: 1}


def test_copy_that_is_no_upload_is_not_taken_in_by_the_sweep_either(world: World) -> None:
    event = uploaded(world, "put")
    event["Records"][0]["event"]["eventName"] = "cos:ObjectCreated:Copy"

    for _ in range(2):
        handle(world, event)

    assert [entry.reason for entry in entries(world)] == ["not_an_upload"]


def test_entry_names_the_jobs_of_an_upload(world: World) -> None:
    handle(world, uploaded(world, "put"))

    [entry], [job] = entries(world), jobs(world)
    assert (entry.key, entry.kind, entry.size) == ("anime/cat.jpg", "job", len(image_bytes()))
    assert entry.jobs == (EntryJob(rule=job.source.name, id=job.id),)


def test_prompt_of_the_upload_goes_before_the_rules(world: World) -> None:
    handle(world, uploaded(world, "put"))

    assert world.vendor.tasks[0].params["Prompt"] == "as a woodcut"


def test_prompt_is_read_from_the_object_and_not_from_the_event(world: World) -> None:
    event = uploaded(world, "post")
    event["Records"][0]["cos"]["cosObject"]["meta"]["x-cos-meta-aigc-prompt"] = "of the event"
    world.inbox.headers["product/teapot.png"]["x-cos-meta-aigc-prompt"] = "%E7%8C%AB"

    handle(world, event)

    [task] = world.vendor.tasks
    assert "猫" in str(task.params)
    assert "of the event" not in str(task.params)


def test_the_rule_s_prompt_is_used_if_the_upload_has_none(world: World) -> None:
    put(world, "anime/cat.jpg")
    handle(world, captured("cos/put"))

    assert world.vendor.tasks[0].params["Prompt"] == "Redraw this image in anime style"


def test_images_among_other_records_are_accepted(world: World) -> None:
    counts = handle(world, uploaded(world, "several_records"))

    assert counts == {"ignored": 0, "accepted": 2, "not_wanted": 1}


@pytest.mark.parametrize(
    ("changes", "data", "reason"),
    [
        ({"key": "/1250000000/inbox/other/a.jpg"}, image_bytes(), "no rule matches its key"),
        ({}, bytes(20 * 2**20 + 1), "more than 20971520"),
        ({}, b"%PDF-1.7", "not a JPEG, PNG or WebP"),
    ],
    ids=["no rule", "too large", "no image"],
)
def test_object_that_cannot_be_a_job_costs_nothing(
    world: World,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    data: bytes,
    reason: str,
) -> None:
    caplog.set_level(logging.INFO)
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored |= {"url": "", **changes}
    world.inbox.put(CosEvent.parse(event).created[0].key, data)

    counts = handle(world, event)

    [logged] = [record for record in caplog.records if record.message == "upload_not_wanted"]
    assert counts == {"ignored": 0, "not_wanted": 1}
    assert reason in vars(logged)["reason"]
    assert world.vendor.tasks == []
    assert jobs(world) == []


def test_object_that_is_under_none_of_its_keys_is_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    counts = handle(world, captured("cos/put"))

    [warning] = [record for record in caplog.records if record.message == "upload_not_found"]
    assert counts == {"ignored": 0, "not_found": 1}
    assert (warning.levelname, vars(warning)["key"]) == ("WARNING", "anime/cat.jpg")
    assert jobs(world) == []


@pytest.mark.parametrize(
    ("key", "url", "stored"),
    [
        ("anime/my cat.jpg", "anime/my%20cat.jpg", "anime/my cat.jpg"),
        ("anime/my+cat.jpg", "anime/my%20cat.jpg", "anime/my cat.jpg"),
        ("anime/my%20cat.jpg", "", "anime/my cat.jpg"),
        ("anime/my%2520cat.jpg", "anime/my%2520cat.jpg", "anime/my cat.jpg"),
        ("anime/%E7%8C%AB.jpg", "", "anime/猫.jpg"),
        ("anime/a+b.jpg", "anime/a%2Bb.jpg", "anime/a+b.jpg"),
        ("anime/100%25.jpg", "anime/100%2525.jpg", "anime/100%25.jpg"),
    ],
)
def test_every_form_of_a_key_in_an_event_is_tried(
    world: World, key: str, url: str, stored: str
) -> None:
    event = captured("cos/put")
    host = "http://inbox-1250000000.cos.ap-guangzhou.myqcloud.com/"
    in_event = event["Records"][0]["cos"]["cosObject"]
    in_event |= {"key": f"/1250000000/inbox/{key}", "url": url and host + url}
    put(world, stored)

    handle(world, event)

    assert [job.source.key for job in jobs(world)] == [stored]


def test_without_rules_no_upload_becomes_a_job(world: World) -> None:
    counts = handle(world, uploaded(world, "put"), Rules())

    assert counts == {"ignored": 0, "not_wanted": 1}


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
def test_error_with_one_record_loses_none_and_causes_a_repeat(
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

    def peek(self, *_: object) -> Peek | None:
        raise RefusedError("get", code="AccessDenied")


def test_refusal_of_ours_is_raised_since_a_policy_or_a_key_may_be_right_a_minute_later(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.inbox = ForbiddenInbox(world.clock)

    with pytest.raises(RefusedError):
        handle(world, captured("cos/put"))

    [logged] = [record for record in caplog.records if record.message == "record_failed"]
    assert vars(logged)["key"] == "anime/cat.jpg"


def test_image_that_mps_left_settles_its_job(world: World) -> None:
    event = captured("cos/complete_multipart_upload")
    world.inbox.put("sketch/large.png", image_bytes())
    handle(world, event)
    [task] = world.vendor.tasks
    world.vendor.finish(task)
    [key] = [listed.key for listed in world.results.list(".aigc/mps/")]

    counts = handle(world, staged(key))

    [job] = jobs(world)
    assert counts == {"ignored": 0, "stored": 1}
    assert job.state == "succeeded"
    assert "sketch/large.png-1.png" in world.results.objects


def test_result_of_ours_is_no_upload(world: World) -> None:
    assert handle(world, staged("anime/cat-1.png")) == {"ignored": 0, "not_wanted": 1}
