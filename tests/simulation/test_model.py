"""The simulation itself: what its COS allows, parallel requests, and the reduction of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.explore import Search
from tests.simulation.play import (
    BLIND_LOOK,
    LATE_LISTING,
    LATE_WRITE,
    Case,
    Phase,
    Play,
)
from tests.simulation.toys import (
    PREFIX,
    creates,
    lists,
    overwrites,
    puts_and_gets_in_parallel,
    puts_in_parallel,
)
from tests.simulation.workers import NO_ANSWER, controlled_randomness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.play import Move, Work


def a_case(weakness: str = "", deaths: int = 0, faults: int = 0, **workers: Work) -> Case:
    return Case(
        title="toys",
        phases=(Phase(workers=workers),),
        lanes={},
        weak=1 if weakness else 0,
        weaknesses=frozenset({weakness}),
        deaths=deaths,
        faults=faults,
        fault_outcomes=frozenset({NO_ANSWER}),
    )


def contents(case: Case) -> set[frozenset[str]]:
    """Return what may be in the ledger when all workers have ended; plays all orders."""
    return {frozenset(found) for found in _contents(case, [])}


def _contents(case: Case, moves: list[Move]) -> Iterator[list[str]]:
    with controlled_randomness():
        play = Play(case)
        for move in moves:
            play.make(move)
        possible = play.moves()
        objects = play.cloud.ledger.objects
        keys = [f"{key[len(PREFIX) :]}={body.decode()}" for key, (body, _) in objects.items()]
        play.close()
    if all(move.event == "next" for move in possible):
        yield [key.removesuffix("=") for key in keys]
        return
    for move in possible:
        yield from _contents(case, [*moves, move])


def test_two_creators_may_both_get_the_answer_that_they_created_a_key() -> None:
    case = a_case(one=creates("k", b"1"), two=creates("k", b"2"))

    assert contents(case) == {
        frozenset({"k=1", "1-True", "2-False"}),
        frozenset({"k=2", "1-False", "2-True"}),
        frozenset({"k=1", "1-True", "2-True"}),
        frozenset({"k=2", "1-True", "2-True"}),
    }


def test_a_create_may_miss_a_young_key() -> None:
    in_turn = a_case(BLIND_LOOK, one=creates("k", b"1", b"2"))

    assert contents(in_turn) == {
        frozenset({"k=1", "1-True", "2-False"}),
        frozenset({"k=2", "1-True", "2-True"}),
    }


def test_a_listing_may_miss_a_new_key_and_another_key_only() -> None:
    case = a_case(LATE_LISTING, lists=lists("k", "seen"), puts=puts_in_parallel("k1", "k2"))

    seen = {key for found in contents(case) for key in found if key.startswith("seen")}
    assert seen == {"seen-0", "seen-1", "seen-2"}


def test_a_write_without_an_answer_may_take_effect_after_a_later_write() -> None:
    case = a_case(LATE_WRITE, one=overwrites("k"))

    assert contents(case) == {frozenset({"k=1"}), frozenset({"k=2"})}


def test_a_worker_may_die_between_any_two_of_its_parallel_requests() -> None:
    case = a_case(deaths=1, one=puts_in_parallel("a", "b", "c"))

    subsets = {
        frozenset(key for number, key in enumerate("abc") if bits & 1 << number)
        for bits in range(1, 8)
    }
    assert contents(case) == {*subsets, frozenset({"a", "b", "c", "last"})}


@pytest.mark.parametrize(
    "case",
    [
        a_case(deaths=1, faults=1, one=puts_in_parallel("a", "b"), two=puts_in_parallel("b", "c")),
        a_case(deaths=1, one=puts_and_gets_in_parallel("a", "b"), two=puts_in_parallel("a", "b")),
        a_case(LATE_WRITE, deaths=1, one=creates("k", b"1"), two=creates("k", b"2")),
        a_case(LATE_LISTING, faults=1, one=lists("k", "l"), two=puts_in_parallel("k1", "k2")),
    ],
    ids=["writes", "writes and reads", "creates", "listings"],
)
def test_to_leave_out_orders_of_independent_requests_leaves_out_no_end(case: Case) -> None:
    reduced = Search(case).run()
    whole = Search(case, is_reduced=False).run()

    assert reduced.is_complete
    assert reduced.endings == whole.endings
    assert reduced.deaths == whole.deaths
    assert reduced.steps < whole.steps
