"""An upload that several rules match has a job of each; one rule's error is not another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.uploads.entries import Entry
from aigc.uploads.inbox_object import InboxObject, read_object
from aigc.uploads.intake import process_upload
from aigc.uploads.rules import Rules
from tests.fakes import World, build_world, image_bytes
from tests.unit.uploads.test_rules import TASK, a_rule

if TYPE_CHECKING:
    from aigc.uploads.intake import ProcessedUpload

MORE: dict[str, Any] = {"continue": True, "results": "{rule}/{folder}"}
STYLED = a_rule("styled", task=TASK | {"prompt": "as {meta.style}"}, **MORE)
PLAIN = a_rule("plain")


def taken(world: World, *rules: dict[str, Any], **metadata: str) -> ProcessedUpload:
    """Put an object in the inbox and process it."""
    world.inbox.put("anime/cat.png", image_bytes())
    headers = {f"x-cos-meta-aigc-{name}": value for name, value in metadata.items()}
    world.inbox.headers["anime/cat.png"] |= headers
    read = read_object("anime/cat.png", world.runtime())
    assert isinstance(read, InboxObject)
    return process_upload(read, Rules.parse({"rule": list(rules)}), world.runtime())


def stored(world: World) -> Entry:
    [key] = world.ledger_keys("uploads/")
    return Entry.model_validate_json(world.store.objects[key][0])


def test_each_rule_that_matches_makes_a_job_of_its_own() -> None:
    world = build_world()

    taken(world, STYLED, PLAIN, style="ink")

    assert [job.rule for job in stored(world).jobs] == ["styled", "plain"]
    assert len({job.id for job in stored(world).jobs}) == 2
    assert len(world.ledger_keys("jobs/")) == 2


def test_rule_that_makes_no_valid_task_stops_no_other() -> None:
    world = build_world()

    taken(world, STYLED, PLAIN)

    assert [job.rule for job in stored(world).jobs] == ["plain"]
    assert stored(world).detail.startswith("styled: the upload has no metadata x-cos-meta-aigc-st")


def test_missing_metadata_is_the_reason_where_no_rule_makes_a_job() -> None:
    world = build_world()

    taken(world, STYLED)

    assert stored(world).reason == "missing_metadata"
    assert world.ledger_keys("jobs/") == []
    assert world.vendor.tasks == []


def test_unmet_conditions_are_in_the_entry() -> None:
    world = build_world()

    taken(world, a_rule(content_type="image/webp"), a_rule("large", min_bytes=10**6))

    assert stored(world).reason == "no_rule"
    assert "anime: content_type: it is image/png, not image/webp" in stored(world).detail
    assert "large: min_bytes" in stored(world).detail


def test_same_upload_makes_no_other_jobs() -> None:
    world = build_world()
    taken(world, STYLED, PLAIN, style="ink")

    second = taken(world, STYLED, PLAIN, style="ink")

    assert not second.is_new
    assert len(world.ledger_keys("jobs/")) == 2
