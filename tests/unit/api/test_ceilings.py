"""Ceilings in answers: what is spent, reserved and left, and why a request waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.prices import Prices
from aigc.sweeping import sweep
from tests.unit.api.test_keys import IMAGE, SUBMIT, put_key, with_key

if TYPE_CHECKING:
    from tests.unit.api.client import Client


def limit(client: Client, *ceilings: dict[str, Any]) -> None:
    price = {"model": "GG", "per_image": "0.25"}
    client.world.prices = Prices.parse(
        {"currency": "CNY", "price": [price], "ceiling": list(ceilings)}
    )


def submit(client: Client) -> str:
    return str(client.post(SUBMIT, IMAGE).body["request_id"])


def test_usage_shows_what_is_spent_reserved_and_left(client: Client) -> None:
    limit(
        client,
        {"scope": "stack", "period": "month", "money": "1.10"},
        {"scope": "model:GG", "period": "day", "images": 3},
    )
    submit(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])
    sweep(client.world.runtime())
    sweep(client.world.runtime())
    submit(client)

    ceilings = client.get("/v1/usage").body["ceilings"]

    assert ceilings == [
        {
            "name": "stack/month/money",
            "limit": "1.1",
            "spent": "0.25",
            "reserved": "0.25",
            "left": "0.6",
            "resets_at": "2026-12-01T00:00:00+00:00",
        },
        {
            "name": "model:GG/day/images",
            "limit": "3",
            "spent": "1",
            "reserved": "1",
            "left": "1",
            "resets_at": "2026-11-21T00:00:00+00:00",
        },
    ]


def test_a_stack_without_ceilings_shows_none(client: Client) -> None:
    assert client.get("/v1/usage").body["ceilings"] == []


def test_a_key_that_sees_only_its_own_requests_sees_no_ceiling(client: Client) -> None:
    limit(client, {"scope": "stack", "period": "day", "images": 1})
    own = with_key(client, put_key(client.world, own_only=True))

    assert own.get("/v1/usage").body["ceilings"] == []


def test_a_request_that_waits_for_a_share_names_the_ceiling(client: Client) -> None:
    limit(client, {"scope": "stack", "period": "day", "images": 1})
    submit(client)
    over = submit(client)

    status = client.get(f"/tencent-vod/v1/aigc-image/requests/{over}/status").body
    job = client.get(f"/v1/jobs/{over}").body

    deferral = {
        "reason": "over_budget",
        "ceiling": "stack/day/images",
        "since": client.world.clock.now().isoformat(),
    }
    assert (status["status"], status["deferred"]) == ("IN_QUEUE", deferral)
    assert "queue_position" not in status
    assert (job["state"], job["deferred"]) == ("queued", deferral)
