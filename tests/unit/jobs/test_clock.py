"""The ledger's clock: the bounds of the time that the answers of COS prove."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.errors import AmbiguousError, RefusedError
from aigc.jobs.clock import ASK_AGAIN_S, DATE_S, JUMP_S, REMEMBERED_S, TIME_REQUESTS, LedgerClock
from aigc.jobs.ledger.contest import Contest
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.ports import one_after_another
from tests.fakes import START, InMemoryStore, ManualClock

HOUR_S = 3600.0
TINY_S = 1e-3


class Machine:
    """COS's clock, and an instance whose clocks differ from it."""

    def __init__(self, skew_s: float = 0) -> None:
        self.true_s = START.timestamp()
        self.skew_s = skew_s
        self.steady_s = 1000.0
        self.answers = True
        self.asked = 0
        self.clock = LedgerClock(
            ask=self.ask, wall=self.wall, steady=lambda: self.steady_s, sleep=self.go_on
        )

    def wall(self) -> float:
        return self.true_s + self.skew_s

    def go_on(self, seconds: float) -> None:
        self.true_s += seconds
        self.steady_s += seconds

    def ask(self) -> None:
        self.asked += 1
        if not self.answers:
            raise AmbiguousError("get")
        self.answer(0.005, 0.005)
        raise RefusedError("get", code="RequestTimeTooSkewed")

    def answer(self, there_s: float, back_s: float) -> None:
        """Make a request with these times to COS and back."""
        self.go_on(there_s)
        date = datetime.fromtimestamp(int(self.true_s), timezone.utc)
        self.go_on(back_s)
        self.clock.learn(format_datetime(date, usegmt=True), there_s + back_s)

    def bounds(self) -> tuple[float, float]:
        """Return how far `now` and `latest` are from the true time."""
        return (
            self.clock.now().timestamp() - self.true_s,
            self.clock.latest().timestamp() - self.true_s,
        )


@pytest.mark.parametrize("skew_s", [0, HOUR_S, -HOUR_S])
def test_the_first_use_of_the_clock_queries_cos(skew_s: float) -> None:
    machine = Machine(skew_s)

    early, late = machine.bounds()

    assert machine.asked == 1
    assert -DATE_S - TINY_S - 0.01 <= early <= TINY_S
    assert -TINY_S <= late <= DATE_S + TINY_S + 0.01


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10), st.floats(0, 30)), min_size=1),
    st.floats(0, 1),
)
def test_the_true_time_is_never_outside_of_the_bounds(
    answers: list[tuple[float, float, float]], phase: float
) -> None:
    machine = Machine(HOUR_S)
    machine.true_s += phase
    for there_s, back_s, pause_s in answers:
        machine.answer(there_s, back_s)
        machine.go_on(pause_s)

        early, late = machine.bounds()

        assert early <= TINY_S
        assert late >= -TINY_S


def test_many_answers_narrow_the_bounds() -> None:
    machine = Machine()
    for _ in range(20):
        machine.answer(0.01, 0.01)
        machine.go_on(0.37)

    early, late = machine.bounds()

    assert late - early < 0.2


def test_a_slow_answer_does_not_widen_the_bounds() -> None:
    machine = Machine()
    machine.answer(0.01, 0.01)
    before = machine.bounds()
    machine.answer(9, 9)

    early, late = machine.bounds()

    assert late - early <= before[1] - before[0] + TINY_S


def test_old_answers_do_not_narrow_the_bounds_of_a_clock_that_drifts() -> None:
    machine = Machine()
    machine.answer(0.01, 0.01)
    machine.go_on(REMEMBERED_S)
    machine.true_s += 5  # the steady clock was slow
    machine.answer(0.01, 0.01)

    early, late = machine.bounds()

    assert early <= TINY_S
    assert late >= -TINY_S


def test_a_jump_of_the_wall_clock_causes_a_query_to_cos() -> None:
    machine = Machine()
    machine.bounds()
    machine.skew_s = HOUR_S

    early, late = machine.bounds()

    assert machine.asked == 2
    assert abs(early) + abs(late) < 2 * DATE_S


def test_a_suspended_instance_queries_cos_again() -> None:
    machine = Machine()
    machine.bounds()
    machine.true_s += HOUR_S  # its steady clock stood still

    early, late = machine.bounds()

    assert abs(early) + abs(late) < 2 * DATE_S


def test_small_corrections_of_the_wall_clock_cost_nothing() -> None:
    machine = Machine()
    machine.bounds()
    machine.skew_s = JUMP_S / 2

    machine.bounds()

    assert machine.asked == 1


def test_without_an_answer_the_wall_clock_is_used_and_cos_is_queried_later() -> None:
    machine = Machine(HOUR_S)
    machine.answers = False

    for _ in range(3):
        assert machine.bounds() == pytest.approx((HOUR_S, HOUR_S))
    assert machine.asked == TIME_REQUESTS

    machine.answers = True
    machine.go_on(ASK_AGAIN_S + 1)
    assert abs(machine.bounds()[0]) <= DATE_S + 0.02


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2026 99:00:00 GMT"])
def test_an_answer_without_a_date_teaches_nothing(date: str) -> None:
    machine = Machine()
    machine.answer(0.01, 0.01)
    before = machine.bounds()

    machine.clock.learn(date, 0.01)

    assert machine.bounds() == before


# Leases


def test_a_lease_lasts_as_long_as_its_holder_was_given() -> None:
    clock = ManualClock()
    store = InMemoryStore(clock)
    before, after = (
        Contest(store, Lease(timedelta(seconds=seconds), clock), one_after_another)
        for seconds in (300, 30)
    )
    assert before.acquire("claims/a/000001") == 0

    clock.pass_time(100)
    assert after.acquire("claims/a/000001") is None
    clock.pass_time(201)
    assert after.acquire("claims/a/000001") == 1


def test_a_ticket_of_an_older_version_lasts_for_the_readers_lease() -> None:
    clock = ManualClock()
    store = InMemoryStore(clock)
    contest = Contest(store, Lease(timedelta(seconds=30), clock), one_after_another)
    store.put("k/000/x", f'{{"token": "t", "at": "{START.isoformat()}"}}'.encode())

    clock.pass_time(29)
    assert contest.acquire("k") is None
    clock.pass_time(2)
    assert contest.acquire("k") == 1
