"""Errors in the form of OpenAI's API, so that its SDKs raise the same exceptions.

The SDKs repeat a call after 408, 409, 429 and every 5xx, unless the header `x-should-retry` says
otherwise. So each error has this header.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aigc.api.errors import ErrorMapping, failure_of, mapping_of
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.openapi.schemas import OpenAIError
    from aigc.errors import AigcError
    from aigc.jobs.job import Job

_STATUSES = {422: 400, 424: 400}
"""Status of this service → OpenAI's, where they differ."""

CODES = {
    "unauthorized": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "throttled": "rate_limit_exceeded",
    "quota_exceeded": "insufficient_quota",
    "budget_exceeded": "insufficient_quota",
    "content_policy_violation": "moderation_blocked",
}
"""`error_type` of this service → OpenAI's `code`; others are sent as they are."""

_TYPES = {
    "rate_limit_exceeded": "requests",
    "insufficient_quota": "insufficient_quota",
    "moderation_blocked": "image_generation_user_error",
}
"""`code` → `type`, if it does not follow from the status."""

LONGEST_WAIT_S = 60
"""An SDK does not repeat a call after a longer `Retry-After`."""


def openai_refusal(
    error: AigcError, mapping: ErrorMapping, headers: Mapping[str, str], request_id: str
) -> HttpResponse:
    """Answer a call that was refused."""
    wait = headers.get("Retry-After", "")
    should_retry = error.retryable and (not wait or int(wait) <= LONGEST_WAIT_S)
    body = _body(
        mapping,
        str(error),
        param=getattr(error, "field", "") or None,
        request_id=request_id,
    )
    return _response(mapping, body, headers, should_retry=should_retry)


def openai_failure(job: Job) -> HttpResponse:
    """Answer a call whose job ended without a result; a repeat would get the same answer."""
    mapping = mapping_of(job)
    body = _body(mapping, failure_of(job)["detail"], param=None, request_id=job.id)
    return _response(mapping, body, {}, should_retry=False)


def still_running(job: Job, status_url: str, pause: str) -> HttpResponse:
    """Answer a call whose time is over before its job has ended: a repeat waits further.

    Args:
        job: The job.
        status_url: URL of its status.
        pause: A sentence about the pause that stops it; empty if none does.
    """
    mapping = ErrorMapping(HTTPStatus.GATEWAY_TIMEOUT, "request_in_progress")
    message = (
        f"request {job.id} is still running: nothing is lost.{pause} The same call again waits for"
        f" it and pays nothing; its status is at {status_url}"
    )
    body = _body(mapping, message, param=None, request_id=job.id)
    return _response(mapping, body, {}, should_retry=True)


def _body(
    mapping: ErrorMapping, message: str, *, param: str | None, request_id: str
) -> OpenAIError:
    code = CODES.get(mapping.error_type, mapping.error_type)
    is_server_error = mapping.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    usual_type = "server_error" if is_server_error else "invalid_request_error"
    return {
        "error": {
            "message": message,
            "type": usual_type if is_server_error else _TYPES.get(code, usual_type),
            "param": param,
            "code": code,
            "request_id": request_id,
        }
    }


def _response(
    mapping: ErrorMapping, body: OpenAIError, headers: Mapping[str, str], *, should_retry: bool
) -> HttpResponse:
    return HttpResponse(
        status=_STATUSES.get(mapping.status, mapping.status),
        body=body,
        headers={**headers, "x-should-retry": "true" if should_retry else "false"},
    )
