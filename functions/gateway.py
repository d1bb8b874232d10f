"""The function behind the Function URL: the API, and VOD's callbacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aigc.api.errors import refusal
from aigc.api.routes import answer
from aigc.errors import AigcError, BadEventError
from aigc.logs import invocation
from aigc.triggers.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.runtime import Runtime
    from aigc.triggers.http import HttpResponse

logger = logging.getLogger("aigc.gateway")


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Answer one HTTP request."""
    with invocation(context):
        request_id = context.get("request_id", "")
        try:
            request = HttpRequest.parse(event, request_id=request_id)
        except BadEventError as error:
            return dressed(refusal(error, request_id), request_id).to_event()
        return handle(request, lambda: _runtime(context)).to_event()


def handle(request: HttpRequest, build: Callable[[], Runtime]) -> HttpResponse:
    """Answer, also where this deployment is at fault: SCF would show the caller our stack."""
    try:
        response = answer(request, build())
    except Exception:
        logger.exception("call_crashed")
        fault = AigcError("this service failed; its log says why under this request id")
        response = refusal(fault, request.request_id)
    return dressed(response, request.request_id, request.base_url)


def dressed(response: HttpResponse, request_id: str, base_url: str = "") -> HttpResponse:
    """Add what every answer carries: the invocation's id, and over https that it stays so."""
    headers = {"X-Request-Id": request_id} if request_id else {}
    if base_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response.with_headers(headers)


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.cloud.runtime import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
