"""Errors as HTTP answers: one table for exceptions, another for jobs that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from aigc.errors import (
    AigcError,
    BackloggedError,
    BadEventError,
    BadRecordError,
    CloudError,
    InvalidRequestError,
    ThrottledError,
)
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.openapi.schemas import Failure, Refusal, VendorRefusal
    from aigc.jobs.job import ErrorType, Job

ErrorFormat = Literal["own", "both", "vendor", "openai", "mcp"]
"""Format of an error; clients of the vendor's, of OpenAI's API and of MCP read only their own."""


class ErrorMapping(NamedTuple):
    """The answer to an error: status, `error_type`, time of the next try."""

    status: int
    error_type: str
    retry_after_s: int | None = None
    timed_out: str = ""
    """The time limit that was exceeded, as fal.ai's clients name it."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        headers = {
            "Retry-After": str(self.retry_after_s or ""),
            "X-Fal-Request-Timeout-Type": self.timed_out,
        }
        return {name: value for name, value in headers.items() if value}


class HttpError(AigcError):
    """A call is refused with this status, before its task is read or because of a limit."""

    def __init__(
        self,
        status: int,
        error_type: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        field: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error_type = error_type
        self.headers = headers or {}
        self.field = field
        self.retryable = "Retry-After" in self.headers


class InvalidQueryError(InvalidRequestError):
    """A query parameter is unknown, repeated, empty, or not in its format."""

    def __init__(self, name: str, problem: str, *, allowed: str) -> None:
        super().__init__(f"{name}: {problem}; allowed: {allowed}", field=name, allowed=allowed)


EXCEPTION_STATUS: Mapping[type[AigcError], ErrorMapping] = {
    InvalidRequestError: ErrorMapping(422, "invalid_request"),
    InvalidQueryError: ErrorMapping(400, "invalid_request"),
    BadEventError: ErrorMapping(400, "bad_request"),
    ThrottledError: ErrorMapping(429, "throttled", retry_after_s=2),
    BackloggedError: ErrorMapping(503, "throttled", retry_after_s=15),
    # The ledger or the vendor failed; with an Idempotency-Key a repeat is safe.
    CloudError: ErrorMapping(503, "cloud_unavailable", retry_after_s=5),
    # A newer version wrote the record, and will be deployed again; or an operator is needed.
    BadRecordError: ErrorMapping(503, "record_unreadable", retry_after_s=60),
    AigcError: ErrorMapping(500, "internal_error"),
}

JOB_ERROR_STATUS: Mapping[ErrorType, ErrorMapping] = {
    # The request is at fault: another request may succeed.
    "moderated": ErrorMapping(422, "content_policy_violation"),
    # The vendor refused the request itself: the same request gets the same answer.
    "refused": ErrorMapping(424, "refused"),
    # The vendor's task failed. Never 429, 502, 503 or a plain 504: clients repeat a call after
    # these. A repeat does not help a call for a result, and a submit that waits would pay again.
    # fal.ai answers 500 too.
    "task_failed": ErrorMapping(500, "task_failed"),
    "result_unusable": ErrorMapping(500, "result_unusable"),
    "submission_unknown": ErrorMapping(500, "submission_unknown"),
    # The vendor had no capacity in all attempts. 507 "MUST NOT be repeated until it is requested by
    # a separate user action" (RFC 4918, section 11.5).
    "throttled": ErrorMapping(507, "throttled"),
    # It was not sent by the caller's latest start; nothing is billed. fal.ai's clients do not
    # repeat after a 504 that names the exceeded limit.
    "not_started": ErrorMapping(504, "request_timeout", timed_out="user"),
}

VENDOR_CODES: Mapping[str, str] = {
    "unauthorized": "AuthFailure",
    "forbidden": "UnauthorizedOperation",
    "not_found": "ResourceNotFound",
    "method_not_allowed": "UnsupportedOperation",
    "malformed_json": "InvalidParameter",
    "unsupported_media_type": "InvalidParameter",
    "body_too_large": "RequestSizeLimitExceeded",
    "invalid_request": "InvalidParameterValue",
    "throttled": "RequestLimitExceeded",
    "rate_limited": "RequestLimitExceeded",
    "quota_exceeded": "LimitExceeded",
    "budget_exceeded": "LimitExceeded",
    "price_unknown": "UnauthorizedOperation",
    "internal_error": "InternalError",
}
"""`error_type` of a refusal → common error code of API 3.0; others are FailedOperation."""

CANCELLED = ErrorMapping(410, "cancelled")
"""Answer about a job that was cancelled: it has neither a result nor an error."""


def refusal(error: AigcError, request_id: str, error_format: ErrorFormat = "own") -> HttpResponse:
    """Answer a call that was refused, in the format of its path."""
    if isinstance(error, HttpError):
        mapping, headers = ErrorMapping(error.status, error.error_type), error.headers
    else:
        mapping = next(
            EXCEPTION_STATUS[base] for base in type(error).__mro__ if base in EXCEPTION_STATUS
        )
        headers = mapping.headers
    if error_format == "openai":
        from aigc.api.openai.errors import openai_refusal  # noqa: PLC0415  few calls are of OpenAI's API

        return openai_refusal(error, mapping, headers, request_id)
    if error_format == "mcp":
        from aigc.api.mcp.errors import mcp_refusal  # noqa: PLC0415  few calls are of MCP

        return mcp_refusal(error, mapping, headers, request_id)
    body: Refusal = {
        "detail": str(error),
        "error_type": mapping.error_type,
        "field": getattr(error, "field", "") or None,
        "allowed": getattr(error, "allowed", "") or None,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    vendor_body: VendorRefusal = {
        "Response": {
            "Error": {
                "Code": VENDOR_CODES.get(mapping.error_type, "FailedOperation"),
                "Message": str(error),
            },
            "RequestId": request_id,
        }
    }
    bodies = {"own": body, "both": {**body, **vendor_body}, "vendor": vendor_body}
    return HttpResponse(status=mapping.status, body=bodies[error_format], headers=headers)


def failure(job: Job) -> HttpResponse:
    """Answer a call for the result of a job that ended without one."""
    mapping = mapping_of(job)
    return HttpResponse(status=mapping.status, body=failure_of(job), headers=mapping.headers)


def failure_of(job: Job) -> Failure:
    """Describe why a job ended without a result."""
    error = job.error
    return {
        "detail": error.message if error else "the request was cancelled",
        "error_type": mapping_of(job).error_type,
        "retryable": bool(error and error.retryable),
        "request_id": job.id,
        "upstream": {
            "code": error.code if error else "",
            "task_id": job.attempt.task_id,
            "request_id": (error.request_id if error else "") or job.attempt.request_id,
        },
    }


def mapping_of(job: Job) -> ErrorMapping:
    """Return the status and `error_type` of a job that ended without a result."""
    return JOB_ERROR_STATUS[job.error.type] if job.error else CANCELLED
