"""Parameters that lists have in common: filters, the size of a page, and its cursor."""

from __future__ import annotations

import base64
import re
from datetime import date
from typing import TYPE_CHECKING

from aigc.api.errors import InvalidQueryError
from aigc.tasks.fields import shown

if TYPE_CHECKING:
    from aigc.triggers.http import HttpRequest

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 20

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def page_limit(request: HttpRequest) -> int:
    """Read how many items a page may have.

    Raises:
        InvalidQueryError: It is not a number from 1 to `MOST_PER_PAGE`.
    """
    raw_limit = request.parameter("limit")
    if not raw_limit:
        return USUAL_PER_PAGE
    if not re.fullmatch("[0-9]{1,3}", raw_limit) or not 1 <= int(raw_limit) <= MOST_PER_PAGE:
        raise _not_allowed("limit", raw_limit, f"1 to {MOST_PER_PAGE}")
    return int(raw_limit)


def single_choice(request: HttpRequest, name: str, allowed: tuple[str, ...]) -> str:
    """Read a parameter that has a list of values; empty if it is not sent.

    Raises:
        InvalidQueryError: The value is not in the list.
    """
    value = request.parameter(name)
    if value and value not in allowed:
        raise _not_allowed(name, value, ", ".join(allowed))
    return value


def source_parameter(request: HttpRequest) -> tuple[str, str]:
    """Read the type and the name of a source; each is empty if it is not sent.

    Raises:
        InvalidQueryError: The type is unknown, or no name follows the colon.
    """
    raw_source = request.parameter("source")
    source_type, colon, name = raw_source.partition(":")
    if raw_source and (source_type not in {"call", "upload"} or bool(colon) != bool(name)):
        raise _not_allowed("source", raw_source, "call, upload, call:<key>, upload:<rule>")
    return source_type, name


def day_parameter(request: HttpRequest, name: str) -> date | None:
    """Read a day; None if it is not sent.

    Raises:
        InvalidQueryError: The value is not a day.
    """
    raw_day = request.parameter(name)
    if not raw_day:
        return None
    try:
        if not _DAY.fullmatch(raw_day):
            raise ValueError(raw_day)
        return date.fromisoformat(raw_day)
    except ValueError:
        raise _not_allowed(name, raw_day, "a day, like 2026-11-20") from None


def read_cursor(request: HttpRequest, form: re.Pattern[str] | None = None) -> str:
    """Decode the cursor of a page; empty if none is sent.

    Raises:
        InvalidQueryError: It is not a cursor, or its position does not have this form.
    """
    cursor = request.parameter("cursor")
    try:
        position = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid_cursor(cursor) from None
    if position and form is not None and not form.fullmatch(position):
        raise invalid_cursor(cursor)
    return position


def encode_cursor(position: str) -> str:
    """Encode the position after which the next page begins."""
    return base64.urlsafe_b64encode(position.encode(errors="surrogatepass")).decode()


def invalid_cursor(cursor: str) -> InvalidQueryError:
    """Return the error for a cursor that no page of the list has."""
    return _not_allowed("cursor", cursor, "the cursor of an earlier page")


def _not_allowed(name: str, value: str, allowed: str) -> InvalidQueryError:
    return InvalidQueryError(name, f"{shown(value)} is not allowed", allowed=allowed)
