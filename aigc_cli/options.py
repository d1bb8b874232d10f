"""Parsers of option values; each refuses a wrong value with a message of one line."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from aigc.tasks.kinds import KINDS

NoConsole = Annotated[
    bool,
    typer.Option("--no-console", help="Leave the console out: its build needs npm packages."),
]


def whole(least: int, most: int | None = None) -> Callable[[str | int], int]:
    """Return a parser of whole numbers within limits; typer passes defaults as numbers."""

    def parse(value: str | int) -> int:
        text = str(value)
        number = int(text) if text.isdecimal() else least - 1
        if number < least or (most is not None and number > most):
            allowed = f"{least} to {most}" if most is not None else f"{least} or more"
            raise typer.BadParameter(f"{text!r}; allowed: {allowed}")
        return number

    return parse


def speed(text: str) -> float:
    """Parse a factor of speed."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise typer.BadParameter(f"{text!r}; allowed: a number above 0")
    return number


def folder(text: str) -> Path:
    """Parse the path of a folder that exists or can be created."""
    path = Path(text)
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise typer.BadParameter(f"{text!r}; allowed: a writable folder, or a new one")
    return path


def existing_file(text: str) -> Path:
    """Parse the path of a file that exists."""
    path = Path(text)
    if not path.is_file():
        raise typer.BadParameter(f"{str(text)!r} is not a file")
    return path


def kind(text: str) -> str:
    """Parse a kind of task."""
    if text not in KINDS:
        raise typer.BadParameter(f"{text!r}; allowed: one of {', '.join(KINDS)}")
    return text


def kinds(text: str) -> tuple[str, ...]:
    """Parse kinds of task, separated by commas."""
    names = tuple(text.split(","))
    if not set(names) <= KINDS.keys():
        raise typer.BadParameter(f"{text!r}; allowed: some of {','.join(KINDS)}")
    return names


def moment(text: str | datetime) -> datetime:
    """Parse a day or a time; without a time zone it is in UTC."""
    try:
        time = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}; allowed: 2026-11-28, or 2026-11-28T18:00:00+08:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def money(text: str) -> Decimal:
    """Parse an amount of money, in the currency of the prices."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,4})?", text) or not Decimal(text):
        raise typer.BadParameter(f"{text!r}; allowed: an amount above 0, like 250 or 0.5")
    return Decimal(text)


def key_name(text: str) -> str:
    """Parse the name of an API key."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", text):
        raise typer.BadParameter(
            f"{text!r}; allowed: at most 40 of a-z, 0-9, '-' and '_', with a letter or digit first"
        )
    return text
