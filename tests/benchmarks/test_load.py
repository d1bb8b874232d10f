"""The load: each call gets an allowed answer, and each job is paid for once."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.generator import LOST, MIX, LoadResult, Sample, measure
from benchmarks.load import HEADING, report, section

GOOD = LoadResult(
    rate=2,
    seconds=1,
    duration_s=1.0,
    samples=[Sample("status", 202, 0.01), Sample("submit", 429, 0.03)],
    cpu_s={"client": 0.1, "cloud": 0.2, "functions": 0.3},
    machine_s=1.1,
    accepted=["a lighthouse", "a ship"],
    paid={"a lighthouse": 1, "a ship": 1},
)


def test_short_load_is_answered_completely_and_paid_once() -> None:
    outcome = measure(25, 2, speed=30)

    assert len(outcome.samples) == 50
    assert {sample.kind for sample in outcome.samples} == set(MIX)
    assert not outcome.unexpected
    assert outcome.wrongly_paid == []


def test_lost_calls_and_unexpected_answers_are_counted_by_kind() -> None:
    assert not GOOD.unexpected

    samples = [Sample("result", LOST, 1.0), Sample("status", 500, 1.0), Sample("status", 404, 1.0)]

    unexpected = replace(GOOD, samples=[*GOOD.samples, *samples]).unexpected

    assert unexpected == {"result lost": 1, "status 500": 1, "status 404": 1}


def test_jobs_that_were_not_paid_for_once_are_listed() -> None:
    paid = {"a lighthouse": 2, "unknown": 1}
    accepted = ["a lighthouse", "a lighthouse", "a ship"]

    assert GOOD.wrongly_paid == []
    assert replace(GOOD, paid=paid).wrongly_paid == ["a lighthouse", "a ship", "unknown"]
    assert replace(GOOD, accepted=accepted).wrongly_paid == ["a lighthouse"]


def test_report_has_a_row_for_each_kind_and_the_cpu_time() -> None:
    text = report(GOOD)

    assert "| status | 1 | 202: 1 | 10 ms | 10 ms | 10 ms |" in text
    assert "client 50.0 ms, cloud 100.0 ms, functions 150.0 ms; together 0.6 cores" in text
    assert "other work used 0.5 cores meanwhile" in text
    assert "**" not in text


def test_report_emphasises_failures() -> None:
    text = report(replace(GOOD, samples=[Sample("status", 500, 1.0)], paid={"a lighthouse": 2}))

    assert "**not as promised: status 500: 1**" in text
    assert "**2 not paid for once**" in text


def test_section_of_a_page_is_returned_without_the_rest() -> None:
    assert section(f"# Benchmarks\n\n{HEADING}text\n") == f"{HEADING}text\n"
    assert section("# Benchmarks\n") == ""
