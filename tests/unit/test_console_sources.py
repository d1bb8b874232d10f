"""The sources of the console, as far as no compiler holds them."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "console" / "src"
VIEWS = ("playground", "gallery", "jobs", "usage", "uploads")


def test_no_two_views_give_a_class_its_style() -> None:
    """All style sheets are one file: the later rule would change the other view."""
    files = defaultdict(set)
    for view in VIEWS:
        text = (SOURCES / "styles" / f"{view}.css").read_text(encoding="utf-8")
        for line in text.splitlines():
            for selector in re.findall(r"^(?:\w+)?\.[\w-]+", line):
                files[selector].add(view)

    assert {selector: views for selector, views in files.items() if len(views) > 1} == {}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_view_has_its_texts(language: str) -> None:
    names = {path.stem for path in (SOURCES / "i18n" / language).glob("*.ts")}

    assert names == {*VIEWS, "index", "parts", "shell"}


def test_lock_file_names_no_registry() -> None:
    lock = (SOURCES.parent / "package-lock.json").read_text(encoding="utf-8")

    assert '"resolved"' not in lock
