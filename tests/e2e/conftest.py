"""One running system, shared by all modules whose tests leave no work behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops.connection import connection_file
from tests.e2e.stack import SPEED, Stack, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    """Run the system once: a start takes seconds of CPU time."""
    with running("--speed", str(SPEED), "--timeout", "10", "--tls") as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """Give one module the running system as if it were new; wait at its end until all is idle."""
    yield shared_stack.from_now()
    shared_stack.faults()
    wait_for(shared_stack.is_idle)


@pytest.fixture
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Announce the running system to commands, as `make local` does."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    connection_file().write_text(json.dumps(stack.connection))
    return stack
