"""Quotas: all instances together never exceed a limit, and use nearly all of it."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.api.quotas import Allowance
from aigc.errors import AmbiguousError
from aigc.jobs.ledger import Ledger
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.runtime import Memory
from aigc.periods import DAY, MINUTE, MONTH
from aigc.prices import Prices
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, InMemoryStore, ManualClock, StoreFault
from tests.unit.api.test_keys import IMAGE, SUBMIT, another_instance, put_key, with_key

if TYPE_CHECKING:
    from aigc.jobs.ports import Listed
    from tests.unit.api.client import Answer, Client

PRICES = Prices.parse({"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]})
UNPRICED = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a cat"}


def limited(client: Client, **limits: Any) -> Client:
    caller = with_key(client, put_key(client.world, **limits))
    caller.world.prices = PRICES
    return caller


def instances(caller: Client, number: int) -> list[Client]:
    return [another_instance(caller) for _ in range(number)]


def submit(caller: Client, body: dict[str, Any] | None = None, repeat_key: str = "") -> Answer:
    headers = {"Idempotency_Key": repeat_key} if repeat_key else {}
    return caller.post(SUBMIT, body or IMAGE, **headers)


def of_quotas(caller: Client) -> list[str]:
    return [request for request in caller.world.store.requests if "quota/" in request]


# Requests a minute


def test_a_minute_has_its_requests_and_no_more(client: Client) -> None:
    caller = limited(client, requests_per_minute=7)

    answers = [caller.get("/v1/models") for _ in range(9)]

    assert [answer.status for answer in answers] == [200] * 7 + [429] * 2
    assert answers[-1].body["error_type"] == "rate_limited"
    assert answers[-1].body["retryable"] is True
    assert answers[-1].headers["Retry-After"] == "60"


def test_every_call_with_the_key_counts_whatever_comes_of_it(client: Client) -> None:
    caller = limited(client, requests_per_minute=3)

    for path in ("/v1/models", "/v1/nothing", "/v1/jobs/none"):
        caller.get(path)

    assert caller.get("/v1/models").status == 429


def test_the_next_minute_has_its_own(client: Client) -> None:
    caller = limited(client, requests_per_minute=1)
    client.world.clock.pass_time(20.5)
    caller.get("/v1/models")
    refused = caller.get("/v1/models")

    client.world.clock.pass_time(int(refused.headers["Retry-After"]))

    assert refused.headers["Retry-After"] == "40"
    assert caller.get("/v1/models").status == 200


def test_instances_share_a_minute(client: Client) -> None:
    caller = limited(client, requests_per_minute=20)

    statuses = [
        instance.get("/v1/models").status for _ in range(4) for instance in instances(caller, 1) * 6
    ]

    assert statuses.count(200) == 20


def test_a_refused_call_causes_no_request(client: Client) -> None:
    caller = limited(client, requests_per_minute=2)
    for _ in range(3):
        caller.get("/v1/models")
    caller.world.store.requests.clear()

    for _ in range(10):
        assert caller.get("/v1/models").status == 429

    assert caller.world.store.requests == []


def test_a_block_serves_several_calls(client: Client) -> None:
    caller = limited(client, requests_per_minute=100)

    for _ in range(20):
        caller.get("/v1/models")

    assert len(of_quotas(caller)) == 2 * 8  # two blocks of ten: each a listing and a contest


def test_a_key_without_limits_costs_no_request(client: Client) -> None:
    caller = limited(client)

    submit(caller)
    submit(client)

    assert of_quotas(caller) == []


# Jobs a day


def test_a_day_has_its_jobs_and_no_more(client: Client) -> None:
    caller = limited(client, jobs_per_day=3)

    answers = [submit(instance) for instance in instances(caller, 5)]

    assert [answer.status_and_type for answer in answers] == [(200, "")] * 3 + [
        (429, "quota_exceeded")
    ] * 2
    assert answers[-1].headers["Retry-After"] == str(12 * 3600)
    assert len(client.world.ledger_keys("jobs/")) == 3


def test_a_repeat_spends_nothing(client: Client) -> None:
    caller = limited(client, jobs_per_day=2, budget_per_month=Decimal("0.5"))

    answers = [submit(caller, repeat_key="order-1") for _ in range(5)]
    last = submit(caller)

    assert len({answer.body["request_id"] for answer in answers}) == 1
    assert last.status == 200


@pytest.mark.parametrize("limits", [{"jobs_per_day": 1}, {"budget_per_month": Decimal("0.25")}])
def test_a_repeat_finds_its_request_though_nothing_is_left(
    client: Client, limits: dict[str, Any]
) -> None:
    caller = limited(client, **limits)
    first = submit(caller, repeat_key="order-1")

    here = submit(caller, repeat_key="order-1")
    elsewhere = submit(another_instance(caller), repeat_key="order-1")
    by_session = submit(caller, IMAGE | {"session_id": "order-1"})

    request_ids = {answer.body["request_id"] for answer in (first, here, elsewhere)}
    assert len(request_ids) == 1
    assert by_session.status == 422  # another body under the same name
    assert submit(caller, repeat_key="order-2").status == 429


def test_a_refused_task_spends_nothing(client: Client) -> None:
    caller = limited(client, jobs_per_day=1)
    submit(caller, repeat_key="order-1")
    client.world.clock.pass_time(24 * 3600)

    changed = submit(caller, IMAGE | {"prompt": "a dog"}, repeat_key="order-1")
    wrong = submit(caller, {"model_name": "GG"})

    assert [changed.status, wrong.status] == [422, 422]
    assert submit(caller).status == 200


def test_a_job_that_may_have_been_written_down_is_spent(client: Client) -> None:
    caller = limited(client, jobs_per_day=1)
    lost = StoreFault("put jobs/", AmbiguousError("put"), takes_effect=True)
    client.world.store.faults.append(lost)

    assert submit(caller).status == 200
    assert submit(caller).status_and_type == (429, "quota_exceeded")


def test_a_creator_recognises_its_own_record_after_others_have_moved_its_job_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would take its own call for a repeat, and return what it spent."""
    caller = limited(client, jobs_per_day=7)
    world = client.world
    put = world.store.put

    def lose_the_reply(key: str, body: bytes, content_type: str = "application/json") -> None:
        put(key, body, content_type)
        if key.startswith("jobs/"):
            monkeypatch.setattr(world.store, "put", put)
            world.clock.pass_time(LEASE_S + 1)  # the creator is slow, and counts as dead
            sweep(dataclasses.replace(world, memory=Memory()).runtime())
            raise AmbiguousError("put")

    answers = []
    for number in range(8):
        monkeypatch.setattr(world.store, "put", lose_the_reply)
        answers.append(submit(caller, repeat_key=f"order-{number}"))
        monkeypatch.setattr(world.store, "put", put)

    assert [answer.status for answer in answers] == [200] * 7 + [429]
    assert len(world.ledger_keys("jobs/")) == 7
    assert len(world.vendor.tasks) <= 7


# Budgets


def test_a_month_has_its_budget_and_no_more(client: Client) -> None:
    caller = limited(client, budget_per_month=Decimal("1.10"))

    answers = [submit(instance) for instance in instances(caller, 6)]

    assert [answer.status_and_type[1] for answer in answers] == [""] * 4 + ["budget_exceeded"] * 2
    assert answers[-1].headers["Retry-After"] == str(10 * 86400 + 12 * 3600)
    assert "about 0.25 CNY" in answers[-1].body["detail"]


def test_several_images_cost_several_times_as_much(client: Client) -> None:
    caller = limited(client, budget_per_month=Decimal(1))
    three = UNPRICED | {"output_config": {"output_image_count": 3}}
    caller.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "Hunyuan", "per_image": "0.25"}]}
    )

    answers = [submit(caller, three), submit(caller, three), submit(caller, UNPRICED)]

    assert [answer.status for answer in answers] == [200, 429, 200]


def test_a_job_without_a_price_is_refused_to_a_key_with_a_budget(client: Client) -> None:
    caller = limited(client, budget_per_month=Decimal(1), jobs_per_day=1)

    refused = submit(caller, UNPRICED)

    assert refused.status_and_type == (403, "price_unknown")
    assert refused.body["retryable"] is False
    assert 'model = "Hunyuan", version = "3.0"' in refused.body["detail"]
    assert submit(caller).status == 200


def test_a_repeat_finds_its_request_though_its_price_is_gone(client: Client) -> None:
    caller = limited(client, budget_per_month=Decimal(1))
    first = submit(caller, repeat_key="order-1")
    caller.world.prices = Prices()

    repeat = submit(caller, repeat_key="order-1")

    assert repeat.body["request_id"] == first.body["request_id"]


def test_what_a_budget_refuses_spends_no_job(client: Client) -> None:
    caller = limited(client, budget_per_month=Decimal("0.30"), jobs_per_day=2)
    submit(caller)

    assert submit(caller).status_and_type == (429, "budget_exceeded")

    caller.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.05"}]}
    )
    assert submit(caller).status == 200


# The bound


class Rivals(InMemoryStore):
    """A ledger that others take from between a look and what follows."""

    def __init__(self, script: list[int]) -> None:
        super().__init__(ManualClock())
        self.script = script

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[Listed]:
        listed_objects = [*super().list(prefix, after, limit)]
        if self.script:
            block = self.script.pop()
            for step in ("x", "y", "commit"):
                super().create(f"{prefix}{block:04d}/000/{step}", b"rival")
        return listed_objects


def ledger_on(store: InMemoryStore) -> Ledger:
    return Ledger(store, Lease(timedelta(seconds=60), ManualClock()))


def allowance(limit: int, block: int) -> Allowance:
    return Allowance(prefix="quota/x/", limit=limit, block=block, left=limit)


@given(
    limit=st.integers(1, 60),
    blocks=st.sampled_from([10, 50, 100]),
    calls=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=150),
)
def test_all_instances_together_never_spend_more_than_the_limit(
    limit: int, blocks: int, calls: list[tuple[int, int]]
) -> None:
    block = max(1, limit // blocks)
    ledger = ledger_on(InMemoryStore(ManualClock()))
    held_by = [allowance(limit, block) for _ in range(5)]

    spent = sum(amount for number, amount in calls if held_by[number].take(amount, ledger))

    assert spent <= limit
    assert spent + sum(allowance.held for allowance in held_by) <= limit


@given(limit=st.integers(1, 200), callers=st.lists(st.integers(0, 4), min_size=1, max_size=400))
def test_permits_of_other_instances_refuse_at_most_a_block_too_early(
    limit: int, callers: list[int]
) -> None:
    block = max(1, limit // 10)
    ledger = ledger_on(InMemoryStore(ManualClock()))
    held_by = [allowance(limit, block) for _ in range(5)]
    spent = 0

    for number in callers:
        if held_by[number].take(1, ledger):
            spent += 1
        else:
            assert spent >= limit - (len(set(callers)) - 1) * (block - 1)


@given(
    limit=st.integers(1, 60),
    script=st.lists(st.integers(0, 9), max_size=10),
    amount=st.integers(1, 60),
)
def test_a_block_is_reserved_by_one_instance(limit: int, script: list[int], amount: int) -> None:
    block = max(1, limit // 10)
    store = Rivals(script)
    own_allowance = allowance(limit, block)

    wanted = min(amount, limit)

    taken = own_allowance.take(wanted, ledger_on(store))

    rivals = [key for key, (body, _) in store.objects.items() if body == b"rival"]
    rival_blocks = [int(key.split("/")[2]) for key in rivals if key.endswith("/commit")]
    spent_by_them = sum(
        max(0, min(limit, (number + 1) * block) - number * block) for number in rival_blocks
    )
    assert own_allowance.held + (wanted if taken else 0) + spent_by_them <= limit


@pytest.mark.parametrize(
    ("period", "now", "end"),
    [
        (MINUTE, "2026-11-20T12:34:56", "2026-11-20T12:35:00"),
        (DAY, "2026-11-20T12:34:56", "2026-11-21T00:00:00"),
        (MONTH, "2026-11-20T12:34:56", "2026-12-01T00:00:00"),
        (MONTH, "2026-01-31T00:00:00", "2026-02-01T00:00:00"),
        (MONTH, "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_a_period_ends_where_the_next_begins(period: Any, now: str, end: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=timezone.utc)

    assert period.end(moment).isoformat() == f"{end}+00:00"
    assert f"{moment:{period.stamp}}" != f"{period.end(moment):{period.stamp}}"


def test_several_instances_seldom_meet_over_a_block(client: Client) -> None:
    caller = limited(client, jobs_per_day=100)

    for instance in instances(caller, 10):
        submit(instance)

    assert len(of_quotas(caller)) == 10 * 8  # a listing and a contest each: none meet
