"""A walk through the inbox finds uploads without an event, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError, RefusedError
from aigc.jobs.runtime import Memory
from aigc.sweeping import sweep
from aigc.triggers.cos import CosEvent
from aigc.uploads.deployed import NotDeployedError, as_deployed
from aigc.uploads.entries import Entries, Entry, EntryName, stem_of
from aigc.uploads.events import process_event
from aigc.uploads.reconcile import PAGES, Reconciliation
from aigc.uploads.rules import DeployedRules, Rules
from aigc.uploads.since import SINCE, selection_of
from tests.captured import captured
from tests.fakes import (
    START,
    InMemoryStore,
    StoreFault,
    World,
    build_settings,
    build_world,
    image_bytes,
)
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed, Peek

TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse"}
LATER_S = 181


def rules(**changes: Any) -> Rules:
    rule = {"name": "any", "prefix": "photos/", "kind": "vod.image", "task": TASK} | changes
    return Rules.parse({"rule": [rule]})


RULES = rules()


@pytest.fixture
def world() -> World:
    """Return a world whose rules have existed for an hour."""
    world = build_world()
    reconcile(world)
    world.clock.pass_time(3600)
    return world


def reconcile(world: World, wanted: Rules = RULES) -> int:
    """Walk through the whole inbox; return how many new jobs there are."""
    walk = Reconciliation(wanted, world.runtime())
    new, after = 0, ""
    while page := walk.page(after):
        new += sum(walk.check(listed) for listed in page)
        after = page[-1].key
    return new


def upload(world: World, key: str = "photos/cat.png", data: bytes | None = None) -> None:
    world.inbox.put(key, image_bytes() if data is None else data, "image/png")
    world.clock.pass_time(LATER_S)


def copied(key: str) -> CosEvent:
    """Return the event of an object that was copied onto itself."""
    event = captured("cos/put")
    [record] = event["Records"]
    record["event"]["eventName"] = "cos:ObjectCreated:Copy"
    record["cos"]["cosObject"] |= {"key": f"/1250000000/inbox/{key}", "url": ""}
    return CosEvent.parse(event)


def entries(world: World) -> list[Entry]:
    return [
        Entry.model_validate_json(body)
        for key, (body, _) in world.store.objects.items()
        if key.startswith("uploads/")
    ]


def test_upload_without_an_event_becomes_a_job(world: World) -> None:
    upload(world)

    assert reconcile(world) == 1
    assert len(world.vendor.tasks) == 1


def test_upload_becomes_one_job(world: World) -> None:
    upload(world)

    assert [reconcile(world) for _ in range(3)] == [1, 0, 0]
    assert len(world.vendor.tasks) == 1


def test_upload_is_left_to_its_event_for_some_minutes(world: World) -> None:
    world.inbox.put("photos/cat.png", image_bytes(), "image/png")

    assert reconcile(world) == 0
    world.clock.pass_time(LATER_S)
    assert reconcile(world) == 1


def test_settled_object_costs_no_request_of_its_own(world: World) -> None:
    for number in range(20):
        upload(world, f"photos/{number}.png")
    reconcile(world)
    world.store.requests.clear()
    world.inbox.requests.clear()

    reconcile(world)

    assert world.store.requests == ["list inbox/since/", "list uploads/"]
    assert world.inbox.requests == ["list ", "list "]


def test_object_older_than_the_stack_becomes_no_job() -> None:
    world = build_world()
    upload(world)

    assert reconcile(world) == 0
    world.clock.pass_time(3600)
    assert reconcile(world) == 0
    assert [entry.reason for entry in entries(world)] == ["before_rule"]


@pytest.mark.parametrize(
    "changes", [{"prefix": ""}, {"suffix": [".png", ".jpg"]}, {"repeat": True}], ids=str
)
def test_object_older_than_a_wider_rule_becomes_no_job(
    world: World, changes: dict[str, Any]
) -> None:
    narrow = rules(suffix=[".jpg"])
    upload(world, "photos/cat.png")
    upload(world, "photos/dog.jpg")
    assert reconcile(world, narrow) <= 1

    assert reconcile(world, rules(**({"suffix": [".jpg"]} | changes))) == 0
    assert len(world.vendor.tasks) <= 1


@pytest.mark.parametrize("others", [rules(prefix="other/"), Rules()], ids=["another", "none"])
def test_rule_that_was_gone_for_a_while_is_a_new_rule(world: World, others: Rules) -> None:
    world.memory.of(DeployedRules).rules = others
    sweep(world.runtime())
    world.clock.pass_time(60)
    upload(world)

    assert reconcile(world) == 0
    assert [entry.reason for entry in entries(world)] == ["before_rule"]


def test_renamed_rule_is_no_new_rule(world: World) -> None:
    upload(world)

    assert reconcile(world, rules(name="other")) == 1


@pytest.mark.parametrize(("since_s", "new"), [(-3600, 1), (3600, 0)])
def test_setting_replaces_the_dates_of_rules(since_s: float, new: int) -> None:
    world = build_world(inbox_since=START + timedelta(seconds=since_s))
    upload(world)

    assert reconcile(world) == new


@pytest.mark.sized
@pytest.mark.parametrize("objects_are", ["known", "before the rule"])
def test_copies_of_an_object_onto_itself_cost_nothing(objects_are: str) -> None:
    objects = size(50, full=5000)
    world = build_world()
    if objects_are == "known":
        reconcile(world)
        world.clock.pass_time(1)
    for number in range(objects):
        world.inbox.put(f"photos/{number}.png", image_bytes(), "image/png")
    world.clock.pass_time(LATER_S)
    reconcile(world)
    billed = len(world.vendor.tasks)
    for number in range(objects):
        world.inbox.put(f"photos/{number}.png", image_bytes(), "image/png")
        headers = world.inbox.headers[f"photos/{number}.png"]
        headers |= {"x-cos-storage-class": "STANDARD_IA", "x-cos-meta-camera": "X100"}
        process_event(copied(f"photos/{number}.png"), RULES, world.runtime())
    world.clock.pass_time(LATER_S)

    assert reconcile(world) == 0
    assert len(world.vendor.tasks) == billed
    world.inbox.requests.clear()
    reconcile(world)
    assert set(world.inbox.requests) == {"list "}


def test_rule_that_repeats_makes_a_job_of_a_copy(world: World) -> None:
    repeating = rules(repeat=True)
    reconcile(world, repeating)
    world.clock.pass_time(1)
    upload(world)
    upload(world)

    assert [reconcile(world, repeating), reconcile(world, repeating)] == [1, 0]
    upload(world)
    assert [reconcile(world, repeating), reconcile(world, repeating)] == [1, 0]


def test_object_that_is_no_upload_gets_no_entry(world: World) -> None:
    for key in ("photos/", ".aigc/cat.png", "other/cat.png"):
        upload(world, key)

    assert reconcile(world) == 0
    assert entries(world) == []


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("photos/a.txt", b"%PDF-1.7", "not_an_image"),
        ("photos/empty.png", b"", "empty"),
        ("photos/../a.png", None, "unusable_key"),
        ("photos/a\tb.png", None, "unusable_key"),
    ],
)
def test_object_that_cannot_become_a_job_is_read_once(
    world: World, key: str, data: bytes | None, reason: str
) -> None:
    upload(world, key, data)
    reconcile(world)
    world.inbox.requests.clear()

    reconcile(world)

    assert [entry.reason for entry in entries(world)] == [reason]
    assert [request for request in world.inbox.requests if "peek" in request] == []


class ArchivedInbox(InMemoryStore):
    """A bucket whose objects were archived."""

    def peek(self, key: str, size: int, begin: int = 0) -> Peek | None:
        super().peek(key, size, begin)
        raise RefusedError("get", code="InvalidObjectState")


def test_archived_object_is_unreadable_and_stops_no_other(world: World) -> None:
    world.inbox = ArchivedInbox(world.clock)
    upload(world)

    assert [reconcile(world), reconcile(world)] == [0, 0]
    assert [entry.reason for entry in entries(world)] == ["unreadable"]
    assert len([request for request in world.inbox.requests if "peek" in request]) == 1


class LateListing(InMemoryStore):
    """A ledger whose listings lack the entries."""

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        listing = super().list(prefix, after, limit)
        return [] if prefix == "uploads/" else listing


def test_entry_that_a_late_listing_lacks_is_read_by_its_key(world: World) -> None:
    late = LateListing(world.clock)
    world.store = late
    reconcile(world)
    world.clock.pass_time(1)
    upload(world)
    reconcile(world)
    late.requests.clear()

    assert reconcile(world, rules(name="renamed")) == 0
    assert not any(request.startswith("create ") for request in late.requests)


def test_long_keys_are_settled_too(world: World) -> None:
    keys = [f"photos/{'猫' * 270}{number}.png" for number in range(3)]
    for key in (*keys, "photos/a.png", "photos/猫.png"):
        upload(world, key)

    reconcile(world)

    assert reconcile(world) == 0
    assert len(entries(world)) == 5
    assert all(len(key.encode()) <= 850 for key in world.ledger_keys())


def test_three_hundred_of_many_objects_are_found_in_one_pass(world: World) -> None:
    for number in range(5000):
        world.inbox.put(f"photos/{number:06d}.png", image_bytes(), "image/png")
    note_all(world)
    for number in range(0, 5000, 17):
        key = f"photos/{number:06d}-new.png"
        world.inbox.put(key, b"no image", "image/png")
    world.clock.pass_time(LATER_S)
    world.inbox.requests.clear()
    world.store.requests.clear()

    reconcile(world)

    listings = [
        request
        for request in (*world.inbox.requests, *world.store.requests)
        if request in {"list ", "list uploads/"}
    ]
    reasons = [entry.reason for entry in entries(world) if entry.reason]
    assert reasons == ["not_an_image"] * 295
    assert len(listings) <= 2 * 6 + 2


def note_all(world: World) -> None:
    """Write an entry for each object of the inbox, as if its event had arrived."""
    for listed in world.inbox.objects:
        [listed_object] = world.inbox.list(listed, "", 1)
        entry = Entry(
            key=listed_object.key,
            etag=listed_object.etag,
            size=listed_object.size,
            modified=listed_object.modified,
            kind="job",
            noted_at=world.clock.now(),
        )
        Entries(world.store).write(entry)


KEYS = ("a", "a b", "a!", 'a"', "a#b", "a/b", "a0", "A", "猫", "a//b", "a-b", "a.b", "b", "~", "é")


def test_stems_have_the_order_of_their_keys() -> None:
    names = [f"{stem_of(key)}!{'0' * 16}" for key in sorted(KEYS, key=str.encode)]

    assert names == sorted(names, key=str.encode)


def test_name_of_an_entry_is_read_back() -> None:
    name = EntryName(stem_of("a! b/猫.png"), "0123456789abcdef", 1_795_000_000, "job")

    assert EntryName.parse(name.key) == name
    assert EntryName.parse("uploads/something") is None


def test_time_of_an_object_is_compared_in_seconds(world: World) -> None:
    moment = datetime(2026, 11, 20, 13, 0, 0, 700_000, tzinfo=timezone.utc)
    world.clock.moment = moment
    upload(world)

    assert [reconcile(world), reconcile(world)] == [1, 0]


# The part of the sweep


def test_sweep_makes_a_job_of_an_upload_without_an_event(world: World) -> None:
    world.memory.of(DeployedRules).rules = RULES
    upload(world)

    reports = [sweep(world.runtime()) for _ in range(2)]

    assert [report.uploads for report in reports] == [1, 0]
    assert [report.failed for report in reports] == [0, 0]


def test_sweeps_continue_where_the_last_one_stopped(world: World) -> None:
    world.memory.of(DeployedRules).rules = RULES
    for number in range(1000 * PAGES + 500):
        world.inbox.put(f"photos/{number:06d}.png", b"no image", "image/png")
    note_all(world)
    upload(world, "photos/last.png")

    reports = [sweep(world.runtime(seconds=3600)) for _ in range(2)]

    assert [report.uploads for report in reports] == [0, 1]


def test_upload_that_fails_stops_no_other(world: World) -> None:
    world.memory.of(DeployedRules).rules = RULES
    for name in ("a", "b", "c"):
        upload(world, f"photos/{name}.png")
    world.store.faults = [StoreFault("put uploads/photos/a.png", AmbiguousError("put"))]

    reports = [sweep(world.runtime()) for _ in range(2)]

    assert [(report.uploads, report.failed) for report in reports] == [(2, 1), (0, 0)]
    assert len({entry.key for entry in entries(world)}) == 3


def test_commands_of_the_owner_work_with_the_rules_of_the_functions(world: World) -> None:
    other = World(**{**vars(world), "memory": Memory(), "settings": build_settings()})
    with pytest.raises(NotDeployedError):
        as_deployed(other.runtime())
    world.memory.of(DeployedRules).rules = RULES
    world.settings = build_settings(labels="visible")

    sweep(world.runtime())

    runtime = as_deployed(other.runtime())
    assert runtime.memory.of(DeployedRules).rules == RULES
    assert runtime.settings.labels == "visible"


def test_dates_of_rules_converge_to_the_earliest(world: World) -> None:
    other = World(**{**vars(world), "memory": Memory()})
    upload(world)
    late = world.clock.now() + timedelta(days=1)
    selection = selection_of(RULES.rule[0])
    world.store.put(f"{SINCE}{selection}/{int(late.timestamp() * 1000):013d}", b"{}")

    assert reconcile(other) == 1


def test_upload_in_the_second_after_its_rule_appeared_becomes_a_job() -> None:
    world = build_world()
    world.clock.moment = START + timedelta(seconds=0.4)
    reconcile(world)
    world.clock.moment = START + timedelta(seconds=0.6)
    world.inbox.put("photos/cat.png", image_bytes(), "image/png")
    body, modified = world.inbox.objects["photos/cat.png"]
    world.inbox.objects["photos/cat.png"] = (body, modified.replace(microsecond=0))
    world.clock.pass_time(LATER_S)

    assert reconcile(world) == 1
