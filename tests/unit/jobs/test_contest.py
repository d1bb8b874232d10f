"""Contests: leases, creations and slots; the simulation plays contenders in every order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aigc.errors import AmbiguousError
from aigc.jobs.ledger.contest import Contest
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.ledger.slots import Slots
from aigc.jobs.ports import one_after_another
from tests.fakes import LEASE_S, InMemoryStore, ManualClock


def contest(store: InMemoryStore, clock: ManualClock) -> Contest:
    return Contest(store, Lease(timedelta(seconds=LEASE_S), clock), one_after_another)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_holder_is_succeeded_once_its_lease_is_over(clock: ManualClock) -> None:
    store = InMemoryStore(clock)

    first, second = (contest(store, clock).acquire("k") for _ in range(2))
    clock.pass_time(LEASE_S + 1)
    third, fourth = (contest(store, clock).acquire("k") for _ in range(2))

    assert (first, second, third, fourth) == (0, None, 1, None)


def test_contenders_that_all_yielded_are_succeeded_after_a_lease(clock: ManualClock) -> None:
    store = InMemoryStore(clock)
    store.put("k/000/x", contest(store, clock).ticket())
    store.put("k/000/y", contest(store, clock).ticket())

    assert contest(store, clock).acquire("k") is None
    clock.pass_time(LEASE_S + 1)
    assert contest(store, clock).acquire("k") == 1


def test_a_creation_continues_at_once_if_all_contenders_yielded(clock: ManualClock) -> None:
    store = InMemoryStore(clock)
    store.put("k/000/x", contest(store, clock).ticket())
    store.put("k/000/y", contest(store, clock).ticket())
    begun = clock.now()

    assert contest(store, clock).create_once("k", lambda: None) is None
    assert clock.now() - begun < timedelta(seconds=5)


def test_a_creation_that_another_is_at_work_on_is_not_begun(clock: ManualClock) -> None:
    store = InMemoryStore(clock)
    assert contest(store, clock).create_once("k", lambda: None) is None

    with pytest.raises(AmbiguousError, match="another invocation is at work on it"):
        contest(store, clock).create_once("k", lambda: None)
    assert contest(store, clock).create_once("k", lambda: "made") == "made"


def test_a_creation_is_searched_for_before_it_is_repeated(
    clock: ManualClock,
) -> None:
    store = InMemoryStore(clock)
    assert contest(store, clock).create_once("k", lambda: None) is None
    clock.pass_time(LEASE_S + 1)
    answers = iter([*[None] * 4, "made just before it died"])

    created = contest(store, clock).create_once("k", lambda: next(answers))

    assert created == "made just before it died"


def test_a_generation_whose_old_keys_are_removed_is_not_won_beside_the_next(
    clock: ManualClock,
) -> None:
    store = InMemoryStore(clock)
    assert contest(store, clock).create_once("k", lambda: None) is None
    died = [listed.key for listed in store.list("k/")]
    clock.pass_time(7 * 86400)

    assert contest(store, clock).create_once("k", lambda: None) is None
    store.delete(*died)  # as a lifecycle rule does
    with pytest.raises(AmbiguousError):
        contest(store, clock).create_once("k", lambda: None)


def test_a_second_release_does_not_take_the_slot_from_its_next_holder(clock: ManualClock) -> None:
    store = InMemoryStore(clock)
    slots = Slots(store, contest(store, clock), one_after_another)
    first = slots.take("vod.image", 0, "a")
    assert first is not None
    assert slots.release("vod.image", first, "a")
    following = slots.take("vod.image", 0, "b")
    assert following is not None

    slots.release("vod.image", first, "a")

    assert slots.confirm("vod.image", following)
    assert slots.take("vod.image", 0, "c") is None
