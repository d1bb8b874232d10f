"""The sweep of the small cases: without its state in the ledger, which only saves time.

Two sweeps write over each other's state; in a search each such write would double the orders.
Storms run the whole sweep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.jobs.sweep_state import SweepState
from aigc.jobs.turns import take_turns
from aigc.sweeping import PARTS

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime


def sweep(runtime: Runtime) -> None:
    """Let each part of the sweep have its turn."""
    take_turns(PARTS, runtime, SweepState())
