"""The page's table of clients names every client of the suite, at the version that is pinned."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.clients import install
from tests.clients.install import CLIENTS, HERE, ROOT, version

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "localcloud.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([^`]+)` \| ([0-9.]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = {name: more for name, *more in _ROW.findall(PAGE)}


def test_every_client_is_in_the_table() -> None:
    assert ROWS.keys() == CLIENTS.keys()
    assert re.search(r"^Run on \d{4}-\d\d-\d\d:$", PAGE, re.MULTILINE)


def test_the_table_has_the_versions_that_are_pinned() -> None:
    for name, client in CLIENTS.items():
        tried, what, passed = ROWS[name]
        number, _, of_all = passed.partition(" of ")
        assert tried == version(name)
        assert what
        assert passed == "`make test`" if not client.group else number == of_all


@pytest.mark.parametrize(("group", "missing"), [("npm", "node"), ("go", "go")])
def test_what_the_machine_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, missing: str
) -> None:
    monkeypatch.setattr(install, "TARGET", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    outcome = install.install_one(group)

    assert isinstance(outcome, install.NotInstalledError)
    assert f"there is no `{missing}`" in str(outcome)


def test_a_failed_installation_has_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        install.run([sys.executable, "-c", "import no_such_module"], folder)

    monkeypatch.setattr(install, "TARGET", tmp_path)
    monkeypatch.setitem(install.GROUPS, "npm", install.Group((), fail))

    outcomes = [install.install_one("npm") for _ in range(2)]  # nothing half done is taken

    assert all("no_such_module" in str(outcome) for outcome in outcomes)


def test_the_lock_files_name_no_registry() -> None:
    lock = json.loads((HERE / "js" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert all("integrity" in package for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    for pins in (HERE / "python").glob("*.txt"):
        assert "http" not in re.sub(
            r"^[a-z0-9-]*http[a-z0-9-]*==.*", "", pins.read_text(), flags=re.MULTILINE
        )
