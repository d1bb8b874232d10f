"""Copies new measurements from an English page into its translations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aigc_cli.reference.translation import ENGLISH, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CELL = re.compile(r"(?<=\|)[^|\n]+(?=\|)")
_DATE = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_FIGURE = re.compile(r" [-≤\d.,:+/ ]*\d(?:(?: of |/)\d+| ms| MB)? ")


def update_translations(page: Path) -> None:
    """Copy the dates and figures of an English page of docs/ into its translations.

    Pages outside docs/ have no translations.

    Raises:
        ValueError: A translation has other tables, rows, cells or dates than the English page.
    """
    if page.resolve() != ENGLISH.path(page.name):
        return
    english = page.read_text(encoding="utf-8")
    for path in (language.path(page.name) for language in LANGUAGES if language is not ENGLISH):
        if path.exists():
            text = with_figures(path.read_text(encoding="utf-8"), english)
            path.write_text(text, encoding="utf-8")


def with_figures(translation: str, english: str) -> str:
    """Return a translated page with the dates, and the figures in tables, of the English one.

    Raises:
        ValueError: The translation has other tables, rows, cells or dates than the English page.
    """
    dated = _with_parts(_DATE, translation, english, lambda _, date: date)
    return _with_parts(_TABLE, dated, english, _table)


def _table(translation: str, english: str) -> str:
    return _with_parts(_ROW, translation, english, _row)


def _row(translation: str, english: str) -> str:
    return _with_parts(_CELL, translation, english, _cell)


def _cell(translation: str, english: str) -> str:
    are_figures = _FIGURE.fullmatch(translation) and _FIGURE.fullmatch(english)
    return english.replace(" of ", "/") if are_figures else translation


def _with_parts(
    pattern: re.Pattern[str], translation: str, english: str, merge: Callable[[str, str], str]
) -> str:
    """Merge each part of a translation with the same part of the English text."""
    parts, english_parts = pattern.findall(translation), pattern.findall(english)
    if len(parts) != len(english_parts):
        raise ValueError(
            f"the translation has {len(parts)} parts, not {len(english_parts)}: {translation}"
        )
    merged = map(merge, parts, english_parts)
    return pattern.sub(lambda _: next(merged), translation)
