"""Estimates: the price of a task, which is checked like a submit; nothing is sent or charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aigc.prices import Prices
from tests.unit.api.test_keys import IMAGE, SUBMIT, put_key, with_key

if TYPE_CHECKING:
    from tests.unit.api.client import Client

ESTIMATE = f"{SUBMIT}/estimate"


@pytest.fixture
def priced(client: Client) -> Client:
    client.world.prices = Prices.parse(
        {
            "currency": "CNY",
            "price": [
                {"model": "GG", "resolution": "4K", "per_image": "0.50"},
                {"model": "GG", "per_image": "0.10"},
            ],
        }
    )
    return client


def test_a_task_has_the_price_that_its_budget_would_be_charged(priced: Client) -> None:
    output = {"resolution": "4K", "output_image_count": 3}

    answer = priced.post(ESTIMATE, {**IMAGE, "output_config": output})

    assert answer.status == 200
    assert answer.body == {
        "kind": "vod.image",
        "model": "GG 3.0",
        "images": 3,
        "currency": "CNY",
        "per_image": "0.5",
        "cost": "1.5",
        "missing_price": None,
        "warnings": [],
    }


def test_an_unknown_price_is_null_and_never_zero(priced: Client) -> None:
    task = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a cat"}

    answer = priced.post(ESTIMATE, task)

    assert (answer.body["per_image"], answer.body["cost"]) == (None, None)
    assert 'model = "Hunyuan"' in answer.body["missing_price"]


def test_a_wrong_task_is_refused_as_by_a_submit(priced: Client) -> None:
    answer = priced.post(ESTIMATE, {**IMAGE, "prompt_of": "a cat"})

    assert (answer.status, answer.body["error_type"]) == (422, "invalid_request")
    assert answer.body["field"] == "prompt_of"


def test_a_key_that_is_not_for_a_kind_learns_no_price_of_it(priced: Client) -> None:
    caller = with_key(priced, put_key(priced.world, kinds=["mps.image"]))

    assert caller.post(ESTIMATE, IMAGE).status == 403


def test_nothing_is_sent_stored_or_charged(priced: Client) -> None:
    caller = with_key(priced, put_key(priced.world, jobs_per_day=1, budget_per_month="1"))
    priced.world.store.requests.clear()

    for _ in range(3):
        assert caller.post(ESTIMATE, IMAGE).status == 200

    assert priced.world.vendor.calls == []
    assert priced.world.results.requests == []
    assert not [made for made in priced.world.store.requests if made.startswith(("put", "create"))]
