"""A pass of the reconciliation stays within its requests, whatever the inbox holds."""

from __future__ import annotations

from benchmarks.reconcile import build_inbox, run_pass


def test_pass_finds_each_unknown_object_with_two_listings_for_a_thousand() -> None:
    objects, unknown = 5_000, 15
    world = build_inbox(objects, unknown)

    sweeps, requests, _ = run_pass(world, unknown)

    assert requests["reads"] == unknown
    assert requests["inbox list "] <= objects / 1000 + 1
    assert requests["list uploads/"] <= objects / 1000 + 1
    assert sweeps <= 2
    assert len(world.vendor.tasks) >= 1
