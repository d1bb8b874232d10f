"""Adds the labels that the settings demand to the images that a job stores."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aigc.labels.files import Labelled, add_labels
from aigc.labels.label import Producer

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from aigc.settings import Settings

logger = logging.getLogger(__name__)

VISIBLE = "visible"
"""Label of a task that requests the vendor's logo; the pixels are not checked."""


def labelled_image(job: Job, number: int, data: bytes, runtime: Runtime) -> Labelled:
    """Return an image with its labels; a repeat adds the same labels."""
    labelled = Labelled(data, ())
    if runtime.settings.labels != "none":
        producer = Producer(_producer_name(runtime.settings), f"{job.id}-{number}")
        labelled = add_labels(data, producer)
    if labelled.unlabelled:
        fields = {"job": job.id, "number": number, "reason": labelled.unlabelled}
        logger.warning("image_not_labelled", extra=fields)
    if runtime.task_of(job).visible_label():
        return labelled._replace(labels=(*labelled.labels, VISIBLE))
    return labelled


def _producer_name(settings: Settings) -> str:
    """Return the configured name of the producing service, or one made of the account's id."""
    app_id = settings.results_bucket.rpartition("-")[2]
    return settings.content_producer or f"aigc-functions-{app_id}"
