"""Status, result and cancelling of a request, in the queue protocol of fal.ai's clients."""

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
"""How long an image's URL is valid; the role's key that signs it is valid not much longer."""

READ_INTERVAL_S = 1.0
"""Seconds between two reads of a job that a caller waits for; the vendor is queried less often."""

ANSWER_S = 5.0
"""Seconds that are reserved for the answer."""

SETTLE_S = 20.0
"""Seconds that are reserved for a refresh, which may store images."""

LONGEST_HOLD_S = 240
"""Most seconds for which a call waits until its request ends.

Node.js's `fetch` gives up after 300 s without an answer.
"""

MOST_KNOWN = 1000
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

    On a shortened path the answer waits for the end of the request. fal.ai's JavaScript client gets
    the result when its stream of states ends, and a stream cannot last longer than a call. An error
    here would make its user submit, and pay, again. After a redirect to the same path HTTP clients
    repeat the call, up to 20 times.
    """
    job = requested_job(call)
    if not call.is_shortened or call.request.method == "HEAD":
        return outcome(job, call.runtime)
    job = watch(job, call.runtime, LONGEST_HOLD_S, lambda current: current.has_ended)
    if job.has_ended:
        return outcome(job, call.runtime)
    return HttpResponse(status=307, headers={"Location": job.id})


def cancel(call: Call) -> HttpResponse:
    """Cancel a request that was not sent, or whose task the vendor can still end.

    The status is never 408, 409 or 429: fal.ai's clients repeat a call ten times after these.
    """
    job = call.check_owner(call.runtime.ledger.records.read(call.path["id"]))
    cancellation = cancel_job(job.id, call.runtime)
    if cancellation is None or cancellation.outcome == "already_ended":
        completed: schemas.AlreadyCompleted = {"status": "ALREADY_COMPLETED", "request_id": job.id}
        return HttpResponse(status=400, body=completed)
    if cancellation.outcome == "not_cancellable":
        raise HttpError(
            400,
            "not_cancellable",
            f"request {job.id} was sent, and the vendor does not stop a task that runs;"
            " it runs to its end and may be billed",
        )
    requested: schemas.CancellationRequested = {
        "status": "CANCELLATION_REQUESTED",
        "request_id": job.id,
        "state": cancellation.job.state,
    }
    return HttpResponse(status=202, body=requested)


def requested_job(call: Call) -> Job:
    """Refresh and return the job that the path names.

    Raises:
        HttpError: The endpoint has no such job.
    """
    return call.check_owner(refresh(call.path["id"], call.runtime))


@dataclass(slots=True)
class KnownRequests:
    """The requests that an instance has read, and whether each of them waited."""

    waited: dict[str, bool] = field(default_factory=dict)

    def note(self, job: Job) -> None:
        """Remember a request; if there are too many, forget the one that was read first."""
        self.waited.pop(job.id, None)
        self.waited[job.id] = job.state == "queued"
        if len(self.waited) > MOST_KNOWN:
            self.waited.pop(next(iter(self.waited)), None)

    def may_wait(self, job_id: str) -> bool:
        """Whether a request waited when it was read last, or is not known."""
        return self.waited.get(job_id, True)


def _with_lane(call: Call) -> tuple[Job, LaneView | None]:
    """Return the job of a request and, in the same round trip, the lane in which it may wait.

    The listing is not needed if the request does not wait; this happens at most once for each
    request and instance.
    """
    runtime, lane = call.runtime, ENDPOINTS.get(call.path["endpoint"], "")
    known_requests = runtime.memory.of(KnownRequests)
    view = None
    if lane and known_requests.may_wait(call.path["id"]):
        job, view = runtime.parallel(
            lambda: requested_job(call), lambda: _lane_or_none(lane, runtime)
        )
    else:
        job = requested_job(call)
    known_requests.note(job)
    return job, view


def _lane_or_none(lane: str, runtime: Runtime) -> LaneView | None:
    """List a lane; None after an error: a request that does not wait needs no listing."""
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


def watch(job: Job, runtime: Runtime, wait_s: float, is_reached: Callable[[Job], bool]) -> Job:
    """Refresh a job until a state is reached, `wait_s` has passed, or time is short.

    A refresh that fails is repeated, since the job continues. If no time is left to store images,
    the job is only read.
    """
    until = runtime.now() + timedelta(seconds=wait_s)
    while not is_reached(job) and runtime.now() < until and runtime.has_time(ANSWER_S):
        runtime.sleep(READ_INTERVAL_S)
        try:
            if runtime.has_time(SETTLE_S):
                job = refresh(job.id, runtime) or job
            else:
                job = runtime.ledger.records.read(job.id) or job
        except CloudError as error:
            logger.warning("look_failed", extra={"job": job.id, "code": error.code})
    return job


def status_of(
    job: Job, call: Call, known_log_lines: int = 0, lane: LaneView | None = None
) -> schemas.RequestStatus:
    """Return the state of a job in the form of the queue protocol.

    Args:
        job: The job.
        call: The call that is answered.
        known_log_lines: Lines of the log that the caller has, which are left out.
        lane: The lane of the job; if it is None and the job waits, the lane is listed.
    """
    answer: schemas.RequestStatus = {
        "status": _QUEUE_STATUS.get(job.state, "COMPLETED"),
        **call.links(job),  # type: ignore[typeddict-item]  # it has none of the optional keys
        "logs": log(job)[known_log_lines:] if is_on(call.request, "logs") else None,
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
    """Describe the result of a job that succeeded, with URLs that expire."""
    return {
        "images": [image_of(image, runtime) for image in job.images],
        "prompt": runtime.task_of(job).prompt_text(),
        "request_id": job.id,
        "task_id": job.attempt.task_id,
        "warnings": job.warnings,
    }


def image_of(image: StoredImage, runtime: Runtime) -> schemas.Image:
    """Describe one image, with a URL that expires."""
    return {
        "url": runtime.buckets.results.presigned_url(image.key, RESULT_URL_S),
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "file_name": image.key.rpartition("/")[2],
        "file_size": image.size,
        "labels": image.labels,
    }


def _position(job: Job, lane: LaneView) -> int:
    """Count the jobs before this one, up to PAGE; 0 if it is not in the queue any more."""
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
    """List the events of a job, the oldest first; later calls only add events."""
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
