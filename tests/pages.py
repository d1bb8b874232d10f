"""Reads the pages of the documentation and their code blocks."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    """Return the text of a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Find the code blocks whose opening line says this after the fence."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> list[tuple[int, str]]:
    """List the headings of a page: level and text."""
    headings = re.findall(r"^(#+) (.*)$", prose(page), re.MULTILINE)
    return [(len(marks), text) for marks, text in headings]


def anchors(page: str) -> set[str]:
    """Return what links to the headings of a page may name, as GitHub makes it."""
    names: set[str] = set()
    for _, text in headings(page):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(name if name not in names else _numbered(name, names))
    return names


def _numbered(name: str, names: set[str]) -> str:
    return next(other for n in range(1, 100) if (other := f"{name}-{n}") not in names)


def local_links(page: str) -> list[tuple[str, str]]:
    """List the links of a page to files of this project: path and anchor, each may be empty."""
    return re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose(page))
