"""Evaluates the queries of alarms as CLS does, as far as our alarms need it.

https://cloud.tencent.com/document/product/614/47044: `field:value` matches a token of a text field
without regard to case; a numeric field is compared with `>=`, `<=`, `>`, `<` or a value; `AND` and
`NOT` combine. Only indexed fields can be searched.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from infra.components.logs import NUMBERS, TEXTS, TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COUNT = " | select count(*) as lines"
_TERM = re.compile(r"(?P<field>\w+):(?P<operator>>=|<=|>|<|)(?P<value>[\w.-]+)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "": operator.eq,
}


def is_raised(statement: str, condition: str, entries: Iterable[dict[str, Any]]) -> bool:
    """Return whether an alarm with this statement and condition is raised by these entries."""
    query, count, rest = statement.partition(COUNT)
    assert count, statement
    assert not rest, statement
    lines = sum(_matches(query, entry) for entry in entries)
    match = re.fullmatch(r"\$1\.lines (?P<operator>[<>]) (?P<value>\d+)", condition)
    assert match is not None, condition
    return _OPERATORS[match["operator"]](lines, int(match["value"]))


def _matches(query: str, entry: dict[str, Any]) -> bool:
    return all(_holds(term, entry) for term in query.split(" AND "))


def _holds(term: str, entry: dict[str, Any]) -> bool:
    if term.startswith("NOT "):
        return not _holds(term.removeprefix("NOT "), entry)
    match = _TERM.fullmatch(term)
    assert match is not None, term
    field, compare, wanted = match["field"], _OPERATORS[match["operator"]], match["value"]
    if field in NUMBERS:
        return field in entry and compare(entry[field], int(wanted))
    assert field in TEXTS, f"{field} is not indexed"
    assert not match["operator"], term
    tokens = re.split(f"[{re.escape(TOKENIZER)}]", str(entry.get(field, "")))
    return wanted.lower() in [token.lower() for token in tokens]
