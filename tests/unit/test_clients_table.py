"""The page's table of clients names every client of the suite, at the version that is pinned."""

from __future__ import annotations

import json
import re

import pytest

from tests.clients.install import CLIENTS, HERE, ROOT, version

PAGE = (ROOT / "docs" / "localcloud.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([^`]+)` \| ([0-9.]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = {name: more for name, *more in _ROW.findall(PAGE)}


def test_every_client_is_in_the_table() -> None:
    assert ROWS.keys() == CLIENTS.keys()
    assert re.search(r"^Run on \d{4}-\d\d-\d\d:$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_table_has_the_version_that_is_pinned(name: str) -> None:
    tried, what, passed = ROWS[name]

    assert tried == version(name)
    assert what
    number, _, of_all = passed.partition(" of ")
    assert passed == "`make test`" if not CLIENTS[name].group else number == of_all


def test_the_lock_files_name_no_registry() -> None:
    lock = json.loads((HERE / "js" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert all("integrity" in package for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    for pins in (HERE / "python").glob("*.txt"):
        assert "http" not in re.sub(r"^httpx?[a-z]*==.*", "", pins.read_text(), flags=re.MULTILINE)
