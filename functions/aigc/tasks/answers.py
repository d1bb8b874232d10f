"""Reads fields of the vendor's answers; a field of an unexpected type counts as absent.

An error would not help: each sweep would repeat the query, and the job would never end.
"""

from __future__ import annotations

from typing import Any


def text(answer: object, name: str) -> str:
    """Return a text field; empty if it is absent."""
    value = _field(answer, name)
    return value if isinstance(value, str) else ""


def code(answer: object, name: str) -> str:
    """Return a code, which may be a number; empty if it is absent or 0."""
    value = _field(answer, name)
    return str(value or "") if isinstance(value, str | int) else ""


def inner(answer: object, name: str) -> dict[str, Any]:
    """Return an object; empty if it is absent."""
    value = _field(answer, name)
    return value if isinstance(value, dict) else {}


def items(answer: object, name: str) -> list[Any]:
    """Return a list; empty if it is absent."""
    value = _field(answer, name)
    return value if isinstance(value, list) else []


def _field(answer: object, name: str) -> object:
    return answer.get(name) if isinstance(answer, dict) else None
