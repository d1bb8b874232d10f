"""The tables of cases and mutations in docs/reliability.md, as the commands write them."""

from __future__ import annotations

from tests.simulation.mutations import MUTATIONS
from tests.simulation.parts import ALL_CASES
from tests.tables import Table

CASES_TABLE = Table(
    "reliability.md",
    "cases",
    ("case", "switches", "searched", "states", "plays", "points of death", "ends"),
    tuple(case.title for case in ALL_CASES),
)
MUTATIONS_TABLE = Table(
    "reliability.md",
    "mutations",
    ("left out or changed", "noticed by", "after"),
    tuple(mutation.title for mutation in MUTATIONS),
)
