"""The headings of pages in Markdown, and what links to them name."""

from __future__ import annotations

import re


def prose(page: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> list[tuple[int, str]]:
    """List the headings of a page: level and text."""
    found = re.findall(r"^(#+) (.*)$", prose(page), re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def anchors(page: str) -> list[str]:
    """Return what links to the headings of a page name, in their order, as GitHub makes it."""
    names: list[str] = []
    for _, text in headings(page):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.append(name if name not in names else _numbered(name, names))
    return names


def _numbered(name: str, names: list[str]) -> str:
    return next(other for n in range(1, 100) if (other := f"{name}-{n}") not in names)
