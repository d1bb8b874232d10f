"""Types of the commands' options: each refuses what cannot work, in one line, before a start."""

from __future__ import annotations

import math
import os
import re
from argparse import ArgumentTypeError
from decimal import Decimal
from pathlib import Path

from aigc.tasks.kinds import KINDS

MAX_PORT = 65535


def port(text: str) -> int:
    """Read a TCP port; 0 is any."""
    return _whole(text, 0, MAX_PORT)


def count(text: str) -> int:
    """Read how often."""
    return _whole(text, 1)


def timeout(text: str) -> int:
    """Read a function's timeout, as the Pulumi program takes it."""
    return _whole(text, 10, 900)


def speed(text: str) -> float:
    """Read how many times faster time shall pass."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ArgumentTypeError(f"{text!r}; allowed: a number above 0")
    return number


def folder(text: str) -> Path:
    """Read the path of a folder that is there or can be made."""
    path = Path(text)
    nearest = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise ArgumentTypeError(f"{text!r}; allowed: a folder that may be written to, or a new one")
    return path


def existing_file(text: str) -> Path:
    """Read the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"{text!r} is no file")
    return path


def kinds(text: str) -> tuple[str, ...]:
    """Read kinds of task, with commas between them."""
    named = tuple(text.split(","))
    if not set(named) <= KINDS.keys():
        raise ArgumentTypeError(f"{text!r}; allowed: some of {','.join(KINDS)}")
    return named


def money(text: str) -> Decimal:
    """Read a sum of money, in whatever currency the prices are."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,4})?", text) or not Decimal(text):
        raise ArgumentTypeError(f"{text!r}; allowed: an amount above 0, like 250 or 0.5")
    return Decimal(text)


def key_name(text: str) -> str:
    """Read the name of an API key."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", text):
        raise ArgumentTypeError(
            f"{text!r}; allowed: at most 40 of a-z, 0-9, '-' and '_', with a letter or digit first"
        )
    return text


def _whole(text: str, least: int, most: int | None = None) -> int:
    allowed = f"{least} to {most}" if most is not None else f"{least} or more"
    number = int(text) if text.isdecimal() else least - 1
    if number < least or (most is not None and number > most):
        raise ArgumentTypeError(f"{text!r}; allowed: {allowed}")
    return number
