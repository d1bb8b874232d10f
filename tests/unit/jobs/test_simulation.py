"""The promises, whatever breaks: many functions at once, in a fixed set of random orders."""

from __future__ import annotations

import logging

import pytest

from aigc.errors import CloudError
from tests.unit.jobs.simulation import Chances, Simulation

SEEDS = range(12)
"""Of each mix; a longer range looks further, at a tenth of a second a run."""

MIXES = {
    "functions die and the vendor is unreliable": Chances(
        killed=0.3,
        slow=0.05,
        create_throttled=0.5,
        create_lost=0.3,
        query_lost=0.1,
        task_backlogged=0.1,
        callback_dropped=0.1,
        callback_repeated=0.1,
        order_repeated=0.3,
    ),
    "the replies of COS are lost": Chances(
        slow=0.05,
        cos_reply_lost=0.03,
        cos_failed=0.01,
        cos_throttled=0.01,
        callback_dropped=0.1,
        order_repeated=0.3,
    ),
    "COS is hardly there": Chances(
        killed=0.1,
        cos_reply_lost=0.1,
        cos_failed=0.05,
        cos_throttled=0.05,
        create_lost=0.1,
        download_lost=0.3,
        callback_repeated=0.1,
        order_repeated=0.3,
    ),
    "pictures can seldom be fetched": Chances(
        killed=0.1,
        slow=0.3,
        cos_reply_lost=0.02,
        cos_failed=0.01,
        download_lost=0.7,
    ),
    "the vendor does not list what it has": Chances(
        killed=0.2,
        slow=0.05,
        cos_reply_lost=0.03,
        create_lost=0.3,
        callback_dropped=0.1,
        callback_repeated=0.3,
        lists_tasks=False,
    ),
    "everything": Chances(
        killed=0.2,
        slow=0.05,
        cos_reply_lost=0.03,
        cos_failed=0.02,
        cos_throttled=0.02,
        create_throttled=0.2,
        create_lost=0.2,
        query_lost=0.2,
        download_lost=0.3,
        task_backlogged=0.2,
        callback_dropped=0.5,
        callback_repeated=0.5,
        order_repeated=0.6,
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mix", MIXES)
def test_every_promise_holds_whatever_breaks(
    mix: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    simulation = Simulation(seed, MIXES[mix])

    problems = simulation.run()

    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert not problems, simulation.story()
    assert all(isinstance(error, CloudError) for error in errors)


def test_nothing_breaks_where_nothing_is_broken() -> None:
    simulation = Simulation(0, Chances())

    problems = simulation.run()

    assert not problems
    assert {job.state for job in simulation.jobs()} == {"succeeded"}
    assert len(simulation.world.vendor.tasks) == len(simulation.jobs())


def test_the_same_seed_tells_the_same_story() -> None:
    first, again = (Simulation(3, MIXES["everything"]) for _ in range(2))

    first.run()
    again.run()

    assert first.story() == again.story()
