"""Many calls a second: each is answered as the documents promise, and each job is paid for once."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.load import HEADING, report, section
from benchmarks.pressure import LOST, MIX, Outcome, Sample, measure

GOOD = Outcome(
    rate=2,
    seconds=1,
    took_s=1.0,
    samples=[Sample("status", 202, 0.01), Sample("submit", 429, 0.03)],
    cpu_s={"client": 0.1, "cloud": 0.2, "functions": 0.3},
    machine_s=1.1,
    accepted=["a lighthouse", "a ship"],
    paid={"a lighthouse": 1, "a ship": 1},
)


def test_short_load_is_answered_whole_and_paid_once() -> None:
    outcome = measure(25, 4, speed=30)

    assert len(outcome.samples) == 100
    assert {one.kind for one in outcome.samples} == set(MIX)
    assert not outcome.unexpected
    assert outcome.misspent == []


def test_answers_that_the_documents_promise_are_expected() -> None:
    assert not GOOD.unexpected
    assert GOOD.misspent == []


def test_lost_calls_and_other_answers_are_told_by_kind() -> None:
    samples = [Sample("result", LOST, 1.0), Sample("status", 500, 1.0), Sample("status", 404, 1.0)]

    unexpected = replace(GOOD, samples=[*GOOD.samples, *samples]).unexpected

    assert unexpected == {"result lost": 1, "status 500": 1, "status 404": 1}


def test_jobs_that_were_not_paid_for_once_are_named() -> None:
    paid = {"a lighthouse": 2, "nobody's": 1}

    assert replace(GOOD, paid=paid).misspent == ["a lighthouse", "a ship", "nobody's"]


def test_request_that_became_two_jobs_is_named() -> None:
    accepted = ["a lighthouse", "a lighthouse", "a ship"]

    assert replace(GOOD, accepted=accepted).misspent == ["a lighthouse"]


def test_report_lays_out_each_kind_and_what_calls_cost() -> None:
    text = report(GOOD)

    assert "| status | 1 | 202: 1 | 10 ms | 10 ms | 10 ms |" in text
    assert "client 50.0 ms, cloud 100.0 ms, functions 150.0 ms; together 0.6 cores" in text
    assert "other work took 0.5 cores meanwhile" in text
    assert "**" not in text


def test_report_puts_forward_what_should_not_be() -> None:
    text = report(replace(GOOD, samples=[Sample("status", 500, 1.0)], paid={"a lighthouse": 2}))

    assert "**not as promised: status 500: 1**" in text
    assert "**2 not paid for once**" in text


def test_section_of_a_page_is_found_and_nothing_else() -> None:
    assert section(f"# Benchmarks\n\n{HEADING}text\n") == f"{HEADING}text\n"
    assert section("# Benchmarks\n") == ""
