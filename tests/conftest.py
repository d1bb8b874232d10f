"""Settings and fixtures of all tests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.stack import Stack

# A shell lets what it starts in the background ignore SIGINT, and all processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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

FIRST = ("test_simulation.py",)
"""Files that compute for most of a minute: beside them run those that wait for other processes."""
WITH_STACK = ("e2e", "console")
"""The folders whose tests may use `shared_stack`."""
LONG_FIRST = (
    *WITH_STACK,
    "chaos",
    "verify_cloud",
    "doctor",
    "benchmarks",
    "simulation",
    "infra",
    "localcloud",
)
"""The folders with files that run for long; those of the others run for a second or less."""

_SHARED = contextlib.ExitStack()
"""What runs as `shared_stack`."""
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the garbage collector pass over what a collection makes: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first, so that all workers end at the same time."""
    items.sort(key=lambda item: _place_of(item.path.parts))


def _place_of(parts: tuple[str, ...]) -> int:
    if parts[-1] in FIRST:
        return -1
    folders = [number for number, folder in enumerate(LONG_FIRST) if folder in parts]
    return min(folders, default=len(LONG_FIRST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """End `shared_stack` when the folders that use it are done: its timer costs CPU time."""
    if not set(WITH_STACK).intersection(item.path.parts):
        _SHARED.close()


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    """Run the system once for a process: a start takes seconds of CPU time."""
    from tests.e2e.stack import SPEED, running  # noqa: PLC0415  most processes need no stack

    options = ("--speed", str(SPEED), "--timeout", "10", "--tls")
    with _SHARED:
        yield _SHARED.enter_context(running(*options))


@pytest.fixture(scope="module")
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """Give one module the running system as if it were new; wait at its end until all is idle."""
    from tests.e2e.stack import wait_for  # noqa: PLC0415  see above

    yield shared_stack.from_now()
    shared_stack.faults()
    wait_for(shared_stack.is_idle)


@pytest.fixture
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Announce the running system to commands, as `make local` does."""
    from aigc_cli.connection import connection_file  # noqa: PLC0415  see above

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    connection_file().write_text(json.dumps(stack.connection))
    return stack


NOT_TESTED = "the console was NOT tested: "
"""Begin of the reason with which tests in a browser are skipped."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that tests were left out because there is no browser."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if NOT_TESTED in reason):
        terminalreporter.section(reason.removeprefix("Skipped: "), red=True, bold=True)
