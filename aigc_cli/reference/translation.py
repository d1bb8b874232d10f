"""The languages of the docs, and the translations of the texts that tables take from the code."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_cli.reference.headings import anchors

DOCS = Path(__file__).resolve().parents[2] / "docs"

Translate = Callable[[str], str]
"""A function that returns an English text of the code in the language of a page."""


@dataclass(frozen=True)
class Language:
    """A language of the docs, and the folder of docs/ that has its pages."""

    name: str
    folder: str

    def path(self, page: str) -> Path:
        """Return the path of a page in this language."""
        return DOCS / self.folder / page

    def translate(self, text: str) -> str:
        """Return the translation of a text of the code, or the text itself if there is none."""
        return translations(self.name).get(text, text)

    def localized(self, table: str) -> str:
        """Return a table of this language whose links lead to this language's headings."""
        if not self.folder:
            return table
        # No space follows a full-width full stop.
        return re.sub(r"\]\(([\w-]+\.md)#([^)]+)\)", self._address, table).replace("。 ", "。")

    def anchors(self, page: str) -> list[str]:
        """Return the anchors of the headings of a page in this language."""
        return anchors(self.path(page).read_text(encoding="utf-8"))

    def _address(self, link: re.Match[str]) -> str:
        """Return a link to the heading at the same place of the page in this language.

        A page that is not translated yet is linked in English.
        """
        page, anchor = link.groups()
        if not self.path(page).exists():
            return f"](../{page}#{anchor})"
        names = dict(zip(ENGLISH.anchors(page), self.anchors(page), strict=False))
        return f"]({page}#{names[anchor]})" if anchor in names else f"]({page})"


ENGLISH = Language("en", "")
CHINESE = Language("zh-CN", "zh-CN")
LANGUAGES = (ENGLISH, CHINESE)


@functools.cache
def translations(language: str) -> dict[str, str]:
    """Read the translations of a language: the English text → its translation.

    Each table of the file groups texts; the groups have no other meaning.
    """
    path = Path(__file__).parent / f"{language}.toml"
    if not path.exists():
        return {}
    toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    groups: dict[str, dict[str, str]] = toml.loads(path.read_text(encoding="utf-8"))
    return {english: text for group in groups.values() for english, text in group.items()}


def has_words(text: str) -> bool:
    """Whether a text has words outside of code, which can be translated."""
    return bool(re.search(r"[A-Za-z]{2}", re.sub(r"`[^`]*`", "", text)))
