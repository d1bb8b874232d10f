"""The Chinese pages say the same as the English ones, as far as a program can see it.

A page in both languages has the same headings by level, the same code blocks, the same tables by
rows and code, and links to the same pages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aigc_cli.reference.headings import headings, prose
from aigc_cli.reference.pages import CONSOLE, texts_by_place
from aigc_cli.reference.translation import CHINESE, has_words, translations
from tests.pages import DOCS, local_links

if TYPE_CHECKING:
    from pathlib import Path

ROOT = DOCS.parent
ENGLISH_ONLY = {"reliability.md"}
"""Pages that stay in English, as the decisions do."""
TRANSLATED = sorted({path.name for path in DOCS.glob("*.md")} - ENGLISH_ONLY)
COMPLETE = True
"""Whether each page and each text of the code must be there in Chinese.

A page that exists is compared in any case.
"""

PAIRS = {
    "README.md": (ROOT / "README.md", ROOT / "README.zh-CN.md"),
    **{name: (DOCS / name, CHINESE.path(name)) for name in TRANSLATED},
}
PRESENT = [name for name, (_, chinese) in PAIRS.items() if chinese.exists()]


def texts(name: str) -> tuple[str, str]:
    """Return a page in English and in Chinese."""
    english, chinese = PAIRS[name]
    return english.read_text(encoding="utf-8"), chinese.read_text(encoding="utf-8")


def test_each_page_exists_in_chinese() -> None:
    assert not COMPLETE or [*PAIRS] == PRESENT


def test_no_chinese_page_lacks_an_english_one() -> None:
    folder = DOCS / CHINESE.folder
    assert {path.name for path in folder.glob("*.md")} <= set(TRANSLATED)


@pytest.mark.parametrize("name", PRESENT)
def test_headings_code_tables_and_links_are_the_same(name: str) -> None:
    english_text, chinese_text = texts(name)
    english_page, chinese_page = PAIRS[name]

    assert levels(chinese_text) == levels(english_text)
    assert code_blocks(chinese_text) == code_blocks(english_text)
    assert tables(chinese_text) == tables(english_text)
    assert link_targets(chinese_page, chinese_text) == link_targets(english_page, english_text)


def test_no_translation_is_missing_or_unused() -> None:
    asked = texts_by_place()
    needed = {text for page in asked if page in {*PRESENT, CONSOLE} for text in asked[page]}
    known = translations(CHINESE.name).keys()

    assert not COMPLETE or known <= set().union(*asked.values())
    assert not COMPLETE or set(filter(has_words, needed - known)) == set()


# What is compared


def levels(text: str) -> list[int]:
    """Return the levels of the headings."""
    return [level for level, _ in headings(text)]


def code_blocks(text: str) -> list[str]:
    """Return the code blocks of a page without their comments.

    A diagram keeps its arrows and names; its labels may be translated.
    """
    found = re.findall(r"^```(\S*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        f"{language}\n{without_labels(code) if language == 'mermaid' else without_comments(code)}"
        for language, code in found
    ]


def without_comments(code: str) -> str:
    return re.sub(r"(^|\s+)(#|//) .*$", "", code, flags=re.MULTILINE)


def without_labels(code: str) -> str:
    code = re.sub(r"[\[({][^\n]*?[\])}]+", "[]", code)
    return re.sub(r": .*$|(?<=--|-\.) .*? (?=-->|\.->)", "", code, flags=re.MULTILINE)


def tables(text: str) -> list[list[str]]:
    """Return the code in each row of each table, in order of the rows."""
    found = re.findall(r"(?:^\|.*\n)+", prose(text), re.MULTILINE)
    return [[codes(row) for row in table.splitlines()] for table in found]


def codes(row: str) -> str:
    return " ".join(sorted(set(re.findall(r"`[^`]+`", row))))


def link_targets(page: Path, text: str) -> list[str]:
    """Return the English pages to which the local links of a page lead, in order of the names.

    A link between the two languages of a page is left out.
    """
    named = [english(page.parent / path) for path, _ in local_links(text) if path]
    within = [english(page) for path, _ in local_links(text) if not path]
    return sorted(within + [target for target in named if target != english(page)])


def english(path: Path) -> str:
    """Return the path of the English page of a page."""
    resolved = str(path.resolve()).replace(f"/{CHINESE.folder}/", "/")
    return resolved.replace(f".{CHINESE.name}", "")
