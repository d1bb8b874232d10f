"""Progress: status, result and cancelling, as the queue protocol of fal.ai's clients has them."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.api.call import ENDPOINTS
from aigc.api.ceilings import described_deferral
from aigc.api.errors import JOB_ERROR_STATUS, HttpError, failure
from aigc.api.parameters import is_on
from aigc.api.pauses import described_pause
from aigc.errors import CloudError
from aigc.jobs.cancel import cancel as cancel_job
from aigc.jobs.capacity import list_lane
from aigc.jobs.pauses import known_pause, pause_of
from aigc.jobs.ports import PAGE
from aigc.jobs.settle import refresh
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from typing import Literal

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.job import Attempt, Job, State, StoredImage
    from aigc.jobs.ledger.lanes import LaneView
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

RESULT_URL_S = 3600
"""Life of an image's URL: the role's key that signs it may not live much longer. Ask again."""

LOOK_EACH_S = 1.0
"""Time between two reads of a job that a caller waits for; the vendor is queried less often."""

ANSWER_S = 5.0
"""Time that is kept for the answer."""

SETTLE_S = 20.0
"""Time that is kept for a refresh that may store the images."""

LONGEST_HOLD_S = 240
"""How long a call may be held until its request ends.

Node.js's `fetch` gives up after 300 s without an answer.
"""

MOST_SEEN = 1000
"""Requests that an instance remembers."""

_QUEUE_STATUS: Mapping[State, Literal["IN_QUEUE", "IN_PROGRESS"]] = {
    "queued": "IN_QUEUE",
    "submitting": "IN_PROGRESS",
    "running": "IN_PROGRESS",
    "storing": "IN_PROGRESS",
}


def status(call: Call) -> HttpResponse:
    """Return the state of a request: 202 until it has ended, then 200."""
    job, lane = _with_lane(call)
    body = status_of(job, call, lane=lane)
    return HttpResponse(status=200 if job.has_ended else 202, body=body)


def result(call: Call) -> HttpResponse:
    """Return the URLs of the images, or the reason why there are none.

    On a shortened path the answer waits for the end of the request. fal.ai's JavaScript client asks
    for the result as soon as its stream of states is over, and a stream cannot last longer than a
    call: an error here would make its caller submit, and pay, again. A redirect to the same path
    makes any HTTP client ask once more, up to 20 times.
    """
    job = looked_up(call)
    if not call.is_shortened or call.request.method == "HEAD":
        return outcome(job, call.runtime)
    job = watch(job, call.runtime, LONGEST_HOLD_S, lambda seen: seen.has_ended)
    if job.has_ended:
        return outcome(job, call.runtime)
    return HttpResponse(status=307, headers={"Location": job.id})


def cancel(call: Call) -> HttpResponse:
    """Cancel a request that was not sent, or whose task the vendor still can end.

    Never 408, 409 or 429: fal's clients repeat those ten times.
    """
    job = call.check_owner(call.runtime.ledger.records.read(call.path["id"]))
    cancellation = cancel_job(job.id, call.runtime)
    if cancellation is None or cancellation.outcome == "already_ended":
        over: schemas.AlreadyCompleted = {"status": "ALREADY_COMPLETED", "request_id": job.id}
        return HttpResponse(status=400, body=over)
    if cancellation.outcome == "not_cancellable":
        raise HttpError(
            400,
            "not_cancellable",
            f"request {job.id} was sent, and the vendor does not stop a task that runs;"
            " it goes on to its end and may be billed",
        )
    requested: schemas.CancellationRequested = {
        "status": "CANCELLATION_REQUESTED",
        "request_id": job.id,
        "state": cancellation.job.state,
    }
    return HttpResponse(status=202, body=requested)


def looked_up(call: Call) -> Job:
    """Find the job that a path names, up to date.

    Raises:
        HttpError: There is none of that endpoint.
    """
    return call.check_owner(refresh(call.path["id"], call.runtime))


@dataclass(slots=True)
class SeenRequests:
    """What an instance remembers of requests: whether each of them waited when it was seen."""

    waited: dict[str, bool] = field(default_factory=dict)

    def note(self, job: Job) -> None:
        """Remember a request, and forget the one that was seen first if there are too many."""
        self.waited.pop(job.id, None)
        self.waited[job.id] = job.state == "queued"
        if len(self.waited) > MOST_SEEN:
            self.waited.pop(next(iter(self.waited)), None)

    def may_wait(self, job_id: str) -> bool:
        """Whether a request waited when it was seen; one that was not seen may wait."""
        return self.waited.get(job_id, True)


def _with_lane(call: Call) -> tuple[Job, LaneView | None]:
    """Look up a request and, at the same time, the lane that it may wait in.

    The listing is superfluous if the request does not wait: at most once for each request and
    instance.
    """
    runtime, lane = call.runtime, ENDPOINTS.get(call.path["endpoint"], "")
    seen = runtime.memory.of(SeenRequests)
    view = None
    if lane and seen.may_wait(call.path["id"]):
        job, view = runtime.parallel(lambda: looked_up(call), lambda: _lane_or_none(lane, runtime))
    else:
        job = looked_up(call)
    seen.note(job)
    return job, view


def _lane_or_none(lane: str, runtime: Runtime) -> LaneView | None:
    """List a lane; None where that fails: a request that does not wait needs no listing."""
    try:
        return list_lane(lane, runtime)
    except CloudError as error:
        logger.warning("lane_not_listed", extra={"lane": lane, "code": error.code})
        return None


def outcome(job: Job, runtime: Runtime) -> HttpResponse:
    """Return the response with the result of a job.

    Raises:
        HttpError: The job has not ended.
    """
    if not job.has_ended:
        raise HttpError(400, "request_in_progress", "Request is still in progress")
    if job.state != "succeeded":
        return failure(job)
    return HttpResponse(status=200, body=result_of(job, runtime))


def watch(job: Job, runtime: Runtime, wait_s: float, is_news: Callable[[Job], bool]) -> Job:
    """Refresh a job until there is news, until `wait_s` has passed, or until time is short.

    A refresh that fails is repeated, because the job continues.
    """
    until = runtime.now() + timedelta(seconds=wait_s)
    while not is_news(job) and runtime.now() < until and runtime.has_time(ANSWER_S):
        runtime.sleep(LOOK_EACH_S)
        see = refresh if runtime.has_time(SETTLE_S) else _read
        try:
            job = see(job.id, runtime) or job
        except CloudError as error:
            logger.warning("look_failed", extra={"job": job.id, "code": error.code})
    return job


def _read(job_id: str, runtime: Runtime) -> Job | None:
    """Read a job without settling it, for which this invocation has no time left."""
    return runtime.ledger.records.read(job_id)


def status_of(
    job: Job, call: Call, known_log_lines: int = 0, lane: LaneView | None = None
) -> schemas.RequestStatus:
    """Return the state of a job in the form of the queue protocol.

    The log leaves out the lines that the caller knows. A job that waits has its position in its
    lane, which is listed if it was not yet.
    """
    answer: schemas.RequestStatus = {
        "status": _QUEUE_STATUS.get(job.state, "COMPLETED"),
        **call.links(job),  # type: ignore[typeddict-item]  # it has none of the optional keys
        "logs": log(job)[known_log_lines:] if _wants_logs(call) else None,
        "metrics": _metrics(job),
    }
    deferred = described_deferral(job)
    if deferred is not None:
        answer["deferred"] = deferred
    elif job.state == "queued":
        view = lane or list_lane(job.lane, call.runtime)
        answer["queue_position"] = _position(job, view)
        pause_of(view, call.runtime)
    if job.state == "storing" and job.storing_error:
        answer["delay"] = job.storing_error
    paused = described_pause(known_pause(job, call.runtime))
    if paused is not None:
        answer["paused"] = paused
    if job.attempt.overdue_at is not None and not job.has_ended:
        answer["overdue_since"] = job.attempt.overdue_at.isoformat()
    if job.error is not None:
        answer["error"] = job.error.message
        answer["error_type"] = JOB_ERROR_STATUS[job.error.type].error_type
    return answer


def result_of(job: Job, runtime: Runtime) -> schemas.Result:
    """Name the images of a job that succeeded, with URLs that live for a while."""
    return {
        "images": [image_of(image, runtime) for image in job.images],
        "prompt": runtime.task_of(job).prompt_text(),
        "request_id": job.id,
        "task_id": job.attempt.task_id,
        "warnings": job.warnings,
    }


def image_of(image: StoredImage, runtime: Runtime) -> schemas.Image:
    """Name one image, with a URL that lives for a while."""
    return {
        "url": runtime.buckets.results.presigned_url(image.key, RESULT_URL_S),
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "file_name": image.key.rpartition("/")[2],
        "file_size": image.size,
        "labels": image.labels,
    }


def _wants_logs(call: Call) -> bool:
    return is_on(call.request, "logs")


def _position(job: Job, lane: LaneView) -> int:
    """Count the jobs before this one, a listing's page at most; none if it just left the queue."""
    listed = 0
    for marker in itertools.islice(lane.waiting(), PAGE):
        if marker.key == job.marker:
            return listed
        listed += 1
    return PAGE if listed == PAGE else 0


def _metrics(job: Job) -> schemas.Metrics:
    started, finished = job.attempt.submitted_at, job.attempt.finished_at
    if started is None or finished is None:
        return {}
    return {"inference_time": (finished - started).total_seconds()}


def log(job: Job) -> list[schemas.LogEntry]:
    """List what has happened to a job; the list only grows."""
    return list(_log(job))


def _log(job: Job) -> Iterator[schemas.LogEntry]:
    yield _entry(job.created_at, f"accepted as {job.kind}")
    for warning in job.warnings:
        yield _entry(job.created_at, warning, "WARN")
    for attempt in job.attempts:
        yield from _attempt_log(attempt)
    if job.storing_error and job.attempt.finished_at is not None:
        delay = f"the images could not be stored at first: {job.storing_error}"
        yield _entry(job.attempt.finished_at, delay, "WARN")
    if job.has_ended:
        yield _entry(job.updated_at, job.state)


def _attempt_log(attempt: Attempt) -> Iterator[schemas.LogEntry]:
    if attempt.submitted_at is not None:
        task = attempt.task_id or "no task id yet"
        yield _entry(attempt.submitted_at, f"attempt {attempt.number} sent: {task}")
    if attempt.overdue_at is not None:
        yield _entry(attempt.overdue_at, "the task runs far longer than usual", "WARN")
    if attempt.error is not None and attempt.finished_at is not None:
        yield _entry(attempt.finished_at, attempt.error.message, "ERROR")


def _entry(
    moment: datetime, message: str, level: Literal["INFO", "WARN", "ERROR"] = "INFO"
) -> schemas.LogEntry:
    return {
        "timestamp": moment.isoformat(),
        "level": level,
        "message": message,
        "source": "aigc-functions",
    }
