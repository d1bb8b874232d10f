"""The promises, whatever breaks: small cases in every order, storms in a fixed set of orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.jobs.runtime import STAGING
from tests.simulation.cases import CASES, accepts, bounded
from tests.simulation.cloud import Cloud
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutations import MUTATIONS, QUICK, StaleMutationError, source, try_out
from tests.simulation.play import Case, Phase
from tests.simulation.shrink import shrink
from tests.simulation.storm import CALM, WEATHERS, Storm

SEEDS = range(12)
"""Of each weather; `make simulate` looks further."""

FUNCTIONS = Path(__file__).parents[2] / "functions"
TWO_CALLS = Case(
    title="two calls",
    phases=(Phase(workers={"accept a": accepts("a"), "accept b": accepts("b")}),),
    deaths=1,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_promise_holds_in_every_order_of_a_small_case(case: Case) -> None:
    explored = Search(bounded(case, case.quick_switches)).run()

    assert not explored.problems, explored.trace
    assert explored.is_complete


@pytest.mark.parametrize("weather", WEATHERS)
def test_every_promise_holds_whatever_breaks(weather: str) -> None:
    for seed in SEEDS:
        storm = Storm(Draws(seed), WEATHERS[weather])

        problems = storm.run()

        assert not problems, f"seed {seed}\n{storm.trace()}"


def test_nothing_breaks_where_nothing_is_broken() -> None:
    storm = Storm(Draws(0), CALM)

    problems = storm.run()

    assert not problems
    assert {job.state for job in storm.cloud.jobs()} == {"succeeded"}
    assert len(storm.cloud.tasks()) == len(storm.cloud.jobs())


def test_the_same_seed_tells_the_same_story() -> None:
    first, again = (Storm(Draws(3), WEATHERS["everything"]) for _ in range(2))

    first.run()
    again.run()

    assert first.trace() == again.trace()


def test_what_was_drawn_tells_the_same_story_without_the_seed() -> None:
    drawn = Storm(Draws(3), WEATHERS["everything"])
    drawn.run()
    told = Storm(Draws(fixed=drawn.draws.drawn), WEATHERS["everything"])

    told.run()

    assert drawn.trace() == told.trace()


def test_to_leave_out_orders_of_what_is_independent_leaves_out_no_end() -> None:
    reduced = Search(TWO_CALLS).run()
    whole = Search(TWO_CALLS, is_reduced=False).run()

    assert reduced.endings == whole.endings
    assert reduced.deaths == whole.deaths
    assert reduced.steps < whole.steps


def test_a_search_dies_over_each_write_of_each_function() -> None:
    explored = Search(bounded(TWO_CALLS, 0)).run()

    verbs = [request.split()[:2] for who, request in explored.deaths if who == "accept a"]
    assert ["create", "jobs/a.json"] in verbs
    assert ["put", "jobs/a.json"] in verbs
    assert ["CreateAigcImageTask", "a-1"] in verbs


def test_what_fails_is_told_with_nothing_in_it_that_it_does_not_need() -> None:
    def fails(told: list[int] | tuple[int, ...]) -> bool:
        return 7 in told and 5 in told

    simpler = shrink([3, 7, 0, 1, 9, 5, 2, 8], lambda told: fails(list(told)))

    assert simpler == [0, 7, 0, 0, 0, 5]


def test_the_cloud_notices_what_goes_against_a_promise() -> None:
    cloud = Cloud({"vod.image": 1})
    cloud.ledger.create("claims/a/000000/000", b"{}")
    cloud.results.create(f"{STAGING}a/1/picture.png", b"")

    assert cloud.broken_promises() == [
        "claims/a/000000/000 is left",
        f"{STAGING}a/1/picture.png is left",
    ]


def test_each_mutation_fits_the_source() -> None:
    for mutation in MUTATIONS:
        path, text = source(mutation, FUNCTIONS)

        compile(text, path, "exec")


def test_a_mutation_that_fits_no_more_is_an_error(tmp_path: Path) -> None:
    jobs = tmp_path / "aigc" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / f"{MUTATIONS[0].module}.py").write_text("pass\n")

    with pytest.raises(StaleMutationError, match="0 times"):
        source(MUTATIONS[0], tmp_path)


@pytest.mark.parametrize("title", QUICK)
def test_what_the_protocol_depends_on_is_missed_where_it_is_left_out(title: str) -> None:
    [mutation] = [one for one in MUTATIONS if one.title == title]

    found = try_out(mutation)

    assert found["by"]
