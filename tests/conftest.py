"""Settings and fixtures of all tests."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings

# The same examples in each run, and none that fails because the machine was busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

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
