"""The bases of everything that crosses the edge of this program."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pydantic import BaseModel, ConfigDict

DEEPEST = 50
"""Levels of nesting in a body; the deepest parameter lies at five, and Python gives up at 1000."""

LARGEST_NUMBER = 2**63
"""API 3.0's integers have 64 bits; to read one of a million digits takes a minute."""


class Wire(BaseModel):
    """Something that we define ourselves: unknown fields are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(BaseModel):
    """Something that we wrote down, perhaps by a newer version: what it adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(BaseModel):
    """Something that Tencent Cloud defines: it may grow fields that we need not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def strict_json(text: bytes) -> object:
    """Read JSON as every other reader would too, which `json.loads` alone does not promise.

    Raises:
        ValueError: It is none, not in UTF-8, or one that readers disagree about: a key twice,
            NaN, half a character, numbers and nesting without end.
    """
    try:
        read = json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_without_repeats, parse_int=_integer
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(read)
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    return read


_TOO_DEEP = f"nested deeper than {DEEPEST} levels"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        [(name, times)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name[:60]!r} is there {times} times")
    return read


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(LARGEST_NUMBER)) + 1 else LARGEST_NUMBER
    if not -LARGEST_NUMBER <= number < LARGEST_NUMBER:
        raise ValueError(f"the number {digits[:30]} has more than 64 bits")
    return number


def _check_depth(read: object) -> None:
    level = [read]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _inside(outer: object) -> list[Any]:
    if isinstance(outer, dict):
        return [*outer.values()]
    return outer if isinstance(outer, list) else []
