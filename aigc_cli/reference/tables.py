"""Writes tables of Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aigc_cli.reference.translation import Translate


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], translate: Translate) -> str:
    """Return a table; the heads are translated, the cells are not changed."""
    heads = list(heads)
    lines = [row(map(translate, heads)), "|" + "---|" * len(heads), *map(row, rows)]
    return "\n".join(lines) + "\n"


def row(cells: Iterable[str]) -> str:
    """Return one row of a table."""
    return "|".join(["", *(f" {cell} " if cell else " " for cell in cells), ""])


def with_table(page: str, text: str, name: str) -> str:
    """Return a page with the part between the marks of this name replaced.

    Raises:
        ValueError: The page lacks the marks.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no part between {start.strip()} and {end}")
    return pattern.sub(lambda _: f"{start}{text.rstrip()}\n{end}", page)
