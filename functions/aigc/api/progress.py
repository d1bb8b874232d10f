"""Progress: status and result of a request, as the queue protocol of fal.ai's clients has them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from aigc.api.errors import ENDED, HttpError, failure
from aigc.jobs.ledger import PAGE
from aigc.jobs.settle import look
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from aigc.api.call import Call
    from aigc.jobs.job import Attempt, Job, Picture

RESULT_URL_S = 3600
"""Life of a picture's URL: the role's key that signs it may not live much longer. Ask again."""


def status(call: Call) -> HttpResponse:
    """Say how far a request is: 202 until it has ended, then 200."""
    job = _job(call)
    answer: dict[str, Any] = {
        "status": _STATUS.get(job.state, "COMPLETED"),
        **call.links(job),
        "logs": list(_log(job)) if _wants_logs(call) else None,
        "metrics": _metrics(job),
    }
    if job.state == "queued":
        answer["queue_position"] = _position(job, call)
    if job.error is not None:
        answer |= {"error": job.error.message, "error_type": ENDED[job.error.type].error_type}
    return HttpResponse(status=200 if job.has_ended else 202, body=answer)


def result(call: Call) -> HttpResponse:
    """Hand out the pictures' URLs, or say why there are none."""
    job = _job(call)
    if not job.has_ended:
        raise HttpError(400, "request_in_progress", "Request is still in progress")
    if job.state != "succeeded":
        return failure(job)
    answer = {
        "images": [_image(picture, call) for picture in job.pictures],
        "prompt": call.runtime.task_of(job).prompt_text(),
        "request_id": job.id,
        "task_id": job.attempt.task_id,
        "warnings": job.warnings,
    }
    return HttpResponse(status=200, body=answer)


def cancel(call: Call) -> HttpResponse:
    """Say that a request has ended, or that it cannot be kept from ending."""
    job = _job(call)
    if job.has_ended:
        answer = {"status": "ALREADY_COMPLETED", "request_id": job.id}
        return HttpResponse(status=400, body=answer)
    raise HttpError(501, "not_implemented", "a request cannot be cancelled: it runs to its end")


_STATUS = {
    "queued": "IN_QUEUE",
    "submitting": "IN_PROGRESS",
    "running": "IN_PROGRESS",
    "storing": "IN_PROGRESS",
}


def _job(call: Call) -> Job:
    return call.check_owner(look(call.path["id"], call.runtime))


def _wants_logs(call: Call) -> bool:
    return "logs" in call.request.query and call.request.parameter("logs") not in {"0", "false"}


def _position(job: Job, call: Call) -> int:
    """Count the jobs before this one, a listing's page at most."""
    markers = itertools.islice(call.runtime.ledger.lane(job.lane).waiting(), PAGE)
    return sum(1 for _ in itertools.takewhile(lambda marker: marker.key != job.marker, markers))


def _metrics(job: Job) -> dict[str, float]:
    started, finished = job.attempt.submitted_at, job.attempt.finished_at
    if started is None or finished is None:
        return {}
    return {"inference_time": (finished - started).total_seconds()}


def _log(job: Job) -> Iterator[dict[str, str]]:
    yield _entry(job.created_at, f"accepted as {job.kind}")
    for warning in job.warnings:
        yield _entry(job.created_at, warning, "WARN")
    for attempt in job.attempts:
        yield from _attempt_log(attempt)
    if job.has_ended:
        yield _entry(job.updated_at, job.state)


def _attempt_log(attempt: Attempt) -> Iterator[dict[str, str]]:
    if attempt.submitted_at is not None:
        task = attempt.task_id or "no task id yet"
        yield _entry(attempt.submitted_at, f"attempt {attempt.number} sent: {task}")
    if attempt.error is not None and attempt.finished_at is not None:
        yield _entry(attempt.finished_at, attempt.error.message, "ERROR")


def _entry(moment: datetime, message: str, level: str = "INFO") -> dict[str, str]:
    return {
        "timestamp": moment.isoformat(),
        "level": level,
        "message": message,
        "source": "aigc-functions",
    }


def _image(picture: Picture, call: Call) -> dict[str, Any]:
    return {
        "url": call.runtime.results.presigned_url(picture.key, RESULT_URL_S),
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "file_name": picture.key.rpartition("/")[2],
        "file_size": picture.size,
    }
