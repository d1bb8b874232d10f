"""Store the images of a task that has ended, then end its job.

Storing is done in this order:

1. the record says `storing` and has the images' URLs; a note leads to the job;
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
which the vendor may have removed the images; a try that was planned before is made however late.
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
from aigc.jobs.transitions import end, fail, spread

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
"""Share of that time in which storing is tried; the rest is left for `aigc jobs restore`."""

STORE_WAIT_S = 30
"""Wait after the first try that stored no image; it doubles with each such try."""

LONGEST_STORE_WAIT_S = 2400
"""Longest wait between two tries, before it is varied by half: an hour at most."""

IMAGE_S = 15.0
"""Time that one more image needs; with less left, the sweep continues with it."""


def store_images(job: Job, runtime: Runtime) -> Job:
    """Store the images of a claimed job that are not stored yet, then end it.

    A repeat writes the same objects again: their keys follow from the job. An error of the ledger
    is raised: the owner then stops, since its last write may take effect later.
    """
    if job.is_storing_over:  # and no write of the last try can take effect any more
        return fail(job, _not_stored(job), runtime)
    storing = _begin_storing(job, runtime)
    images = _outcome_of(lambda: missing_images(storing, runtime))
    if isinstance(images, Exception):
        return _stop_storing(storing, images, runtime)
    for number, image in enumerate(images, start=1):
        stored = _outcome_of(functools.partial(store_image, storing, image, runtime))
        if isinstance(stored, Exception):
            return _stop_storing(storing, stored, runtime)
        storing = storing.add_image(image.name, stored)
        if number < len(images):
            if not runtime.has_time(IMAGE_S):
                return _write_later(storing.store_later(runtime.now()), runtime)
            storing = runtime.ledger.records.write(storing)
    error = _outcome_of(lambda: store_description(storing, runtime))
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
        # Perhaps only a note leads to the job, so the note precedes the record that names it.
        note()
        written = ledger.records.write(storing)
    else:
        # The entry at the slot leads to the job, too, until the slot is released.
        written, _ = runtime.parallel(lambda: ledger.records.write(storing), note)
    slot = written.attempt.slot
    if slot is None:
        return written
    is_released = ledger.slots.release(job.lane, slot, job.id)
    pump(job.lane, runtime, released=slot if is_released else None)
    return written.leave_slot()


def store_until(job: Job, runtime: Runtime) -> datetime:
    """Return until when storing the images of a job is tried."""
    since = job.attempt.finished_at or runtime.now()
    return since + timedelta(seconds=STORE_SHARE * KEPT_S)


def _wait_s(fruitless_tries: int) -> float:
    """Return the wait in seconds after tries in a row that stored no image."""
    return spread(min(STORE_WAIT_S * 2 ** min(fruitless_tries - 1, 10), LONGEST_STORE_WAIT_S))


def _outcome_of(step: Callable[[], Stored]) -> Stored | StoringError:
    """Run a step of storing; return its error instead of raising it."""
    try:
        return step()
    except (BadImageError, HostNotAllowedError, CloudError) as error:
        return error


def _stop_storing(job: Job, error: StoringError, runtime: Runtime) -> Job:
    """Fail a job whose file is not an image; after other errors leave the images to the sweep.

    A refusal is a fault of the deployment or of the account, not of the job: a permission or a
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
    return _write_later(job.store_later(store_after, str(error)), runtime)


def _write_later(later: Job, runtime: Runtime) -> Job:
    """Leave the other images to the sweep; the note is written before the record that names it."""
    runtime.ledger.records.note_follow_up(later.id, later.store_after or runtime.now())
    return runtime.ledger.records.write(later)


def _not_stored(job: Job) -> JobError:
    message = (
        f"the images could not be stored by {job.store_until:%Y-%m-%dT%H:%M:%SZ}, when the vendor"
        f" was about to remove them: {job.storing_error or 'the invocations that stored them died'}"
    )
    return JobError(type="result_unusable", message=message)
