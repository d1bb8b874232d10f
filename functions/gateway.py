"""The function behind the Function URL: the API, and VOD's callbacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aigc.api.errors import refusal
from aigc.api.routes import answer
from aigc.errors import BadEventError
from aigc.logs import invocation
from aigc.triggers.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.runtime import Runtime

logger = logging.getLogger("aigc.gateway")


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Answer one HTTP request."""
    with invocation(context):
        request_id = context.get("request_id", "")
        try:
            request = HttpRequest.parse(event, request_id=request_id)
        except BadEventError as error:
            return refusal(error, request_id).to_event()
        return handle(request, lambda: _runtime(context)).to_event()


def handle(request: HttpRequest, build: Callable[[], Runtime]) -> HttpResponse:
    """Answer, also where this deployment is at fault: SCF would show the caller our stack."""
    try:
        return answer(request, build())
    except Exception:
        logger.exception("call_crashed")
        body = {
            "detail": "this service failed; its log says why under this request id",
            "error_type": "internal_error",
            "request_id": request.request_id,
        }
        return HttpResponse(status=500, body=body)


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.cloud.runtime import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
