"""One local cloud for the suite, the clients, and a table of what they did."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections import Counter, defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc_cli.reference import figures
from tests.clients.install import CLIENTS, ROOT, NotInstalledError, install_all, version
from tests.clients.programs import run_client
from tests.e2e.stack import Stack, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = ROOT / "docs" / "localcloud.md"
_TABLE = re.compile(r"(?<=<!-- clients -->\n).*?(?=<!-- end of clients -->)", re.DOTALL)
_outcomes: dict[str, Counter[str]] = defaultdict(Counter)
_missing: dict[str, str] = {}
_what_was_run: dict[str, str] = {}

install = functools.cache(install_all)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-table",
        action="store_true",
        help=f"write what the clients did into {PAGE.relative_to(ROOT)} and its translation",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note what is run with which client: the first line of its module's docstring."""
    for item in items:
        name = _client_of(item)
        if name and isinstance(item, pytest.Function):
            summary = (item.module.__doc__ or "").partition("\n")[0]
            _what_was_run.setdefault(name, summary.rstrip("."))


def _client_of(item: pytest.Item) -> str:
    marker = item.get_closest_marker("client")
    return str(marker.args[0]) if marker else ""


def pytest_runtestloop(session: pytest.Session) -> None:
    """Install before the first test, whose time it would take."""
    if not session.config.option.collectonly and _what_was_run:
        sys.stdout.write("installing the clients into .clients …\n")
        sys.stdout.flush()
        install()


@pytest.fixture(autouse=True)
def installed(request: pytest.FixtureRequest) -> Path | None:
    """Find the folder of the group of the client that a test is about."""
    name = _client_of(request.node)
    group = CLIENTS[name].group if name else ""
    if not group:
        return None
    folder = install()[group]
    if isinstance(folder, NotInstalledError):
        _missing[name] = str(folder)
        pytest.skip(f"{name} could not be installed: {folder}")
    return folder


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Run the system, thirty times faster than the cloud, for all of the suite."""
    with running("--speed", "30", "--timeout", "10", "--tls") as stack:
        yield stack


# The table


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    name = _client_of(item)
    if name and (report.when == "call" or report.outcome != "passed"):
        _outcomes[name][report.outcome] += 1


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not _outcomes:
        return
    terminalreporter.section("clients that we did not write")
    for name, counts in _outcomes.items():
        counted = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        terminalreporter.line(f"{name} {version(name)}: {counted}", red=bool(counts["failed"]))
    for name, reason in _missing.items():
        terminalreporter.line(f"NOT INSTALLED, and not tried: {name}: {reason}", red=True)
    if config.getoption("write_table"):
        PAGE.write_text(_TABLE.sub(_table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        figures.update_translations(PAGE)


def _table() -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    rows = "".join(_row(name) for name in CLIENTS)
    return (
        f"Run on {today}:\n\n"
        "| client | version | what was run | passed |\n"
        f"|---|---|---|---|\n{rows}"
    )


def _row(name: str) -> str:
    counts = _outcomes[name]
    passed = f"{counts['passed']} of {counts.total()}" if CLIENTS[name].group else "`make test`"
    what = CLIENTS[name].what_is_run or _what_was_run.get(name, "")
    return f"| `{name}` | {version(name)} | {what} | {passed} |\n"


# Running programs


@pytest.fixture
def node(stack: Stack, installed: Path) -> Callable[..., Any]:
    """Run one of our scripts, which uses a client, and read the JSON that it prints last."""

    def run(script: str, *arguments: str, **variables: str) -> Any:
        source = Path(__file__).parent / "js" / script
        copy = installed / script  # modules are looked for beside the script
        copy.write_bytes(source.read_bytes())
        printed = run_client(["node", script, *arguments], stack, installed, **variables)
        return json.loads(printed.splitlines()[-1])

    return run
