"""One running system for the tests that leave it as they found it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops import connection
from tests.e2e.stack import Stack, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run the system, thirty times faster than the cloud, for the tests of one module."""
    with running("--speed", "30", "--timeout", "10") as stack:
        yield stack


@pytest.fixture
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Let commands find the running system as they find `make local`."""
    monkeypatch.setattr(connection, "CONNECTION", tmp_path / "connection.json")
    connection.CONNECTION.write_text(json.dumps(stack.connection))
    return stack
