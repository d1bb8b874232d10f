"""Uploads are read from COS events, also with unusual keys."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from aigc.triggers.cos import CosEvent, ObjectCreated
from tests.captured import captured


def only(event: dict[str, Any]) -> ObjectCreated:
    [created] = CosEvent.parse(event).created
    return created


def test_put_is_read_whole() -> None:
    created = only(captured("cos/put"))

    assert created.bucket == "inbox-1250000000"
    assert created.key == "anime/cat.jpg"
    assert created.size == 48213
    assert created.event_name == "cos:ObjectCreated:Put"
    assert created.event_time == 1795176000
    assert created.request_id == "NjkxZjAwYzBfOWUxYjBiMDlfMTIzNF81Njc4OWE="
    assert created.occurrence == created.request_id
    assert created.meta["x-cos-meta-aigc-prompt"] == "as%20a%20woodcut"
    assert created.region == ""


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("key_with_space", "anime/my cat.jpg"),
        ("key_with_plus", "anime/cat+dog.jpg"),
        ("key_with_percent", "anime/100% wool.jpg"),
        ("key_in_chinese", "anime/猫.jpg"),
    ],
)
@pytest.mark.parametrize("is_encoded", [False, True], ids=["as it is", "percent-encoded"])
def test_odd_key_is_read_however_the_event_spells_it(
    name: str, key: str, *, is_encoded: bool
) -> None:
    event = captured(f"cos/{name}")
    event_key = quote(key) if is_encoded else key
    event["Records"][0]["cos"]["cosObject"]["key"] = f"/1250000000/inbox/{event_key}"

    created = only(event)

    assert created.key == key
    assert event_key in {created.key, *created.other_keys}


def test_key_that_looks_encoded_has_both_forms() -> None:
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored["key"] = "/1250000000/inbox/a%20b.jpg"
    stored["url"] = "http://inbox-1250000000.cos.ap-guangzhou.myqcloud.com/a%20b.jpg"

    created = only(event)

    assert {created.key, *created.other_keys} == {"a b.jpg", "a%20b.jpg"}


def test_key_is_used_unchanged_without_a_url() -> None:
    event = captured("cos/put")
    del event["Records"][0]["cos"]["cosObject"]["url"]

    assert only(event).key == "anime/cat.jpg"


def test_only_the_first_prefix_is_cut_off_a_key() -> None:
    event = captured("cos/put")
    stored = event["Records"][0]["cos"]["cosObject"]
    stored["key"] = "/1250000000/inbox/1250000000/inbox/a.jpg"
    stored["url"] = "http://inbox/1250000000/inbox/a.jpg"

    assert only(event).key == "1250000000/inbox/a.jpg"


def test_every_way_to_create_an_object_counts() -> None:
    for name in ("put", "post", "copy", "complete_multipart_upload"):
        assert only(captured(f"cos/{name}")).event_name.startswith("cos:ObjectCreated:")


def test_documented_wildcard_name_counts() -> None:
    event = captured("cos/put")
    event["Records"][0]["event"]["eventName"] = "cos:ObjectCreated:*"

    assert only(event).key == "anime/cat.jpg"


def test_several_records_are_all_read() -> None:
    event = CosEvent.parse(captured("cos/several_records"))

    assert [created.key for created in event.created] == [
        "anime/one.jpg",
        "anime/two.jpg",
        "notes/readme.txt",
    ]
    assert len({created.occurrence for created in event.created}) == 3


def test_removal_is_ignored_with_a_reason() -> None:
    event = CosEvent.parse(captured("cos/object_removed"))

    assert event.created == ()
    assert event.ignored == ("cos:ObjectRemove:Delete is not cos:ObjectCreated:*",)


def test_unreadable_record_does_not_hide_the_others() -> None:
    raw = captured("cos/several_records")
    del raw["Records"][0]["cos"]["cosObject"]["size"]

    event = CosEvent.parse(raw)

    assert [created.key for created in event.created] == ["anime/two.jpg", "notes/readme.txt"]
    assert event.ignored == ("unreadable: cos.cosObject.size: Field required",)


def test_upload_without_request_id_is_identified_by_time_and_size() -> None:
    event = captured("cos/put")
    del event["Records"][0]["cos"]["cosObject"]["meta"]["x-cos-request-id"]

    assert only(event).occurrence == "1795176000-48213"


def test_region_with_its_full_name_is_used() -> None:
    event = captured("cos/put")
    event["Records"][0]["cos"]["cosBucket"]["s3Region"] = "ap-guangzhou"

    assert only(event).region == "ap-guangzhou"
