"""The output of commands: JSON for programs, tables, and the progress of longer work."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.progress import ProgressColumn

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Control characters except the line end: a terminal would execute them."""


def print_json(value: object) -> None:
    """Print one JSON document to stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_text(text: str, *, stderr: bool = False) -> None:
    """Print a line of text; at a terminal it is wrapped between words."""
    console = Console(stderr=stderr)
    text = _CONTROL.sub(" ", text)
    if console.is_terminal:
        text = textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr if stderr else sys.stdout)


def print_table(rows: Sequence[tuple[str, ...]], *, below: int = 0) -> None:
    """Print rows in columns, the first row as the head.

    If the output is not a terminal, each row is one line. At a terminal, cells are wrapped to its
    width. If `below` is set and the table is too wide, this number of last columns is written below
    each row, so that the other columns are not wrapped.
    """
    console = Console(highlight=False)
    width = _measure(_table(rows), console)
    if not console.is_terminal:  # programs like `awk` need a row on one line
        console.width = width
    elif below and width > console.width:
        _print_with_rest_below(rows, below, console)
        return
    _print(_table(rows), console)


def print_grid(grid: Table) -> None:
    """Print a grid; if the output is not a terminal, each row is one line."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _measure(grid, console)
    _print(grid, console)


def _print_with_rest_below(rows: Sequence[tuple[str, ...]], below: int, console: Console) -> None:
    whole = _table([row[:-below] for row in rows])
    console.width = max(console.width, _measure(whole, console))
    with console.capture() as captured:
        console.print(whole)
    head, *lines = captured.get().splitlines()
    print(head.rstrip())
    for line, row in zip(lines, rows[1:], strict=True):
        print(line.rstrip())
        rest = _cell("  ".join(filter(None, row[-below:])))
        for part in rest.wrap(console, console.width - 2):
            print(f"  {part.plain.rstrip()}")


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    head, *body = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name, overflow="fold")
    for row in body:
        table.add_row(*map(_cell, row))
    return table


def _cell(text: str) -> Text:
    """Return a cell as one line; prompts and keys may contain line ends and escape codes."""
    return Text(_CONTROL.sub(" ", text.replace("\n", " ")))


def _measure(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(max_width=10**6)).maximum


def _print(table: Table, console: Console) -> None:
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def status(text: str) -> AbstractContextManager[Callable[[str], None]]:
    """Show the progress on stderr as a line that changes; without a terminal as several lines.

    The context manager returns a function that changes the text.
    """
    console = Console(stderr=True)
    return _changing_line(console, text) if console.is_terminal else _lines()


@contextlib.contextmanager
def terminal_status(text: str, *, as_json: bool = False) -> Iterator[Callable[[str], None]]:
    """Show the progress at a terminal as a line on stderr, which is removed at the end.

    With --json, or if stdout or stderr is not a terminal, nothing is shown. The context manager
    returns a function that changes the text.
    """
    if as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield show_nothing
        return
    with _changing_line(Console(stderr=True), text) as show:
        yield show


def show_nothing(_: str) -> None:
    """Ignore a progress text."""


@contextlib.contextmanager
def _changing_line(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    with console.status(Text(text), spinner="dots") as line:
        yield lambda changed: line.update(Text(changed))


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[str], None]]:
    yield lambda text: print(text, file=sys.stderr)


def progress_bar(*columns: ProgressColumn | str) -> Progress:
    """Return a progress bar on stderr; it shows nothing if stderr is not a terminal."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
