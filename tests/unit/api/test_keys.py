"""Keys: which are accepted, what a lookup costs, and what each may see."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api.keys import (
    MOST_REMEMBERED,
    REMEMBERED_S,
    KeyRecord,
    KnownKeys,
    Limits,
    digest_of,
    is_well_formed,
    new_key,
    record_key,
)
from aigc.jobs.runtime import Memory
from aigc_cli.keys import create
from tests.fakes import START

if TYPE_CHECKING:
    from tests.fakes import World
    from tests.unit.api.client import Client

IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"}
SUBMIT = "/tencent-vod/v1/aigc-image"


def put_key(world: World, name: str = "shop", **limits: Any) -> str:
    """Write a key to the ledger as the command does, and return it."""
    key = new_key()
    record = KeyRecord(name=name, created_at=START, limits=Limits(**limits))
    world.store.put(record_key(digest_of(key)), record.model_dump_json().encode())
    return key


def with_key(client: Client, key: str) -> Client:
    return dataclasses.replace(client, headers={"Authorization": f"Bearer {key}"})


def another_instance(client: Client) -> Client:
    """Return a client of a new instance of the same deployment."""
    return dataclasses.replace(client, world=dataclasses.replace(client.world, memory=Memory()))


def looked_up(world: World) -> list[str]:
    return [request for request in world.store.requests if "keys/" in request]


def test_a_key_of_the_ledger_is_accepted(client: Client) -> None:
    caller = with_key(client, put_key(client.world))

    answer = caller.post(SUBMIT, IMAGE)

    assert answer.status == 200
    job = client.world.runtime().ledger.records.read(answer.body["request_id"])
    assert job is not None
    assert (job.source.type, job.source.name) == ("call", "shop")


def test_a_key_that_the_ledger_does_not_have_is_refused_like_none(client: Client) -> None:
    unknown = with_key(client, new_key()).get("/v1/lanes")
    without = with_key(client, "").get("/v1/lanes")

    assert (unknown.status, unknown.body) == (without.status, without.body)
    assert unknown.status == 401


@pytest.mark.parametrize("spoil", ["", "aigc_short", "{key}x", "{cut}0"])
def test_malformed_key_costs_no_request(client: Client, spoil: str) -> None:
    key = new_key()
    wrong = "1" if key[-1] == "0" else "0"
    presented = spoil.format(key=key, cut=key[:-1] + wrong)

    answer = with_key(client, presented).get("/v1/lanes")

    assert answer.status == 401
    assert looked_up(client.world) == []


def test_an_instance_reads_a_key_once_in_a_while(client: Client) -> None:
    known = with_key(client, put_key(client.world))
    unknown = with_key(client, new_key())
    client.world.store.requests.clear()

    for caller in (known, unknown, known, unknown):
        caller.get("/v1/lanes")
    at_once = len(looked_up(client.world))
    client.world.clock.pass_time(REMEMBERED_S)
    for caller in (known, unknown):
        caller.get("/v1/lanes")

    assert (at_once, len(looked_up(client.world))) == (2, 4)


def test_a_revoked_key_ends_everywhere_once_it_is_forgotten(client: Client) -> None:
    key = put_key(client.world)
    caller = with_key(client, key)
    before = caller.get("/v1/lanes").status
    record = KeyRecord(name="shop", created_at=START, revoked_at=START)
    client.world.store.put(record_key(digest_of(key)), record.model_dump_json().encode())

    at_once = caller.get("/v1/lanes").status
    elsewhere = another_instance(caller).get("/v1/lanes").status
    client.world.clock.pass_time(REMEMBERED_S)

    assert (before, at_once, elsewhere) == (200, 200, 401)
    assert caller.get("/v1/lanes").status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b'{"name": "shop"}',
        json.dumps(
            {"name": "shop", "created_at": str(START), "limits": {"images_per_hour": 3}}
        ).encode(),
    ],
    ids=["damaged", "incomplete", "with a limit that this version does not know"],
)
def test_a_key_that_cannot_be_read_is_refused(client: Client, body: bytes) -> None:
    key = new_key()
    client.world.store.put(record_key(digest_of(key)), body)

    assert with_key(client, key).get("/v1/lanes").status == 401


def test_a_key_with_the_name_of_a_configured_one_is_refused(client: Client) -> None:
    key = put_key(client.world, name="default")

    assert with_key(client, key).get("/v1/lanes").status == 401


def test_many_wrong_keys_do_not_fill_the_memory(client: Client) -> None:
    for _ in range(MOST_REMEMBERED + 5):
        client.world.memory.of(KnownKeys).note(new_key(), None, START)

    assert len(client.world.memory.of(KnownKeys).by_digest) <= MOST_REMEMBERED


def test_new_keys_are_well_formed_and_all_different() -> None:
    keys = {new_key() for _ in range(50)}

    assert len(keys) == 50
    assert all(is_well_formed(key) for key in keys)


def test_a_key_sees_requests_of_others_unless_it_is_limited_to_its_own(client: Client) -> None:
    others = client.post(SUBMIT, IMAGE).body["request_id"]
    paths = [
        f"{SUBMIT}/requests/{others}/status",
        f"{SUBMIT}/requests/{others}",
        f"/tencent-vod/v1/query/{others}",
        f"/v1/jobs/{others}",
    ]

    free = with_key(client, put_key(client.world, "free"))
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))

    assert 404 not in [free.get(path).status for path in paths]
    assert [narrow.get(path).status for path in paths] == [404] * 4
    assert narrow.send("PUT", f"{SUBMIT}/requests/{others}/cancel").status == 404


@pytest.mark.parametrize(
    ("logo", "sent"), [({}, "Enabled"), ({"output_config": {"logo_add": False}}, "Disabled")]
)
def test_a_key_with_a_visible_label_requests_the_logo_by_default(
    client: Client, logo: dict[str, Any], sent: str
) -> None:
    labelled = with_key(client, put_key(client.world, "labelled", visible_label=True))

    labelled.post(SUBMIT, IMAGE | logo)
    client.post(SUBMIT, IMAGE)

    assert client.world.vendor.tasks[0].params["OutputConfig"]["LogoAdd"] == sent


def test_a_new_key_names_only_the_limits_that_it_has(client: Client) -> None:
    key = create("shop", Limits(jobs_per_day=3), client.world.store, START)

    record = json.loads(client.world.store.objects[record_key(digest_of(key))][0])

    assert record["limits"] == {"jobs_per_day": 3}


def test_a_key_for_its_own_only_sees_and_lists_its_own(client: Client) -> None:
    client.post(SUBMIT, IMAGE)
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))

    own = narrow.post(SUBMIT, IMAGE).body["request_id"]

    assert narrow.get(f"{SUBMIT}/requests/{own}/status").status in {200, 202}
    assert [job["request_id"] for job in narrow.get("/v1/jobs").body["jobs"]] == [own]
    assert len(client.get("/v1/jobs").body["jobs"]) == 2


def test_a_key_for_its_own_only_cannot_name_the_file_of_another(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))

    named = narrow.post(SUBMIT, IMAGE | {"result": {"prefix": "shop/", "name": "hero"}})
    placed = narrow.post(SUBMIT, IMAGE | {"result": {"prefix": "shop/"}})

    assert (named.status, named.body["field"]) == (422, "result.name")
    assert placed.status == 200


def test_a_key_is_refused_the_kinds_that_it_is_not_for(client: Client) -> None:
    caller = with_key(client, put_key(client.world, kinds=("mps.image",)))

    refused = caller.post(SUBMIT, IMAGE)
    taken = caller.post("/tencent-mps/v1/aigc-image", {"prompt": "a cat"})

    assert (refused.status, refused.body["error_type"]) == (403, "forbidden")
    assert "allowed: mps.image" in refused.body["detail"]
    assert taken.status == 200
