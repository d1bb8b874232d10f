"""Ceilings: all instances together never exceed one, and a job over it waits."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.accept import Order, accept
from aigc.jobs.budget import newest_book, reserve
from aigc.jobs.job import Source
from aigc.jobs.replay import replay
from aigc.jobs.runtime import Memory
from aigc.jobs.settle import refresh
from aigc.prices import Prices
from aigc.sweeping import sweep
from aigc.tasks.kinds import KINDS
from tests.fakes import LEASE_S, START, StoreFault, World, an_id, an_output_location, build_world
from tests.jobs import read

if TYPE_CHECKING:
    from aigc.jobs.job import Job

DAY_S = 86400
GG = {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"}
HUNYUAN = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a cat"}
PRICES = {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]}


def ceiling(scope: str = "uploads", period: str = "day", **limit: Any) -> dict[str, Any]:
    return {"scope": scope, "period": period, **limit}


def limited(*ceilings: dict[str, Any], slots: int = 20) -> World:
    world = build_world(lanes={"vod.image": slots, "vod.scene_image": slots, "mps.image": slots})
    limit(world, *ceilings)
    return world


def limit(world: World, *ceilings: dict[str, Any]) -> None:
    world.prices = Prices.parse({**PRICES, "ceiling": list(ceilings)})


def another_instance(world: World) -> World:
    return dataclasses.replace(world, memory=Memory())


def uploaded(world: World, rule: str = "anime", **task: Any) -> Job:
    return taken(world, Source(type="upload", name=rule), **task)


def called(world: World, **task: Any) -> Job:
    return taken(world, Source(type="call", name="shop"), **task)


def taken(world: World, source: Source, **more: Any) -> Job:
    """Accept a job at an instance of its own, a second after the one before."""
    world.clock.pass_time(1)
    options = {name: more.pop(name) for name in ("start_by",) if name in more}
    job_id = an_id()
    order = Order(
        id=job_id,
        kind="vod.image",
        task=KINDS["vod.image"].model.model_validate({**GG, **more}),
        source=source,
        output_location=an_output_location(job_id),
        **options,
    )
    return accept(order, another_instance(world).runtime()).job


def states(world: World, jobs: list[Job]) -> list[str]:
    records = [read(world, job) for job in jobs]
    return [record.deferral.reason if record.deferral else record.state for record in records]


def finish_all(world: World) -> None:
    """Let all tasks end and all jobs be settled."""
    for task in world.vendor.tasks:
        if task.state == "running":
            world.vendor.finish(task)
    sweep_a_while(world)


def sweep_a_while(world: World, seconds: float = 2 * (LEASE_S + 1)) -> None:
    for _ in range(3):
        sweep(another_instance(world).runtime())
        world.clock.pass_time(seconds / 3)


def used(world: World, name: str) -> tuple[int, int]:
    """Return what is used and reserved of a ceiling."""
    book = newest_book(another_instance(world).runtime())
    ceiling = next(candidate for candidate in world.prices.ceiling if candidate.name == name)
    account = ceiling.account(world.clock.now())
    return book.used.get(account, 0), book.reserved(account)


def test_no_instances_together_start_more_than_a_ceiling_allows() -> None:
    world = limited(ceiling(images=3))

    jobs = [uploaded(world) for _ in range(6)]
    finish_all(world)
    sweep_a_while(world)

    assert states(world, jobs) == ["succeeded"] * 3 + ["over_budget"] * 3
    assert len(world.vendor.tasks) == 3
    assert used(world, "uploads/day/images") == (3, 0)


def test_a_job_over_a_ceiling_waits_with_its_reason() -> None:
    world = limited(ceiling(images=1))
    uploaded(world)

    over = read(world, uploaded(world))

    assert over.state == "queued"
    assert over.deferral is not None
    assert over.deferral.ceiling == "uploads/day/images"
    assert world.ledger_keys("lanes/vod.image/waiting/") == []
    assert world.ledger_keys("held/") == [over.marker]


def test_jobs_over_a_ceiling_do_not_delay_others() -> None:
    world = limited(ceiling("rule:anime", images=1), slots=1)
    anime = [uploaded(world) for _ in range(5)]
    other = uploaded(world, "sketch")
    call = called(world)

    for _ in range(3):
        finish_all(world)

    assert states(world, anime) == ["succeeded"] + ["over_budget"] * 4
    assert states(world, [other, call]) == ["succeeded", "succeeded"]


def test_the_next_period_starts_waiting_jobs_the_oldest_first() -> None:
    world = limited(ceiling(images=2), slots=1)
    jobs = [uploaded(world) for _ in range(7)]
    for _ in range(3):
        finish_all(world)

    ended = [states(world, jobs).count("succeeded")]
    for _ in range(3):
        world.clock.pass_time(DAY_S)
        for _ in range(4):
            finish_all(world)
        ended.append(states(world, jobs).count("succeeded"))
        assert states(world, jobs)[: ended[-1]] == ["succeeded"] * ended[-1]

    assert ended == [2, 4, 6, 7]
    assert world.ledger_keys("held/") == []


def test_a_raised_ceiling_starts_waiting_jobs() -> None:
    world = limited(ceiling(images=1))
    jobs = [uploaded(world) for _ in range(3)]
    limit(world, ceiling(images=2))

    sweep_a_while(world)
    assert states(world, jobs) == ["running", "running", "over_budget"]

    limit(world)
    sweep_a_while(world)
    assert states(world, jobs) == ["running"] * 3


def test_a_job_that_needs_more_than_the_ceiling_does_not_hold_up_the_others() -> None:
    world = limited(ceiling(images=2))
    large = uploaded(world, output_config={"output_image_count": 3})
    small = [uploaded(world) for _ in range(3)]
    finish_all(world)
    world.clock.pass_time(DAY_S)
    sweep_a_while(world)
    finish_all(world)
    assert states(world, [large, *small]) == ["over_budget"] + ["succeeded"] * 3

    limit(world, ceiling(images=4))
    sweep_a_while(world)
    assert states(world, [large]) == ["running"]


def test_a_month_has_its_money_and_the_next_one_too() -> None:
    world = limited(ceiling("stack", "month", money="0.60"))
    jobs = [called(world) for _ in range(3)]
    finish_all(world)

    assert states(world, jobs) == ["succeeded"] * 2 + ["over_budget"]
    assert used(world, "stack/month/money") == (5000, 0)

    world.clock.pass_time(11 * DAY_S)
    sweep_a_while(world)
    finish_all(world)
    assert states(world, jobs) == ["succeeded"] * 3
    assert used(world, "stack/month/money") == (2500, 0)


def test_images_that_were_not_delivered_are_given_back() -> None:
    world = limited(ceiling(images=6), ceiling("stack", "month", money="2"))
    uploaded(world, output_config={"output_image_count": 4})
    assert used(world, "uploads/day/images") == (0, 4)

    finish_all(world)  # the vendor delivers one

    assert used(world, "uploads/day/images") == (1, 0)
    assert used(world, "stack/month/money") == (2500, 0)


def test_a_replay_is_charged_again() -> None:
    world = limited(ceiling(images=1))
    job = uploaded(world)
    world.vendor.fail(world.vendor.tasks[0], "InternalError")
    refresh(job.id, world.runtime())
    assert read(world, job).state == "failed"

    replayed = replay(job.id, another_instance(world).runtime())
    assert replayed is not None
    sweep_a_while(world)

    assert states(world, [job]) == ["over_budget"]  # the failed run may have been billed
    world.clock.pass_time(DAY_S)
    sweep_a_while(world)
    finish_all(world)
    assert states(world, [job]) == ["succeeded"]


def test_a_job_over_one_ceiling_reserves_nothing_of_another() -> None:
    world = limited(ceiling("stack", images=10), ceiling("rule:anime", images=1))
    uploaded(world)

    over = uploaded(world)

    assert states(world, [over]) == ["over_budget"]
    assert used(world, "stack/day/images") == (0, 1)


@pytest.mark.parametrize("scope", ["stack", "model:GG", "model:gg 3.0"])
def test_calls_count_towards_the_stack_and_their_model(scope: str) -> None:
    world = limited(ceiling(scope, images=1))

    jobs = [called(world), uploaded(world), called(world, **HUNYUAN)]

    other = "over_budget" if scope == "stack" else "running"
    assert states(world, jobs) == ["running", "over_budget", other]


def test_a_task_without_a_price_waits_for_it() -> None:
    world = limited(ceiling("stack", "month", money="10"))
    job = called(world, **HUNYUAN)
    sweep_a_while(world)
    assert states(world, [job]) == ["price_unknown"]

    prices = [*PRICES["price"], {"model": "Hunyuan", "per_image": "0.10"}]
    world.prices = Prices.parse(
        {**PRICES, "price": prices, "ceiling": [ceiling("stack", "month", money="10")]}
    )
    sweep_a_while(world)

    assert states(world, [job]) == ["running"]


def test_a_job_that_waits_for_a_share_beyond_its_latest_start_is_cancelled() -> None:
    world = limited(ceiling(images=1))
    uploaded(world)
    first = uploaded(world)
    late = uploaded(world, start_by=START + timedelta(hours=1))

    world.clock.pass_time(3601)
    sweep_a_while(world)

    assert states(world, [first, late]) == ["over_budget", "cancelled"]
    assert world.ledger_keys("held/") == [read(world, first).marker]


def test_a_job_that_still_waits_the_next_day_counts_then() -> None:
    world = limited(ceiling(images=1), slots=1)
    world.vendor.next_creates = ["throttle"] * 4
    job = uploaded(world)
    assert used(world, "uploads/day/images") == (0, 1)
    world.clock.pass_time(DAY_S)

    sweep_a_while(world)

    assert states(world, [job]) == ["running"]
    assert used(world, "uploads/day/images") == (0, 1)


@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_book_that_was_written_without_an_answer_is_not_lost(takes_effect: bool) -> None:  # noqa: FBT001
    world = limited(ceiling(images=1))
    fault = StoreFault("put budget/202611/00000001.json", AmbiguousError("put"), takes_effect)
    world.store.faults.append(fault)

    job = uploaded(world)
    world.clock.pass_time(LEASE_S + 1)
    sweep_a_while(world)

    assert states(world, [job]) == ["running"]
    assert used(world, "uploads/day/images") == (0, 1)


def test_a_reader_with_an_old_head_finds_the_newest_book() -> None:
    world = limited(ceiling(images=1000))
    for _ in range(37):
        uploaded(world)
        finish_all(world)

    fresh = newest_book(another_instance(world).runtime())

    revisions = [key for key in world.ledger_keys("budget/202611/") if key.endswith(".json")]
    assert fresh.revision == len(revisions)
    assert sum(fresh.used.values()) == 37


def test_80_and_100_percent_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    world = limited(ceiling(images=5))

    reported = []
    for _ in range(6):
        caplog.clear()
        uploaded(world)
        reported.append(
            [
                (record.message, vars(record).get("percent"))
                for record in caplog.records
                if record.message in {"ceiling_used", "job_deferred"}
            ]
        )

    assert reported == [
        *([], [], []),
        *([("ceiling_used", 80)], [("ceiling_used", 100)], [("job_deferred", None)]),
    ]


def test_a_stack_without_ceilings_reads_no_book() -> None:
    world = limited()

    uploaded(world)

    assert not [request for request in world.store.requests if "budget/" in request]


def test_a_share_is_reserved_in_eight_round_trips() -> None:
    world = limited(ceiling(images=100))
    instance = another_instance(world)
    world.store.round_trips.count = 0
    runtime = dataclasses.replace(instance, parallel=world.store.round_trips.parallel).runtime()
    job = uploaded(limited())
    newest_book(runtime)
    before = world.store.round_trips.count
    assert reserve(job, runtime) is None

    assert world.store.round_trips.count - before == 8
    assert reserve(job, runtime) is None
    assert world.store.round_trips.count - before == 8


def test_many_ceilings_and_instances_in_any_order() -> None:
    world = limited(
        ceiling("stack", images=9), ceiling("uploads", images=6), ceiling("rule:anime", images=2)
    )
    makers = itertools.cycle(
        [lambda: uploaded(world), lambda: uploaded(world, "sketch"), lambda: called(world)]
    )

    jobs = [next(makers)() for _ in range(18)]
    for _ in range(2):
        finish_all(world)

    assert used(world, "stack/day/images") == (9, 0)
    assert used(world, "uploads/day/images")[0] <= 6
    assert used(world, "rule:anime/day/images")[0] == 2
    assert states(world, jobs).count("succeeded") == 9
