"""The turns of the sweep: every part gets one, and walks continue at their cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aigc.jobs.sweep_state import SweepState
from aigc.jobs.turns import Part, take_turns
from aigc.sweeping import sweep
from tests.fakes import InMemoryStore, World, build_world
from tests.jobs import KilledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.turns import SweepReport, Turn


def part(name: str, work: Callable[[Turn], object], **more: float) -> Part:
    return Part(name=name, does="", bound="", work=work, **more)  # type: ignore[arg-type]


def busy(world: World, item_s: float, items: int = 10**9) -> Callable[[Turn], None]:
    """Return the work of a part with many items that take this long each."""

    def work(turn: Turn) -> None:
        done = 0
        while done < items and turn.has_time():
            world.clock.pass_time(item_s)
            done += 1

    return work


def run(world: World, *parts: Part, state: SweepState, seconds: float = 59) -> SweepReport:
    return take_turns(parts, world.runtime(seconds), state)[0]


def test_a_part_with_endless_work_leaves_the_others_their_turn() -> None:
    world = build_world()
    began: list[str] = []
    endless = part("endless", busy(world, 0.1))
    short = part("short", lambda turn: began.append(turn.name))

    report = run(world, endless, short, state=SweepState())

    assert began == ["short"]
    assert (report.turns, report.turns_missed, report.unfinished) == (2, 0, "endless")


def test_parts_that_were_cut_short_share_what_the_others_left() -> None:
    world = build_world()
    turns: list[float] = []

    def endless(turn: Turn) -> None:
        began = world.clock.now()
        busy(world, 0.1)(turn)
        turns.append((world.clock.now() - began).total_seconds())

    parts = [part("endless", endless), *(part(f"idle{n}", lambda _: None) for n in range(6))]

    run(world, *parts, state=SweepState())

    assert len(turns) > 1
    assert sum(turns) > 50


def test_a_sweep_that_is_too_short_leaves_the_first_place_to_a_part_without_a_turn() -> None:
    world = build_world()
    began: list[str] = []

    def slow(turn: Turn) -> None:
        began.append(turn.name)
        world.clock.pass_time(4)

    parts = [part(name, slow) for name in "abcde"]
    state = SweepState()
    for _ in range(3):
        _, state = take_turns(parts, world.runtime(9), state)

    assert began == ["a", "b", "c", "d", "e", "a"]


def test_if_all_had_their_turn_another_part_comes_first() -> None:
    world = build_world()
    parts = [part(name, lambda _: None) for name in "abc"]

    _, once = take_turns(parts, world.runtime(), SweepState())
    _, twice = take_turns(parts, world.runtime(), once)

    assert (once.begins_with, twice.begins_with) == ("b", "c")


def test_an_error_in_a_part_does_not_stop_the_others() -> None:
    world = build_world()
    began: list[str] = []

    def fail(turn: Turn) -> None:
        raise ValueError(turn.name)

    report = run(
        world,
        part("bad", fail),
        part("good", lambda turn: began.append(turn.name)),
        state=SweepState(),
    )

    assert began == ["good"]
    assert report.failed == 1


def test_a_part_that_kills_each_sweep_leaves_the_others_a_turn_within_some_sweeps() -> None:
    world = build_world()
    began: set[str] = set()

    def kill(turn: Turn) -> None:
        raise KilledError(turn.name)

    def begin(turn: Turn) -> None:
        began.add(turn.name)

    parts = [part("killer", kill), *(part(name, begin) for name in "abcdefgh")]
    for _ in range(50):  # each part comes before the killer in half of the orders
        with pytest.raises(KilledError):
            sweep(world.runtime(), parts)

    assert began == set("abcdefgh")


def test_a_part_that_is_gone_has_no_first_place() -> None:
    world = build_world()

    report = run(world, part("a", lambda _: None), state=SweepState(begins_with="gone"))

    assert report.turns == 1


def test_a_count_is_reported_once_for_all_rounds_of_a_turn() -> None:
    world = build_world()
    rounds = 0

    def count(turn: Turn) -> None:
        nonlocal rounds
        rounds += 1
        busy(world, 0.1)(turn)
        turn.count("waiting", 5 + rounds)

    parts = [part("counts", count), part("short", lambda _: None)]

    report = run(world, *parts, state=SweepState())

    assert rounds > 1
    assert report.waiting == 5 + rounds


# Walks


def walker(
    world: World, store: InMemoryStore, item_s: float, visited: list[str], pages: int = 10
) -> Part:
    def visit(key: str) -> None:
        visited.append(key)
        world.clock.pass_time(item_s)

    def work(turn: Turn) -> None:
        listed = turn.walk(lambda behind: store.list("keys/", behind), pages=pages)
        turn.each((entry.key for entry in listed), visit)

    return part("walk", work)


def stored(world: World, count: int) -> tuple[InMemoryStore, list[str]]:
    keys = [f"keys/{number:06d}" for number in range(count)]
    for key in keys:
        world.store.put(key, b"")
    return world.store, keys


def test_a_walk_continues_at_its_cursor_and_starts_again_at_the_end() -> None:
    world = build_world()
    store, keys = stored(world, 10)
    visited: list[str] = []
    walk = walker(world, store, 1, visited)

    _, state = take_turns([walk], world.runtime(9), SweepState())
    assert visited == keys[:6]
    take_turns([walk], world.runtime(60), state)

    assert visited == [*keys[:6], *keys[6:], *keys[:6]]


def test_a_walk_counts_what_there_is_over_several_sweeps() -> None:
    world = build_world()
    store, keys = stored(world, 2500)
    visited: list[str] = []
    walk = walker(world, store, 0, visited, pages=1)
    state = SweepState()
    totals = []

    for _ in range(4):
        _, state = take_turns([walk], world.runtime(), state)
        totals.append(state.progress["walk"].total)

    assert visited[:2500] == keys
    assert totals == [0, 0, 2500, 2500]


def test_a_lost_cursor_only_repeats_work() -> None:
    world = build_world()
    store, keys = stored(world, 10)
    visited: list[str] = []
    walk = walker(world, store, 1, visited)

    take_turns([walk], world.runtime(9), SweepState())
    take_turns([walk], world.runtime(60), SweepState())

    assert visited == [*keys[:6], *keys]


def test_an_item_that_fails_does_not_stop_its_walk() -> None:
    world = build_world()
    store, keys = stored(world, 3)
    visited: list[str] = []

    def visit(key: str) -> None:
        visited.append(key)
        raise ValueError(key)

    def work(turn: Turn) -> None:
        listed = turn.walk(lambda behind: store.list("keys/", behind), pages=1)
        turn.each((entry.key for entry in listed), visit)

    report = run(world, part("walk", work), state=SweepState())

    assert visited == keys
    assert report.failed == 3


def test_items_in_turn_begin_behind_the_last_one() -> None:
    world = build_world()
    visited: list[str] = []

    def visit(item: str) -> None:
        visited.append(item)
        world.clock.pass_time(1)

    def work(turn: Turn) -> None:
        turn.each(turn.in_turn("dbca"), visit)

    parts = [part("items", work)]
    _, state = take_turns(parts, world.runtime(5), SweepState())
    take_turns(parts, world.runtime(5), state)

    assert visited == ["a", "b", "c", "d"]
