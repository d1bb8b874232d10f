"""Restore: store the images of a failed job whose task succeeded; nothing is sent or paid.

The vendors keep the images of a task for a while. So a job that failed because of the deployment
can still get the images that are paid for. `aigc jobs restore` and the API do this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from aigc.errors import CloudError
from aigc.jobs.results import has_staged
from aigc.jobs.settle import observe
from aigc.jobs.storing import KEPT_S, store_until
from aigc.jobs.transitions import has_passed
from aigc.jobs.usage import tally

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

Refusal = Literal["not_failed", "no_task", "not_succeeded", "not_kept", "busy"]

LEAST_S = 2 * 3600
"""How long storing is tried at least, even if the vendor is about to remove the images."""


@dataclass(frozen=True, slots=True)
class Restore:
    """A job whose images the sweep will store, or the reason why it will not."""

    job: Job
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _VendorImages:
    """Where the vendor has the images of a job, or why they cannot be stored."""

    image_urls: tuple[str, ...] = ()
    """Their URLs; empty if they are in the staging folder."""
    refusal: Refusal | None = None


def restore(job_id: str, runtime: Runtime) -> Restore | None:
    """Let the sweep store the images of a failed job; None if there is no such job.

    The vendor is queried for new URLs. Two restores, one after the other or at the same time, do
    the same as one: the second finds the job in `storing`.

    Raises:
        CloudError: The ledger or the results bucket failed; nothing has changed.
    """
    job = runtime.ledger.records.read(job_id)
    if job is None:
        return None
    if job.state != "failed":
        runtime.ledger.records.remove_dead_letter(job_id)
        return Restore(job, "not_failed")
    images = _find_images(job, runtime)
    if images.refusal is not None:
        return Restore(job, images.refusal)
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return Restore(job, "busy")
    tally(claimed, runtime)  # the sweep may not have counted this end yet, and then never would
    return Restore(_store_again(claimed, images, runtime))


def may_be_restored(job: Job, runtime: Runtime) -> bool:
    """Whether the task of a failed job is known to have succeeded and its images may be kept."""
    if job.state != "failed" or job.error is None or job.error.type != "result_unusable":
        return False
    try:
        return has_staged(job, runtime) or (bool(job.attempt.image_urls) and _is_kept(job, runtime))
    except CloudError:  # the staging folder was not listed, and it may hold images
        return True


def _store_again(job: Job, images: _VendorImages, runtime: Runtime) -> Job:
    """Return the job to `storing`; the note by which the sweep finds it is written first."""
    now = runtime.now()
    until = max(store_until(job, runtime), now + timedelta(seconds=LEAST_S))
    restored = job.restore(images.image_urls, now, now, until)
    runtime.ledger.records.note_follow_up(job.id, now)
    written = runtime.ledger.records.write(restored)
    # This process may have been suspended for longer than a lease; then the sweep removed the note.
    runtime.ledger.records.note_follow_up(job.id, now)
    runtime.ledger.records.remove_dead_letter(job.id)
    return written


def _find_images(job: Job, runtime: Runtime) -> _VendorImages:
    """Find the images of a job: in the staging folder, or by a query of the vendor."""
    if has_staged(job, runtime):
        return _VendorImages()
    if not job.attempt.task_id:
        return _VendorImages(refusal="no_task")
    observed = None
    try:
        observed = observe(job, runtime)
    except CloudError:
        if not job.attempt.image_urls:
            raise
    if observed is None:  # VOD forgets a task after three days, and keeps its images for seven
        may_exist = bool(job.attempt.image_urls) and _is_kept(job, runtime)
        return _VendorImages(job.attempt.image_urls, refusal=None if may_exist else "not_kept")
    if observed.state != "succeeded":
        return _VendorImages(refusal="not_succeeded")
    if not observed.image_urls:
        return _VendorImages(refusal="not_kept")
    return _VendorImages(observed.image_urls)


def _is_kept(job: Job, runtime: Runtime) -> bool:
    """Whether the vendor may still have the images of a job whose task has ended."""
    return not has_passed(KEPT_S, job.attempt.finished_at, runtime)
