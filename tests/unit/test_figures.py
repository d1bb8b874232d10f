"""Measured figures are the same on a page and its translation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aigc_cli.reference.figures import update_translations, with_figures
from aigc_cli.reference.translation import CHINESE, DOCS

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [name for path in sorted(DOCS.glob("*.md")) if CHINESE.path(name := path.name).exists()]
ENGLISH_PAGE = """Run on 2026-11-28:

| client | version | passed |
|---|---|---|
| `tccli` | 3.1.189.1 | 7 of 7 |
| `openai` | 3.57.0 | `make test` |
"""
OLD_PAGE = """2026-10-01 运行

| 客户端 | 版本 | 通过 |
|---|---|---|
| `tccli` | 3.1.188 | 6/6 |
| `openai` | 3.56 | `make test` |
"""
NEW_PAGE = """2026-11-28 运行

| 客户端 | 版本 | 通过 |
|---|---|---|
| `tccli` | 3.1.189.1 | 7/7 |
| `openai` | 3.57.0 | `make test` |
"""


def test_figures_and_dates_are_those_of_the_english_page() -> None:
    for name in PAGES:
        english, chinese = (
            path.read_text(encoding="utf-8") for path in (DOCS / name, CHINESE.path(name))
        )
        assert with_figures(chinese, english) == chinese


def test_translation_takes_dates_and_figures_and_keeps_its_words() -> None:
    text = with_figures(OLD_PAGE, ENGLISH_PAGE)

    assert text == NEW_PAGE


def test_table_with_other_rows_is_refused() -> None:
    longer = f"{ENGLISH_PAGE}| `litellm` | 1.110.2 | 1 of 1 |\n"

    with pytest.raises(ValueError, match=r"has 4 parts, not 5"):
        with_figures(OLD_PAGE, longer)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for docs/, with one page in both languages."""
    monkeypatch.setattr("aigc_cli.reference.translation.DOCS", tmp_path)
    (tmp_path / "zh-CN").mkdir()
    (tmp_path / "page.md").write_text(ENGLISH_PAGE, encoding="utf-8")
    (tmp_path / "zh-CN" / "page.md").write_text(OLD_PAGE, encoding="utf-8")
    return tmp_path


def test_a_new_page_updates_its_translation(folder: Path) -> None:
    update_translations(folder / "page.md")

    assert (folder / "zh-CN" / "page.md").read_text(encoding="utf-8") == NEW_PAGE


def test_page_elsewhere_changes_no_translation(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "page.md").write_text(ENGLISH_PAGE, encoding="utf-8")

    update_translations(elsewhere / "page.md")

    assert (folder / "zh-CN" / "page.md").read_text(encoding="utf-8") == OLD_PAGE
