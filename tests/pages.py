"""Reads the pages of the documentation and their code blocks."""

from __future__ import annotations

import re
from pathlib import Path

from aigc_cli.reference.headings import prose

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    """Return the text of a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Find the code blocks whose opening line says this after the fence."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def local_links(page: str) -> list[tuple[str, str]]:
    """List the links of a page to files of this project: path and anchor, each may be empty."""
    return re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose(page))
