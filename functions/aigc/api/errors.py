"""What goes wrong, as HTTP answers: one table for what is raised, one for how jobs end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc.errors import (
    AigcError,
    BackloggedError,
    BadEventError,
    CloudError,
    InvalidRequestError,
    ThrottledError,
)
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.job import ErrorType, Job


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a caller is told: the status, a word for programs, when to come again."""

    status: int
    error_type: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside the body."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


RAISED: Mapping[type[AigcError], Verdict] = {
    InvalidRequestError: Verdict(422, "invalid_request"),
    BadEventError: Verdict(400, "bad_request"),
    ThrottledError: Verdict(429, "throttled", retry_after_s=2),
    BackloggedError: Verdict(503, "throttled", retry_after_s=15),
    # The ledger or the vendor did not do its part; with an Idempotency-Key a repeat is safe.
    CloudError: Verdict(503, "cloud_unavailable", retry_after_s=5),
    AigcError: Verdict(500, "internal_error"),
}

ENDED: Mapping[ErrorType, Verdict] = {
    # The caller's doing: another request may succeed.
    "moderated": Verdict(422, "content_policy_violation"),
    # The vendor said no to the request itself: the same request gets the same answer.
    "refused": Verdict(424, "refused"),
    # The vendor took it and failed: we are a gateway that got a bad answer, or none.
    "task_failed": Verdict(502, "task_failed"),
    "result_unusable": Verdict(502, "result_unusable"),
    "submission_unknown": Verdict(504, "submission_unknown"),
    # It found no room through all its attempts; a new request starts anew.
    "throttled": Verdict(503, "throttled", retry_after_s=60),
}

CANCELLED = Verdict(410, "cancelled")
"""Of a job that ended without a result and without an error."""


class HttpError(AigcError):
    """The request is wrong as HTTP, before anybody looks at the task."""

    def __init__(
        self, status: int, error_type: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error_type = error_type
        self.headers = headers or {}


def refusal(error: AigcError, request_id: str) -> HttpResponse:
    """Answer a call that could not be served."""
    if isinstance(error, HttpError):
        verdict, headers = Verdict(error.status, error.error_type), error.headers
    else:
        verdict = next(RAISED[base] for base in type(error).__mro__ if base in RAISED)
        headers = verdict.headers
    body = {
        "detail": str(error),
        "error_type": verdict.error_type,
        "field": getattr(error, "field", "") or None,
        "allowed": getattr(error, "allowed", "") or None,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    return HttpResponse(status=verdict.status, body=body, headers=headers)


def failure(job: Job) -> HttpResponse:
    """Answer who asks for the result of a job that ended without one."""
    error = job.error
    verdict = ENDED[error.type] if error else CANCELLED
    body = {
        "detail": error.message if error else "the request was cancelled",
        "error_type": verdict.error_type,
        "retryable": bool(error and error.retryable),
        "request_id": job.id,
        "upstream": {
            "code": error.code if error else "",
            "task_id": job.attempt.task_id,
            "request_id": (error.request_id if error else "") or job.attempt.request_id,
        },
    }
    return HttpResponse(status=verdict.status, body=body, headers=verdict.headers)
