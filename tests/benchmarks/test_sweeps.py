"""`make sweeps`, at a small size: every part has its turn beside a long queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.sweeps import LENGTHS, OVERDUE, UNSTORED, Measurement, measure, table

WAITING = 3000


@pytest.fixture(scope="module")
def sweeps() -> Measurement:
    return measure(WAITING)


def test_every_part_has_its_turn_beside_a_queue_of_several_pages(sweeps: Measurement) -> None:
    assert sweeps.longest_wait_s() < 300
    assert set(sweeps.reached) == {"stored", "cancelled", "counted"}
    assert sweeps.listings_per_start < 2


def test_the_table_has_a_column_for_each_length(sweeps: Measurement) -> None:
    text = table([sweeps, replace(sweeps, waiting=2 * WAITING)])

    assert text.startswith("| waiting jobs | 3,000 | 6,000 |")
    assert f"{UNSTORED} images stored after" in text
    assert f"{OVERDUE} overdue jobs cancelled after" in text
    assert max(LENGTHS) == 1_000_000
