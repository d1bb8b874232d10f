"""Usage: each end of a job is counted once, and a key sees the sums that it may see."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api.routes import answer
from aigc.api.usage import PAGE
from aigc.errors import AmbiguousError, BadImageError
from aigc.jobs.job import Source
from aigc.jobs.replay import replay
from aigc.jobs.usage import UsageEntry
from aigc.prices import Prices
from aigc.sweeping import sweep
from aigc.triggers.http import HttpRequest
from tests.fakes import LEASE_S, StoreFault
from tests.unit.api.client import KEY
from tests.unit.api.test_keys import IMAGE, SUBMIT, put_key, with_key

if TYPE_CHECKING:
    from tests.fakes import World
    from tests.unit.api.client import Answer, Client

MPS = "/tencent-mps/v1/aigc-image"


def run(client: Client, path: str = SUBMIT, body: dict[str, Any] | None = None) -> None:
    """Have a job made, ended, and counted."""
    made = client.post(path, body or IMAGE)
    vendor = client.world.vendor
    vendor.finish(vendor.tasks[-1])
    client.get(f"{path}/requests/{made.body['request_id']}/status")
    count(client.world)


def count(world: World) -> None:
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())


def usage(client: Client, **query: str) -> Answer:
    return client.get("/v1/usage", query=query)


def an_end(number: int = 0, **changes: Any) -> UsageEntry:
    values: dict[str, Any] = {
        "day": "2026-11-20",
        "end": f"{number:032x}-000004",
        "kind": "vod.image",
        "model": "GG",
        "version": "3.0",
        "source": Source(type="call", name="shop"),
        "state": "succeeded",
        "images": 1,
        "cost": Decimal("0.25"),
    }
    return UsageEntry(**values | changes)


def put(world: World, *ends: UsageEntry) -> None:
    for end in ends:
        world.store.create(end.key, b"{}")


@pytest.fixture
def priced(client: Client) -> Client:
    client.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.1"}]}
    )
    return client


def test_jobs_are_summed_up_by_day_kind_model_and_source(priced: Client) -> None:
    shop = with_key(priced, put_key(priced.world, "shop"))

    run(priced)
    run(priced)
    run(shop)
    run(priced, MPS, {"prompt": "a boat"})

    body = usage(priced).body
    assert [tuple(row.values()) for row in body["usage"]] == [
        ("2026-11-20", "mps.image", "default", "", "call:default", 1, 1, 1, None, 1),
        ("2026-11-20", "vod.image", "GG", "3.0", "call:default", 2, 2, 2, "0.2", 0),
        ("2026-11-20", "vod.image", "GG", "3.0", "call:shop", 1, 1, 1, "0.1", 0),
    ]
    assert body["total"] == {
        "jobs": 4,
        "succeeded": 4,
        "images": 4,
        "cost": "0.3",
        "jobs_without_price": 1,
    }
    assert (body["currency"], body["complete"]) == ("CNY", True)


def test_a_job_is_counted_once_a_lease_after_its_end(priced: Client) -> None:
    made = priced.post(SUBMIT, IMAGE)
    priced.world.vendor.finish(priced.world.vendor.tasks[-1])
    priced.get(f"{SUBMIT}/requests/{made.body['request_id']}/status")
    before = usage(priced).body["total"]["jobs"]

    for _ in range(3):
        count(priced.world)

    assert (before, usage(priced).body["total"]["jobs"]) == (0, 1)


def test_a_job_is_counted_once_although_a_sweep_dies(priced: Client) -> None:
    lost = StoreFault("put usage/", AmbiguousError("put"), takes_effect=True)
    cut_off = StoreFault("delete claims/", AmbiguousError("delete"))
    priced.world.store.faults += [lost, cut_off]

    run(priced)
    for _ in range(3):
        count(priced.world)

    assert priced.world.store.faults == []
    assert priced.world.ledger_keys("claims/") == []
    assert usage(priced).body["total"]["jobs"] == 1


def test_an_end_that_is_replayed_before_the_sweep_counted_it_is_counted(priced: Client) -> None:
    made = priced.post(SUBMIT, IMAGE)
    priced.world.downloads.errors = [BadImageError("no image")]
    priced.world.vendor.finish(priced.world.vendor.tasks[-1])
    priced.get(f"{SUBMIT}/requests/{made.body['request_id']}/status")

    replay(made.body["request_id"], priced.world.runtime(), pays_again=True)

    assert usage(priced).body["total"]["jobs_without_price"] == 1


def test_a_failed_job_costs_nothing(priced: Client) -> None:
    made = priced.post(SUBMIT, IMAGE)
    vendor = priced.world.vendor
    vendor.fail(vendor.tasks[-1], "ContentModerationFailed")
    priced.get(f"{SUBMIT}/requests/{made.body['request_id']}/status")
    count(priced.world)

    total = usage(priced).body["total"]
    assert total == {
        "jobs": 1,
        "succeeded": 0,
        "images": 0,
        "cost": "0",
        "jobs_without_price": 0,
    }


def test_a_job_that_may_have_been_billed_has_an_unknown_cost(priced: Client) -> None:
    priced.world.vendor.next_creates.append("lost_request")
    priced.post(MPS, {"prompt": "a boat"})
    priced.world.clock.pass_time(priced.world.settings.unknown_after_s + LEASE_S)
    sweep(priced.world.runtime())
    count(priced.world)

    total = usage(priced).body["total"]
    assert (total["cost"], total["jobs_without_price"]) == (None, 1)


def test_without_prices_there_is_no_currency_and_no_cost(client: Client) -> None:
    run(client)

    body = usage(client).body

    assert body["currency"] is None
    assert (body["total"]["cost"], body["total"]["jobs_without_price"]) == (None, 1)


def test_the_last_week_is_the_default(client: Client) -> None:
    put(client.world, *(an_end(day, day=f"2026-11-{day:02d}") for day in range(11, 22)))

    body = usage(client).body

    assert (body["from"], body["to"]) == ("2026-11-14", "2026-11-20")
    assert [row["day"] for row in body["usage"]] == [f"2026-11-{day}" for day in range(14, 21)]


def test_days_may_be_named(client: Client) -> None:
    put(client.world, *(an_end(day, day=f"2026-11-{day:02d}") for day in range(1, 10)))

    day = usage(client, **{"from": "2026-11-03", "to": "2026-11-03"}).body
    month = usage(client, **{"from": "2026-11-01", "to": "2026-12-01"}).body

    assert [row["day"] for row in day["usage"]] == ["2026-11-03"]
    assert month["total"]["jobs"] == 9


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"until": "2026-11-20"}, "until"),
        ({"from": "2026-11-21", "to": "2026-11-20"}, "from"),
        ({"from": "2026-10-20", "to": "2026-11-20"}, "from"),
    ],
)
def test_wrong_days_are_refused(client: Client, query: dict[str, str], field: str) -> None:
    refused = usage(client, **query)

    assert (refused.status, refused.body["field"]) == (400, field)
    assert refused.body["allowed"]


@pytest.mark.parametrize("number", [PAGE - 1, PAGE, PAGE + 1])
def test_a_thousand_jobs_cost_one_request(client: Client, number: int) -> None:
    put(client.world, *(an_end(end) for end in range(number)))
    put(client.world, an_end(day="2026-11-21"))
    client.world.store.requests.clear()

    body = usage(client).body

    assert (body["total"]["jobs"], body["complete"]) == (number, True)
    assert len(client.world.store.requests) == number // PAGE + 1


def test_an_incomplete_count_is_marked(client: Client) -> None:
    put(client.world, *(an_end(end) for end in range(10)))
    headers = {"authorization": f"Bearer {KEY}"}
    request = HttpRequest(method="GET", path="/v1/usage", headers=headers)

    body: Any = answer(request, client.world.runtime(seconds=1)).body

    assert (body["complete"], body["total"]["jobs"]) == (False, 0)


def test_one_end_that_was_written_with_two_costs_counts_once(client: Client) -> None:
    put(client.world, an_end(cost=Decimal("0.2")), an_end(cost=Decimal("0.3")), an_end(1))

    assert usage(client).body["total"]["jobs"] == 2


def test_a_key_for_its_own_only_sees_what_it_used(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))
    call, upload = Source(type="call", name="narrow"), Source(type="upload", name="narrow")
    put(client.world, an_end(1), an_end(2, source=call), an_end(3, source=upload))

    assert [row["source"] for row in usage(narrow).body["usage"]] == ["call:narrow"]
    assert usage(client).body["total"]["jobs"] == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": None, "version": ""},
        {"model": "a~b/c d", "version": "ä~%7E", "source": Source(type="upload", name="é~/x")},
        {"cost": Decimal("0.000001"), "images": 1000},
    ],
)
def test_an_end_is_read_back_from_its_key(changes: dict[str, Any]) -> None:
    ended = an_end(**changes)

    assert UsageEntry.of(ended.key) == ended
    assert ended.key.isascii()


def test_a_long_model_makes_a_valid_key() -> None:
    ended = an_end(model="模" * 500, version="型" * 500, source=Source(type="call", name="n" * 40))

    assert len(ended.key) <= 850
