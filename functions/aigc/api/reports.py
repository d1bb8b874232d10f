"""The body of a webhook: how a job ended, in the form of fal.ai's webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.errors import failure_of
from aigc.api.progress import result_of

if TYPE_CHECKING:
    from aigc.api.openapi.schemas import Report
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime


def report_of(job: Job, runtime: Runtime) -> Report:
    """Return the result of a job, or its error, as the body of its webhook."""
    has_succeeded = job.state == "succeeded"
    failure = failure_of(job)
    return {
        "request_id": job.id,
        "gateway_request_id": job.id,
        "status": "OK" if has_succeeded else "ERROR",
        "payload": result_of(job, runtime) if has_succeeded else failure,
        "error": None if has_succeeded else failure["detail"],
    }
