"""The promises, whatever fails: small cases in every order, storms with fixed seeds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from aigc.jobs.buckets import STAGING
from aigc.robots import Robot
from aigc.wire import with_fields
from tests.simulation.cases import CASES, bounded
from tests.simulation.checks import broken_promises
from tests.simulation.cloud import Cloud
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutate import Mutation, StaleMutationError, omit
from tests.simulation.mutations import MUTATIONS, QUICK
from tests.simulation.parts import ALL_CASES
from tests.simulation.shrink import shrink
from tests.simulation.storm import CALM, WEATHERS, Storm
from tests.simulation.tables import CASES_TABLE, MUTATIONS_TABLE
from tests.simulation.trial import try_out
from tests.sizes import size

if TYPE_CHECKING:
    from tests.simulation.play import Case
    from tests.tables import Table

SEEDS = range(size(3, full=8))
"""Of each weather; `make simulate` runs more."""
ROBOT_SEEDS = range(size(1, full=2))
ROBOT = Robot(kind="wecom", url=SecretStr("https://robot.example/send?key=1"), jobs="all")

QUICK_CASES = [case for case in ALL_CASES if case.is_quick]
"""The cases that `make test` searches; `make simulate` searches all."""


@pytest.mark.parametrize("case", QUICK_CASES, ids=lambda case: case.title)
def test_every_promise_holds_in_every_order_of_a_small_case(case: Case) -> None:
    explored = Search(bounded(case, case.quick_switches)).run()

    assert not explored.problems, explored.trace
    assert explored.is_complete


@pytest.mark.sized
@pytest.mark.parametrize("weather", WEATHERS)
def test_every_promise_holds_whatever_fails(weather: str) -> None:
    for seed in SEEDS:
        storm = Storm(Draws(seed), WEATHERS[weather])

        problems = storm.run()

        assert not problems, f"seed {seed}\n{storm.trace()}"


@pytest.mark.sized
@pytest.mark.parametrize("weather", WEATHERS)
def test_every_promise_holds_beside_a_chat_robot(weather: str) -> None:
    for seed in ROBOT_SEEDS:
        storm = Storm(Draws(seed), WEATHERS[weather])
        storm.cloud.settings = with_fields(storm.cloud.settings, robots=(ROBOT,))

        problems = storm.run()

        assert not problems, f"seed {seed}\n{storm.trace()}"
        assert storm.cloud.notices or not any(job.has_ended for job in storm.cloud.jobs())


def test_a_storm_without_faults_ends_with_one_task_for_each_job() -> None:
    storm = Storm(Draws(0), CALM)

    problems = storm.run()

    assert not problems
    assert {job.state for job in storm.cloud.jobs()} == {"succeeded"}
    assert len(storm.cloud.tasks()) == len(storm.cloud.jobs())


def test_a_seed_repeats_a_storm() -> None:
    first, again = (Storm(Draws(3), WEATHERS["everything"]) for _ in range(2))

    first.run()
    again.run()

    assert first.trace() == again.trace()


def test_what_was_drawn_repeats_a_storm_without_its_seed() -> None:
    seeded = Storm(Draws(3), WEATHERS["everything"])
    seeded.run()
    fixed = Storm(Draws(fixed=seeded.draws.drawn), WEATHERS["everything"])

    fixed.run()

    assert seeded.trace() == fixed.trace()


def test_a_search_kills_a_worker_at_each_write() -> None:
    [case] = [case for case in CASES if case.title == "a new call is launched"]

    explored = Search(bounded(dataclasses.replace(case, faults=0, weak=0), 0)).run()

    writes = [request.split(" ")[:2] for _, request in explored.deaths]
    assert ["put", "jobs/a.json"] in writes
    assert "CreateAigcImageTask" in {write[0] for write in writes}


def test_shrinking_leaves_only_what_makes_it_fail() -> None:
    def fails(fixed: list[int]) -> bool:
        return 7 in fixed and 5 in fixed

    simpler = shrink([3, 7, 0, 1, 9, 5, 2, 8], lambda fixed: fails(list(fixed)))

    assert simpler == [0, 7, 0, 0, 0, 5]


def test_the_checks_find_what_is_left_over() -> None:
    cloud = Cloud({"vod.image": 1})
    cloud.ledger.create("claims/a/000000/000/x", b"{}")
    cloud.results.create(f"{STAGING}a/1/image.png", b"")

    assert broken_promises(cloud) == [
        "claims/a/000000/000/x is left over",
        f"{STAGING}a/1/image.png is left over",
    ]


def test_each_mutation_fits_the_code_and_is_taken_back() -> None:
    for mutation in MUTATIONS:
        with mutation.installed():
            pass
        with mutation.installed():
            pass


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("transitions:there_is_no_such_function", "there is no such function"),
        ("transitions:end", "no statement calls `there_is_no_such_call`"),
    ],
)
def test_a_mutation_that_does_not_fit_the_code_says_why(target: str, reason: str) -> None:
    stale = Mutation(title="stale", changes=((target, omit("there_is_no_such_call")),))

    with pytest.raises(StaleMutationError, match=f"stale: {target}: {reason}"), stale.installed():
        pass


@pytest.mark.parametrize("table", [CASES_TABLE, MUTATIONS_TABLE], ids=lambda table: table.marker)
def test_the_page_has_a_row_for_each_case_and_each_mutation(table: Table) -> None:
    assert tuple(table.read()) == table.titles


@pytest.mark.parametrize("title", QUICK)
def test_the_simulation_notices_a_missing_part_of_the_protocol(title: str) -> None:
    [mutation] = [mutation for mutation in MUTATIONS if mutation.title == title]

    assert try_out(mutation).noticed_by
