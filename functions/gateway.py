"""The function behind the Function URL: the API and the callbacks of VOD."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aigc.api.errors import refusal
from aigc.api.routes import answer, error_format
from aigc.errors import AigcError, BadEventError
from aigc.logs import invocation
from aigc.triggers.diagnosis import is_diagnosis_request
from aigc.triggers.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.runtime import Runtime
    from aigc.triggers.http import HttpResponse

logger = logging.getLogger("aigc.gateway")


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Answer an HTTP request, or the diagnosis request of the doctor."""
    with invocation(context):
        if is_diagnosis_request(event):
            return _diagnosis(context)
        request_id = context.get("request_id", "")
        try:
            request = HttpRequest.parse(event, request_id=request_id)
        except BadEventError as error:
            return with_standard_headers(refusal(error, request_id), request_id).to_event()
        return handle(request, lambda: _runtime(context)).to_event()


def handle(request: HttpRequest, build: Callable[[], Runtime]) -> HttpResponse:
    """Return the response to a request; after an unexpected error it is a 500."""
    try:
        response = answer(request, build())
    except Exception:  # SCF would send the stack trace to the caller
        logger.exception("call_crashed")
        error = AigcError("this service failed; its log says why under this request id")
        response = refusal(error, request.request_id, error_format(request))
    return with_standard_headers(response, request.request_id, request.base_url)


def with_standard_headers(
    response: HttpResponse, request_id: str, base_url: str = ""
) -> HttpResponse:
    """Add the headers of all answers: the id of the invocation and, over https, HSTS."""
    headers = {"X-Request-Id": request_id} if request_id else {}
    if base_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response.with_headers(headers)


def _diagnosis(context: dict[str, Any]) -> dict[str, Any]:
    from aigc.diagnosis import diagnose  # noqa: PLC0415  only the doctor needs it

    return diagnose(_runtime(context))


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.bootstrap import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
