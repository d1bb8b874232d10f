"""What commands print: JSON for programs, tables, and the progress of longer work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import ProgressColumn

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: object) -> None:
    """Print one JSON document to stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns, the first row as the head.

    At a terminal cells are folded to its width; elsewhere each row is one line.
    """
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


def progress_bar(*columns: ProgressColumn | str) -> Progress:
    """Return a progress bar on stderr; it shows nothing where stderr is no terminal."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
