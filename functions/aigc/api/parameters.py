"""Query parameters: a call may send only those of its route, once each and not empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.errors import InvalidQueryError
from aigc.tasks.fields import SHOWN, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.triggers.http import HttpRequest

SWITCH = ("1", "0", "true", "false")
"""Words of a parameter that switches something on or off; the name alone (`?logs`) is on."""

_SWITCHES = frozenset({"logs"})


def check_query(request: HttpRequest, known: Sequence[str]) -> None:
    """Refuse parameters that the handler does not read, such as a misspelled filter.

    Raises:
        InvalidQueryError: A parameter is unknown, repeated or empty.
    """
    for name, values in request.query.items():
        if name not in known:
            raise InvalidQueryError(
                name[:SHOWN], "is unknown", allowed=", ".join(known) or "no query parameter"
            )
        if len(values) != 1:
            raise InvalidQueryError(name, f"has {len(values)} values", allowed="one value")
        _check_value(name, values[0])


def is_on(request: HttpRequest, name: str) -> bool:
    """Whether a switch is on; it is off if the parameter is absent."""
    return name in request.query and request.parameter(name).lower() not in {"0", "false"}


def _check_value(name: str, value: str) -> None:
    if name in _SWITCHES:
        if value.lower() not in {"", *SWITCH}:
            problem = f"{shown(value)} is not allowed"
            raise InvalidQueryError(name, problem, allowed=", ".join(SWITCH))
    elif not value:
        raise InvalidQueryError(name, "is empty", allowed="a value, or no such parameter")
