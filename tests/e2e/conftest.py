"""One running system for the tests that leave it as they found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.stack import Stack, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run the system, thirty times faster than the cloud, for the tests of one module."""
    with running("--speed", "30", "--timeout", "10") as stack:
        yield stack
