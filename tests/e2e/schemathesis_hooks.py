"""Leaves out requests that the API allows and that no schema can describe."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    """Leave out empty headers and parameters, which count as absent, and unknown headers."""
    if "x-schemathesis-unknown-property" in {name.lower() for name in case.headers}:
        return False
    return "" not in [*case.headers.values(), *case.query.values()]


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Make OpenAI's calls asynchronous: each would wait a second or more for its images."""
    if "/openai/v1/images/" in case.path and isinstance(case.body, dict):
        case.body.setdefault("async", True)


@schemathesis.check
def no_defect(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """Distinguish a defect of this service from a failed task of the vendor: both are 500."""
    if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        assert "internal_error" not in response.text
