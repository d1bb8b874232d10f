"""Settings and fixtures of all tests."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, settings

# No example fails because the machine is busy.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make test` tries the same few examples in each run; `make fuzz` draws other and more examples.
settings.register_profile(
    "few", settings.get_profile("unhurried"), derandomize=True, max_examples=20
)
settings.register_profile(
    "many",
    settings.get_profile("unhurried"),
    max_examples=20 * int(os.environ.get("EXAMPLES", "1")),
)
settings.load_profile("many" if "EXAMPLES" in os.environ else "few")

LONG_FIRST = ("e2e", "chaos", "verify_cloud", "benchmarks", "simulation", "infra", "localcloud")
"""The folders with files that run for long; those of the others run for a second or less."""

_LOOPS: set[asyncio.AbstractEventLoop] = set()
"""Event loops of this process; one that is collected without being closed is a warning."""


@pytest.fixture(autouse=True)
def _event_loop() -> None:
    """Give Pulumi's mocks an event loop: after `asyncio.run` the thread has none."""
    try:
        loop = asyncio.get_event_loop()
    except (RuntimeError, DeprecationWarning):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    _LOOPS.add(loop)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders with long files first, so that all workers end at the same time."""
    items.sort(key=lambda item: _place_of(item.path.parts))


def _place_of(parts: tuple[str, ...]) -> int:
    folders = [number for number, folder in enumerate(LONG_FIRST) if folder in parts]
    return min(folders, default=len(LONG_FIRST))
