"""Base classes of all data that enters or leaves this program."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

DEEPEST = 50
"""Most levels of nesting in a body; parameters need five, and Python's parser fails near 1000."""

LARGEST_NUMBER = 2**63
"""Integers of API 3.0 have 64 bits; parsing a number of a million digits takes a minute."""


class Wire(BaseModel):
    """Data that this project defines: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(BaseModel):
    """Data that this project has stored: fields that a newer version has added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Event(BaseModel):
    """Data that Tencent Cloud defines: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


Model = TypeVar("Model", bound=BaseModel)


def with_fields(model: Model, **values: object) -> Model:
    """Return a copy of a model with other values of these fields; they are not validated.

    Raises:
        TypeError: The model has no such field.
    """
    unknown = values.keys() - type(model).model_fields.keys()
    if unknown:
        raise TypeError(f"{type(model).__name__} has no field {', '.join(sorted(unknown))}")
    return model.model_copy(update=values)


def describe_errors(error: ValidationError) -> str:
    """Return a text with the invalid fields and the reasons, without their values."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)


def strict_json(text: bytes) -> object:
    """Parse JSON that all parsers read in the same way; `json.loads` accepts more.

    Raises:
        ValueError: The text is not JSON in UTF-8, or parsers differ on it: it has a repeated key,
            NaN, an unpaired surrogate, a too large number, or too deep nesting.
    """
    try:
        parsed = json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_without_repeats, parse_int=_integer
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(parsed)
    json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    return parsed


_TOO_DEEP = f"nested deeper than {DEEPEST} levels"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        [(name, times)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name[:60]!r} occurs {times} times")
    return parsed


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(LARGEST_NUMBER)) + 1 else LARGEST_NUMBER
    if not -LARGEST_NUMBER <= number < LARGEST_NUMBER:
        raise ValueError(f"the number {digits[:30]} has more than 64 bits")
    return number


def _check_depth(parsed: object) -> None:
    level = [parsed]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _children(parent: object) -> list[Any]:
    if isinstance(parent, dict):
        return [*parent.values()]
    return parent if isinstance(parent, list) else []
