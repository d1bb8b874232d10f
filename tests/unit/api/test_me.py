"""A key reads its permissions, and what is left of its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.prices import Prices
from tests.unit.api.test_keys import IMAGE, SUBMIT, another_instance, put_key, with_key

if TYPE_CHECKING:
    from tests.unit.api.client import Client


def test_a_configured_key_may_do_everything(client: Client) -> None:
    assert client.get("/v1/me").body == {
        "name": "default",
        "kinds": ["vod.image", "vod.scene_image", "mps.image"],
        "own_only": False,
        "may_operate": True,
        "may_upload": True,
        "requests_per_minute": None,
        "jobs_per_day": None,
        "budget_per_month": None,
        "currency": None,
    }


def test_a_limited_key_sees_its_limits(client: Client) -> None:
    client.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]}
    )
    limits: dict[str, Any] = {
        "requests_per_minute": 9,
        "jobs_per_day": 3,
        "budget_per_month": "2.5",
    }
    key = put_key(client.world, kinds=["vod.image"], own_only=True, **limits)
    caller = with_key(client, key)
    caller.post(SUBMIT, IMAGE)

    here, elsewhere = caller.get("/v1/me").body, another_instance(caller).get("/v1/me").body

    assert (here["kinds"], here["own_only"]) == (["vod.image"], True)
    assert (here["may_operate"], here["may_upload"]) == (False, False)
    assert here["requests_per_minute"] == {
        "limit": "9",
        "left": "7",
        "resets_at": "2026-11-20T12:01:00+00:00",
    }
    assert here["jobs_per_day"]["left"] == elsewhere["jobs_per_day"]["left"] == "2"
    assert here["budget_per_month"]["left"] == "2.25"
    assert here["budget_per_month"]["resets_at"] == "2026-12-01T00:00:00+00:00"
    assert here["currency"] == "CNY"


def test_a_limit_that_is_used_up_has_nothing_left(client: Client) -> None:
    caller = with_key(client, put_key(client.world, jobs_per_day=1))
    caller.post(SUBMIT, IMAGE)

    assert caller.get("/v1/me").body["jobs_per_day"]["left"] == "0"
