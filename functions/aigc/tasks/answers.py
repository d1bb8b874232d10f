"""Reads fields of the vendor's answers; a field of another type counts as absent.

If an unexpected answer raised an error, each sweep would query it again and the job would never
end.
"""

from __future__ import annotations

from typing import Any


def text(answer: object, name: str) -> str:
    """Return a text; empty if there is none."""
    value = _found(answer, name)
    return value if isinstance(value, str) else ""


def code(answer: object, name: str) -> str:
    """Return a code, which may be a number; empty where there is none, and for 0."""
    value = _found(answer, name)
    return str(value or "") if isinstance(value, str | int) else ""


def inner(answer: object, name: str) -> dict[str, Any]:
    """Return an object; an empty one where there is none."""
    value = _found(answer, name)
    return value if isinstance(value, dict) else {}


def items(answer: object, name: str) -> list[Any]:
    """Return a list; an empty one where there is none."""
    value = _found(answer, name)
    return value if isinstance(value, list) else []


def _found(answer: object, name: str) -> object:
    return answer.get(name) if isinstance(answer, dict) else None
