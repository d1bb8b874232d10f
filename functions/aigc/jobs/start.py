"""Starting: a job that waits gets a place in its lane and is sent upstream, once.

The order of the writes is what makes it safe:

1. the slot is taken, so that no more tasks run than the lane allows;
2. the job is claimed, so that nobody else sends it;
3. the record says `submitting` *before* the call, so that `queued` proves that nothing was sent;
4. the call is made with a session id that belongs to this attempt alone;
5. the record says what came of it, and only then marker and slot are removed.
"""

from __future__ import annotations

import itertools
import logging
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import (
    AmbiguousError,
    BackloggedError,
    BadRecordError,
    CloudError,
    DuplicateError,
    ThrottledError,
)
from aigc.jobs.job import Job, JobError, milliseconds
from aigc.jobs.lanes import free_places, look_at, slow_down
from aigc.jobs.ledger import marker_key
from aigc.jobs.webhooks import owe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from aigc.jobs.job import ErrorType, Slot
    from aigc.jobs.ledger import Marker
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
"""Attempts that found no room upstream before a job is given up; about half an hour of waiting."""

MAX_DEATHS = 8
"""Invocations that may die over one job before it is given up: it may be what kills them."""

QUICK_RETRIES = 3
"""Repeats of one call within one invocation: throttled, or with the same session id."""

FIND_PAGES = 10
"""Pages of a hundred tasks that are searched for one of ours."""

CALLERS_DOING: frozenset[ErrorType] = frozenset({"refused", "moderated"})
"""Errors that the same task would meet again."""

START_S = 3.0
"""Time that starting a job needs; with less left, it is left to the next invocation."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The vendor took the task."""

    task_id: str
    request_id: str


def pump(
    lane: str, runtime: Runtime, *, fresh: Job | None = None, released: Slot | None = None
) -> None:
    """Start what a lane has room for; whatever goes wrong in it is logged and not raised.

    The caller has committed its own work but has not responded yet. An error would take that
    back: its client would ask, and pay, again. What was not started is left to the sweep.

    Args:
        lane: Which lane.
        runtime: The collaborators.
        fresh: A job that the caller has just queued.
        released: A slot that the caller has just released; a late listing still shows it.
    """
    look = _Look()
    if released is not None:
        look.released.add(released.number)
    try:
        _pump(lane, runtime, fresh, look)
    except CloudError as error:
        logger.warning("pump_stopped", extra={"lane": lane, "code": error.code})
    except Exception:
        logger.exception("pump_failed", extra={"lane": lane})


@dataclass(slots=True)
class _Look:
    """What a pump knows better than a listing that may be late."""

    passed_over: set[tuple[str, int]] = field(default_factory=set)
    """Revisions of jobs that another invocation has claimed."""
    taken: set[int] = field(default_factory=set)
    """Slots that were found taken, or taken by this pump."""
    released: set[int] = field(default_factory=set)


def _pump(lane: str, runtime: Runtime, fresh: Job | None, look: _Look) -> None:
    """Start jobs until the lane is full, nothing waits, or this invocation's time is up.

    Each round begins with a new listing of slots and queue. So a job that was queued while this
    pump held a slot for another job, which it then could not claim, is seen here.
    """
    while runtime.has_time(START_S):
        view = look_at(lane, runtime)
        free = [
            number
            for number in free_places(lane, view, runtime, look.released)
            if number not in look.taken
        ]
        if not free:
            return
        due = (one for one in view.waiting() if one.not_before <= runtime.now())
        front = list(itertools.islice(due, len(free)))
        job = _next(itertools.chain(_scattered(front, fresh), due), runtime, fresh, look)
        if job is None:
            return
        random.shuffle(free)
        sent = _start_one(job, free[0], runtime, look)
        if fresh is not None and _has_place(sent, fresh) and len(front) == 1:
            return  # no other can have missed a place because of us: we gave back none


def _scattered(front: list[Marker], fresh: Job | None) -> list[Marker]:
    """Order those for whom there are places: they all start now, so in any order, our own first.

    Who pumps beside us must not want the very same one, in the very same place.
    """
    scattered = [*front]
    random.shuffle(scattered)
    return sorted(scattered, key=lambda marker: fresh is None or marker.key != fresh.marker)


def _has_place(sent: Job | None, fresh: Job) -> bool:
    return sent is not None and sent.id == fresh.id and sent.state in {"submitting", "running"}


def send(job: Job, runtime: Runtime) -> Job:
    """Make the call of a job whose record says `submitting`, and write down what came of it.

    After one ambiguous reply only the vendor's word on this very session ends the ambiguity: a
    refusal or a throttle that follows does not prove that the first call did not arrive.
    """
    is_ambiguous = job.attempt.is_ambiguous
    for retry in range(QUICK_RETRIES + 1):
        outcome = _create(job, runtime)
        is_ambiguous = is_ambiguous or isinstance(outcome, AmbiguousError)
        if not _worth_repeating(outcome, job, runtime) or retry == QUICK_RETRIES:
            break
        runtime.sleep(_jitter(0.4 * 2**retry))
    if isinstance(outcome, Sent):
        return started(job, outcome.task_id, runtime, request_id=outcome.request_id)
    if isinstance(outcome, DuplicateError):
        return _find(job, runtime)
    if is_ambiguous:
        return leave_unexplained(job, runtime)
    return _not_accepted(job, outcome, runtime)


def started(job: Job, task_id: str, runtime: Runtime, *, request_id: str = "") -> Job:
    """Write down that the vendor has the task."""
    changed = job.run(task_id, request_id)
    running: Job
    running, _ = runtime.parallel(
        lambda: runtime.ledger.write(changed),
        lambda: runtime.ledger.remove_marker(job.marker),
    )
    logger.info("task_started", extra={"job": job.id, "kind": job.kind, "task_id": task_id})
    return running


def leave_unexplained(job: Job, runtime: Runtime) -> Job:
    """Write down that nobody knows whether the call arrived; callback or sweep will tell."""
    logger.warning("submission_unexplained", extra={"job": job.id, "kind": job.kind})
    return runtime.ledger.write(job.mark_ambiguous())


def end(job: Job, runtime: Runtime) -> Job:
    """Write a job's last revision, then give back its place."""
    owing, _ = runtime.parallel(
        lambda: owe(job, runtime),
        lambda: runtime.ledger.note_end(job),
    )
    ended: Job = runtime.ledger.write(owing)
    _release(ended, runtime)
    logger.info(
        "job_ended",
        extra={
            "job": job.id,
            "kind": job.kind,
            "state": job.state,
            "error": job.error.type if job.error else "",
            "code": job.error.code if job.error else "",
        },
    )
    return ended


def fail(job: Job, error: JobError, runtime: Runtime) -> Job:
    """End a job that cannot succeed; where that is not the caller's doing, it may be replayed."""
    failed = job.fail(error, runtime.now())
    if error.type not in CALLERS_DOING:
        runtime.ledger.bury(failed)
    return end(failed, runtime)


def expire(job: Job, runtime: Runtime) -> Job:
    """Cancel a job that was not sent by when its caller wants it; otherwise return it as it is."""
    if job.state != "queued" or job.start_by is None or runtime.now() < job.start_by:
        return job
    claimed = runtime.ledger.claim(job)
    if claimed is None:
        return job
    message = f"not started by {job.start_by:%Y-%m-%dT%H:%M:%SZ}, as asked: nothing is billed"
    error = JobError(type="not_started", message=message, retryable=True)
    return end(claimed.cancel(error), runtime)


def queue_again(job: Job, error: JobError, runtime: Runtime) -> Job:
    """Put a job that found no room upstream back in its queue, with a wait and a new session.

    The vendor never ran this attempt, or ended it for want of room: a new one costs nothing
    twice. The new marker is written before the record that names it.
    """
    slow_down(job.lane, runtime)
    number = job.attempt.number
    if number - job.spent_attempts >= MAX_ATTEMPTS:
        return fail(job, error, runtime)
    not_before = runtime.now() + _wait(number, runtime)
    marker = marker_key(job.id, job.lane, job.priority, after=not_before, by=job.start_by)
    waiting = job.queue_again(error, runtime.now(), marker)
    runtime.ledger.queue_again(waiting)
    queued = runtime.ledger.write(waiting)
    _release(job, runtime)
    logger.warning("job_queued_again", extra={"job": job.id, "attempt": number, "code": error.code})
    return queued


def _release(job: Job, runtime: Runtime) -> None:
    """Remove the marker of a job that does not wait any more, and give its slot back."""
    slot = job.attempt.slot
    releases = (
        [] if slot is None else [lambda: runtime.ledger.slots.release(job.lane, slot, job.id)]
    )
    runtime.parallel(lambda: runtime.ledger.remove_marker(job.marker), *releases)


def _start_one(job: Job, number: int, runtime: Runtime, look: _Look) -> Job | None:
    """Start a job if slot and job can be had; None where another invocation was faster."""
    ledger = runtime.ledger
    look.released.discard(number)
    look.taken.add(number)
    slot = ledger.slots.take(job.lane, number, job.id)
    if slot is None:
        return None
    claimed = ledger.claim(job)
    if claimed is None:
        look.passed_over.add((job.id, job.revision))
        if ledger.slots.release(job.lane, slot, job.id):
            look.taken.discard(number)
            look.released.add(number)
        return None
    submitting = claimed.submit(slot, runtime.now(), ledger.owned_until())
    sent = send(ledger.write(submitting), runtime)
    if sent.state not in {"submitting", "running"}:  # its slot was released again
        look.taken.discard(number)
        look.released.add(number)
    return sent


def _next(due: Iterator[Marker], runtime: Runtime, fresh: Job | None, look: _Look) -> Job | None:
    for marker in due:
        is_fresh = fresh is not None and fresh.marker == marker.key
        try:
            job = fresh if is_fresh else runtime.ledger.read(marker.job_id)
        except BadRecordError:
            logger.exception("job_unreadable", extra={"job": marker.job_id})
            continue
        if job is None or job.state != "queued" or job.marker != marker.key:
            _remove_rubbish(marker, job, runtime)
        elif (job.id, job.revision) not in look.passed_over and expire(job, runtime) is job:
            return job
    return None


def _remove_rubbish(marker: Marker, job: Job | None, runtime: Runtime) -> None:
    """Remove a marker that no queued record names, once nobody alive can be about to.

    A call that writes a marker writes the record next, within its lease; and each call's marker
    has a key of its own, so an old one that no record names will never be named.
    """
    is_settled = job is None or runtime.ledger.is_old(job.updated_at)
    if is_settled and runtime.ledger.is_old(marker.modified):
        runtime.ledger.remove_marker(marker.key)


def _create(job: Job, runtime: Runtime) -> Sent | CloudError:
    """Make the call; what it comes to is a value, so that no fault of ours is taken for it."""
    call = runtime.kind_of(job).create(runtime.task_of(job), runtime.submission_of(job))
    try:
        response = runtime.upstream.call(call)
    except CloudError as error:
        return error
    task_id = response.get("TaskId")
    if not isinstance(task_id, str) or not task_id:
        return AmbiguousError(f"{call.action} of job {job.id} answered without a TaskId")
    return Sent(task_id, str(response.get("RequestId", "")))


def _worth_repeating(outcome: Sent | CloudError, job: Job, runtime: Runtime) -> bool:
    """Whether the same call may be made again at once without paying twice."""
    if not runtime.has_time(START_S):
        return False
    if isinstance(outcome, AmbiguousError):
        return runtime.kind_of(job).deduplicates
    return isinstance(outcome, ThrottledError)


def _find(job: Job, runtime: Runtime) -> Job:
    """Look for the task of a session that the vendor says it has."""
    task_id = runtime.ledger.noted_task(job) or _listed_task(job, runtime)
    return started(job, task_id, runtime) if task_id else leave_unexplained(job, runtime)


def _listed_task(job: Job, runtime: Runtime) -> str:
    """Find the task among those that the vendor lists; empty where it is not there (yet)."""
    kind = runtime.kind_of(job)
    since = milliseconds(job.attempt.submitted_at or job.created_at) // 1000 - 60
    scroll_token = ""
    for _ in range(FIND_PAGES):
        call = kind.find(runtime.settings.sub_app_id, since, scroll_token)
        try:
            response = runtime.upstream.call(call)
        except CloudError:
            return ""
        task_id = kind.found(response, job.attempt.session_id)
        scroll_token = str(response.get("ScrollToken") or "")
        if task_id is not None or not scroll_token:
            return task_id or ""
    return ""


def _not_accepted(job: Job, error: CloudError, runtime: Runtime) -> Job:
    if isinstance(error, (ThrottledError, BackloggedError)):
        return queue_again(job, _job_error(error), runtime)
    return fail(job, _job_error(error), runtime)


def _job_error(error: CloudError) -> JobError:
    return JobError(
        type="throttled" if error.retryable else "refused",
        message=str(error),
        code=error.code,
        request_id=error.request_id,
        retryable=error.retryable,
    )


def _wait(number: int, runtime: Runtime) -> timedelta:
    return timedelta(seconds=_jitter(runtime.settings.retry_base_s * 2 ** (number - 1)))


def _jitter(seconds: float) -> float:
    """Spread waits over ±50 %, so that what failed together does not return together."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  no secret


def is_past(moment: datetime | None, seconds: float, runtime: Runtime) -> bool:
    """Whether so many seconds have passed since a moment."""
    return moment is not None and runtime.now() - moment > timedelta(seconds=seconds)
