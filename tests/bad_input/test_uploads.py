"""Wrong uploads cost nothing, and do not affect valid uploads in the same event."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweep
import upload
from aigc.errors import BadEventError
from aigc.image_files import MAX_BYTES, inspect
from aigc.object_keys import LONGEST_LOCATION
from aigc.triggers.cos import CosEvent
from aigc.triggers.timer import TimerEvent
from aigc.uploads.rules import RulesError, load_rules
from tests.bad_input.corpus import FOLDER, corpus, data, expanded, with_changes
from tests.bad_input.invoked import (
    ANYTHING,
    CONTEXT,
    assert_nothing_was_paid,
    call_upload,
    new_world,
)
from tests.bad_input.test_calls import anything
from tests.captured import captured
from tests.fakes import World, image_bytes

if TYPE_CHECKING:
    from pathlib import Path

KEYS = corpus("keys")
RECORDS = corpus("cos_records")
NOT_IMAGES = corpus("not_images")
RULES = sorted((FOLDER / "rules").glob("*.toml"))
PREFIX = "/1250000000/inbox/"


def object_record(key: str, **meta: str) -> dict[str, Any]:
    """Return the record of an object in a COS event."""
    record: dict[str, Any] = captured("cos/put")["Records"][0]
    record["cos"]["cosObject"] |= {"key": f"{PREFIX}{key}", "size": 1000, "url": "", "meta": meta}
    return record


def upload_images(world: World, *keys: str, **headers: str) -> list[dict[str, Any]]:
    for key in keys:
        world.inbox.put(key, image_bytes(), "image/png")
        world.inbox.headers[key] |= headers
    return [object_record(key, **{"x-cos-request-id": key}) for key in keys]


# Keys


@pytest.mark.parametrize("name", KEYS)
def test_upload_with_an_unusable_key_becomes_no_job(name: str) -> None:
    world, key = new_world(), expanded(KEYS[name]["key"])
    [record] = upload_images(world, key)

    invoked = call_upload({"Records": [record]}, world)

    assert invoked.answer == {"ignored": 0, "not_wanted": 1}
    [line] = invoked.logged("upload_not_wanted")
    assert KEYS[name]["reason"] in line["reason"]
    assert_nothing_was_paid(world)


@pytest.mark.parametrize("name", corpus("good_keys"))
def test_upload_with_an_odd_but_valid_key_is_accepted(name: str) -> None:
    world, key = new_world(), corpus("good_keys")[name]
    records = upload_images(world, key)

    invoked = call_upload({"Records": records}, world)

    assert invoked.answer == {"ignored": 0, "accepted": 1}
    assert f"/{key}?" in world.vendor.tasks[0].params["FileInfos"][0]["Url"]


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_key_is_accepted_or_refused_before_it_costs(key: str) -> None:
    world = new_world()
    records = upload_images(world, key)

    invoked = call_upload({"Records": records}, world)

    assert sum(invoked.answer.values()) == 1
    assert len(world.vendor.tasks) == invoked.answer.get("accepted", 0)
    for job in map(json.loads, (body for body, _ in world.store.objects.values())):
        if "output_location" in job:
            location = job["output_location"]
            assert len((location["prefix"] + location["name"]).encode()) <= LONGEST_LOCATION


# Records


@pytest.mark.parametrize("name", RECORDS)
def test_bad_record_does_not_affect_valid_records(name: str) -> None:
    world, case = new_world(), RECORDS[name]
    good = upload_images(world, "anime/first.png", "anime/last.png")
    bad = (
        case["record"]
        if "record" in case
        else with_changes(object_record("gone.jpg"), case["change"])
    )

    invoked = call_upload({"Records": [good[0], bad, good[1]]}, world)

    assert invoked.answer["accepted"] == 2
    outcomes = ("ignored", "not_wanted", "not_found")
    assert sum(invoked.answer.get(outcome, 0) for outcome in outcomes) == 1
    [line] = [
        *(line["reason"] for line in invoked.logged("record_ignored")),
        *(line["reason"] for line in invoked.logged("upload_not_wanted")),
        *(line["key"] for line in invoked.logged("upload_not_found")),
    ]
    assert 0 < len(line) < 2000
    assert len(world.ledger_keys("jobs/")) == 2


@given(records=st.lists(anything, max_size=4), where=st.integers(0, 4))
def test_any_other_records_do_not_affect_a_valid_record(records: list[Any], where: int) -> None:
    world = new_world()
    [good] = upload_images(world, "anime/cat.png")

    invoked = call_upload({"Records": [*records[:where], good, *records[where:]]}, world)

    assert invoked.answer == {"ignored": len(records), "accepted": 1}


@given(
    path=st.sampled_from(
        [
            *(f"cos.cosObject.{name}" for name in ("key", "meta", "size", "url")),
            *(f"cos.cosBucket.{name}" for name in ("name", "appid", "region")),
            *(f"event.{name}" for name in ("eventName", "eventTime")),
        ]
    ),
    value=anything | st.text(st.characters(), max_size=50),
)
def test_any_value_in_a_record_does_not_affect_other_records(path: str, value: object) -> None:
    world = new_world()
    good = upload_images(world, "anime/first.png", "anime/last.png")

    invoked = call_upload(
        {"Records": [good[0], with_changes(object_record("x.png"), {path: value}), good[1]]}, world
    )

    assert invoked.answer["accepted"] == 2


@pytest.mark.parametrize("event", [None, [], "", {}, {"Records": None}, {"Records": []}])
def test_event_without_records_raises_an_error_for_the_alarm(event: Any) -> None:
    with pytest.raises(BadEventError, match="not a COS event"):
        upload.main_handler(event, CONTEXT)


@pytest.mark.parametrize("name", corpus("timer_events"))
def test_invalid_timer_event_raises_an_error_for_the_alarm(name: str) -> None:
    with pytest.raises(BadEventError, match="not a timer event"):
        sweep.main_handler(corpus("timer_events")[name], CONTEXT)


@given(event=anything)
def test_any_other_value_is_refused_as_an_event(event: Any) -> None:
    with pytest.raises(BadEventError):
        TimerEvent.parse(event)
    with pytest.raises(BadEventError):
        CosEvent.parse(event)


# Metadata


@pytest.mark.parametrize(
    ("header", "prompt"),
    [
        ("%", "%"),
        ("%E7%8C", "\ufffd"),
        ("%FF%FE", "\ufffd\ufffd"),
        ("a%0Ab", "a\nb"),
        ("caf\u00e9", "caf\u00e9"),
        ("%F0%9F%90%88", "🐈"),
        ("   ", "a lighthouse"),
    ],
)
def test_prompt_is_read_in_any_encoding(header: str, prompt: str) -> None:
    world = new_world()
    upload_images(world, "cat.png", **{"x-cos-meta-aigc-prompt": header})

    call_upload({"Records": [object_record("cat.png")]}, world)

    assert world.vendor.tasks[0].params["Prompt"] == prompt


@pytest.mark.parametrize("header", ["a%00b", "%1B%5B2J", "%7F"])
def test_prompt_with_control_characters_costs_nothing(header: str) -> None:
    world = new_world()
    upload_images(world, "cat.png", **{"x-cos-meta-aigc-prompt": header})

    invoked = call_upload({"Records": [object_record("cat.png")]}, world)

    assert invoked.answer == {"ignored": 0, "not_wanted": 1}
    assert "prompt" in invoked.logged("upload_not_wanted")[0]["reason"]
    assert_nothing_was_paid(world)


def test_headers_that_are_no_text_are_ignored() -> None:
    world = new_world()
    [record] = upload_images(world, "cat.png")
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    record["cos"]["cosObject"]["meta"]["x-cos-meta-x"] = nested

    assert call_upload({"Records": [record]}, world).answer == {"ignored": 0, "accepted": 1}


# Content that is no image


@pytest.mark.parametrize("name", ["nothing", "an SVG", "a PNG of 50000 by 50000"])
def test_content_that_is_no_image_is_not_paid_for(name: str) -> None:
    world = new_world()
    world.inbox.put("cat.png", data(NOT_IMAGES[name]), "image/png")

    invoked = call_upload({"Records": [object_record("cat.png")]}, world)

    assert invoked.answer == {"ignored": 0, "not_wanted": 1}
    assert invoked.logged("upload_not_wanted")[0]["reason"]
    assert_nothing_was_paid(world)


@pytest.mark.parametrize(
    "key",
    [
        ".aigc/mps/../1/a.png",
        ".aigc/mps/0123456789abcdef0123456789abcdef/9999999/a.png",
        ".aigc/mps/0123456789abcdef0123456789abcdef/\u0661/a.png",
        ".aigc/mps/0123456789abcdef0123456789abcdef/1/",
        ".aigc/mps//1/a.png",
        ".aigc/mps/jobs%2f/1/a.png",
    ],
)
def test_key_that_mps_cannot_have_written_causes_no_request_to_the_ledger(key: str) -> None:
    world = new_world()
    record = with_changes(object_record(key), {"cos.cosBucket.name": "results"})
    record["cos"]["cosObject"]["key"] = f"/1250000000/results/{key}"

    invoked = call_upload({"Records": [record]}, world)

    assert invoked.answer == {"ignored": 0, "not_wanted": 1}
    assert world.store.requests == []


# Rules


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_bad_rules_are_refused_by_rule_and_field(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    expected = text.partition("\n")[0].removeprefix("# ")
    rules = tmp_path / "rules.toml"
    rules.write_text(text, encoding="utf-8")

    with pytest.raises(RulesError) as raised:
        load_rules(rules)

    assert expected in str(raised.value).replace("\n", "\\n")


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe[\x00[\x00",
        b"caf\xe9 = 1",
        b"\x00",
        b"a = " + b"[" * 100_000,
        b"a = 1" + b"0" * 100_000,
        b'name = "\xed\xa0\xbd"',
    ],
    ids=["UTF-16", "Latin-1", "zero byte", "deep", "long number", "half a character"],
)
def test_invalid_toml_is_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(text)

    with pytest.raises(RulesError, match=r"rules\.toml is not TOML"):
        load_rules(path)


def test_rules_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xef\xbb\xbfrule = []")

    assert load_rules(path).rule == ()


@given(raw=anything | st.fixed_dictionaries({"rule": st.lists(anything, max_size=2)}))
def test_any_rules_are_accepted_or_refused(raw: Any) -> None:
    with contextlib.suppress(RulesError):
        ANYTHING.parse(raw)


@pytest.mark.parametrize("prompt", ["Prompt", "prompt"])
def test_prompt_of_an_upload_replaces_either_spelling_in_the_rule(prompt: str) -> None:
    task = {"ModelName": "GG", "ModelVersion": "3.0", prompt: "the rule's"}
    rules = ANYTHING.parse({"rule": [{"name": "any", "kind": "vod.image", "task": task}]})
    world = new_world()
    upload_images(world, "cat.png", **{"x-cos-meta-aigc-prompt": "its own"})

    call_upload({"Records": [object_record("cat.png")]}, world, rules)

    assert world.vendor.tasks[0].params["Prompt"] == "its own"


def test_too_large_image_is_refused_by_its_first_bytes() -> None:
    world = new_world()
    world.inbox.put("cat.png", image_bytes() + bytes(MAX_BYTES), "image/png")

    invoked = call_upload({"Records": [object_record("cat.png")]}, world)

    assert invoked.answer == {"ignored": 0, "not_wanted": 1}


def test_image_of_the_corpus_is_valid() -> None:
    assert inspect(image_bytes()).content_type == "image/png"
