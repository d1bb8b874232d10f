"""One running system for all modules whose tests leave it as they found it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops import connection
from tests.e2e.stack import Stack, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    """Run the system, thirty times faster than the cloud: a start takes seconds of CPU time."""
    with running("--speed", "30", "--timeout", "10", "--tls") as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """Lend the running system to one module: its log begins empty, and it leaves no work behind."""
    yield shared_stack.from_now()
    shared_stack.faults()
    wait_for(shared_stack.is_idle)


@pytest.fixture
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Let commands find the running system as they find `make local`."""
    monkeypatch.setattr(connection, "CONNECTION", tmp_path / "connection.json")
    connection.CONNECTION.write_text(json.dumps(stack.connection))
    return stack
