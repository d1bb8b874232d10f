"""The headings of pages in Markdown, and their anchors."""

from __future__ import annotations

import re


def prose(page: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> list[tuple[int, str]]:
    """Return level and text of each heading of a page."""
    matches = re.findall(r"^(#+) (.*)$", prose(page), re.MULTILINE)
    return [(len(marks), text) for marks, text in matches]


def anchors(page: str) -> list[str]:
    """Return the anchors of the headings of a page, in their order, as GitHub makes them."""
    names: list[str] = []
    for _, text in headings(page):
        visible_text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        name = re.sub(r"[^\w\- ]", "", visible_text.lower()).replace(" ", "-")
        names.append(name if name not in names else _numbered(name, names))
    return names


def _numbered(name: str, names: list[str]) -> str:
    return next(other for n in range(1, 100) if (other := f"{name}-{n}") not in names)
