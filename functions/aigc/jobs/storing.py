"""Store the images of a task that has ended, then end its job.

Storing is done in this order:

1. the record says `storing` and has the images' URLs; a note names the job;
2. the job's slot is released, and the next job of the lane is started;
3. each image is fetched and stored, and the record says so before the next one is fetched;
4. the description is stored, and the record says `succeeded`.

| the invocation dies after | what continues |
|---|---|
| the note or the record alone | the sweep, by the slot |
| both | the sweep, by the slot or by the note |
| the release | the sweep, by the note; the slot's keys are removed a lease later |
| an image | the sweep, with the first image that the record does not name |

Each try that stores no image doubles the wait for the next one. No try is planned for a time at
which the vendor may have removed the images. A try that was planned for an earlier time is made
even if that time has passed.
"""

from __future__ import annotations

import functools
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from aigc.errors import (
    AccountError,
    BadImageError,
    CloudError,
    HostNotAllowedError,
    RefusedError,
)
from aigc.jobs.dispatch import pump
from aigc.jobs.job import Job, JobError
from aigc.jobs.results import missing_images, store_description, store_image
from aigc.jobs.transitions import end, fail, with_jitter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

Stored = TypeVar("Stored")
StoringError = BadImageError | HostNotAllowedError | CloudError

KEPT_S = 7 * 86400
"""How long the images of a task are kept, counted from its end.

By VOD: `OutputConfig.StorageMode` of CreateAigcImageTask, `Temporary`. The images of MPS lie in
the staging folder, which a lifecycle rule empties after 30 days.
"""

STORE_SHARE = 11 / 12
"""Share of `KEPT_S` in which storing is tried; the rest is left for `aigc jobs restore`."""

STORE_WAIT_S = 30
"""Wait after the first try that stored no image; it doubles with each such try."""

LONGEST_STORE_WAIT_S = 2400
"""Longest wait between two tries; with jitter it is an hour at most."""

IMAGE_S = 15.0
"""Time that one more image needs; if less is left, the sweep stores it."""


def store_images(job: Job, runtime: Runtime) -> Job:
    """Store the images of a claimed job that are not stored yet, then end it.

    A repeat writes the same objects again: their keys follow from the job. An error of the ledger
    is raised: the owner then stops, since its last write may take effect later.
    """
    if job.is_storing_over:  # no write of the last try can take effect any more
        return fail(job, _not_stored(job), runtime)
    storing = _begin_storing(job, runtime)
    images = _result_or_error(lambda: missing_images(storing, runtime))
    if isinstance(images, Exception):
        return _stop_storing(storing, images, runtime)
    for number, image in enumerate(images, start=1):
        stored = _result_or_error(functools.partial(store_image, storing, image, runtime))
        if isinstance(stored, Exception):
            return _stop_storing(storing, stored, runtime)
        storing = storing.add_image(image.name, stored)
        if number < len(images):
            if not runtime.has_time(IMAGE_S):
                return _leave_to_sweep(storing.store_later(runtime.now()), runtime)
            storing = runtime.ledger.records.write(storing)
    error = _result_or_error(lambda: store_description(storing, runtime))
    if error is not None:
        return _stop_storing(storing, error, runtime)
    return end(storing.succeed(), runtime)


def _begin_storing(job: Job, runtime: Runtime) -> Job:
    """Write that the task has ended, then release the slot and start the next job in it."""
    ledger = runtime.ledger
    owned_until = ledger.lease.owned_until()
    wait_s = _wait_s(job.fruitless_tries + 1)
    store_after = max(owned_until, runtime.now() + timedelta(seconds=wait_s))
    storing = job.store(owned_until, store_after, store_until(job, runtime))
    note = functools.partial(ledger.records.note_follow_up, job.id, store_after)
    written: Job
    if job.state == "storing" or job.attempt.slot is None:
        # The sweep may find the job only by a note, so the note is written before the record.
        note()
        written = ledger.records.write(storing)
    else:
        # Until the slot is released, the sweep also finds the job by its slot entry.
        written, _ = runtime.parallel(lambda: ledger.records.write(storing), note)
    slot = written.attempt.slot
    if slot is None:
        return written
    is_released = ledger.slots.release(job.lane, slot, job.id)
    pump(job.lane, runtime, released=slot if is_released else None)
    return written.leave_slot()


def store_until(job: Job, runtime: Runtime) -> datetime:
    """Return the time until which storing the images of a job is tried."""
    since = job.attempt.finished_at or runtime.now()
    return since + timedelta(seconds=STORE_SHARE * KEPT_S)


def _wait_s(fruitless_tries: int) -> float:
    """Return the wait in seconds after a number of tries in a row that stored no image."""
    return with_jitter(min(STORE_WAIT_S * 2 ** min(fruitless_tries - 1, 10), LONGEST_STORE_WAIT_S))


def _result_or_error(step: Callable[[], Stored]) -> Stored | StoringError:
    """Run a step of storing; return its error instead of raising it."""
    try:
        return step()
    except (BadImageError, HostNotAllowedError, CloudError) as error:
        return error


def _stop_storing(job: Job, error: StoringError, runtime: Runtime) -> Job:
    """Fail a job whose file is not an image; after other errors leave the images to the sweep.

    A refusal is caused by the deployment or by the account, not by the job: a permission or a
    setting is missing, or the account is in arrears.
    """
    if isinstance(error, BadImageError):
        return fail(job, JobError(type="result_unusable", message=str(error)), runtime)
    is_refused = isinstance(error, (HostNotAllowedError, RefusedError, AccountError))
    logger.log(
        logging.ERROR if is_refused else logging.WARNING,
        "result_not_stored_yet",
        extra={"job": job.id, "stored": len(job.images), "detail": str(error)},
    )
    store_after = runtime.now() + timedelta(seconds=_wait_s(job.fruitless_tries + 1))
    return _leave_to_sweep(job.store_later(store_after, str(error)), runtime)


def _leave_to_sweep(job: Job, runtime: Runtime) -> Job:
    """Write that the sweep continues to store; its note is written before the record."""
    runtime.ledger.records.note_follow_up(job.id, job.store_after or runtime.now())
    return runtime.ledger.records.write(job)


def _not_stored(job: Job) -> JobError:
    message = (
        f"the images could not be stored by {job.store_until:%Y-%m-%dT%H:%M:%SZ}, when the vendor"
        f" was about to remove them: {job.storing_error or 'the invocations that stored them died'}"
    )
    return JobError(type="result_unusable", message=message)
