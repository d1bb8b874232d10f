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
    max_examples=int(os.environ.get("EXAMPLES", "0")) or 20,
)
settings.load_profile("many" if os.environ.get("EXAMPLES") else "few")

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
