"""Questions before work that costs money."""

from __future__ import annotations

import sys

import typer

from aigc.errors import AigcError


class NoTerminalError(AigcError):
    """There is no terminal to ask at; nothing was started."""

    exit_status = 2


def confirm(question: str) -> None:
    """Ask on stderr, and return if the answer is yes.

    Raises:
        NoTerminalError: stdin is not a terminal.
        typer.Abort: The answer is no.
    """
    if not sys.stdin.isatty():
        raise NoTerminalError(f"{question} Nothing was started: add --yes, or answer at a terminal")
    typer.confirm(question, abort=True, err=True)
