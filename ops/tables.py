"""Tables of the commands: folded to the terminal's width; elsewhere each row is one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns, the first row as the head."""
    head, *body = rows
    table = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in body:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:  # `awk` reads a row from one line, whatever its length
        unlimited = console.options.update(max_width=10**6)
        console.width = console.measure(table, options=unlimited).maximum
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
