"""Results: stores finished images one by one, and a JSON file that says how they were made."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc.errors import AmbiguousError, BadImageError
from aigc.image_files import inspect
from aigc.jobs.buckets import STAGING, staging_path
from aigc.jobs.job import StoredImage
from aigc.jobs.transitions import has_passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime


LISTING_LAG_S = 90
"""How long the bucket may show only some of the images of a task; see the assumptions of COS."""


MPS_KEPT_S = 12 * 3600
"""How long MPS itself keeps images: `ImageUrls` of DescribeAigcImageTask."""


@dataclass(frozen=True, slots=True)
class VendorImage:
    """One of the images that a vendor's task has made."""

    name: str
    """Its name among the images of the task: a number, or a key of the staging folder."""
    fetch: Callable[[], bytes]
    """Returns its bytes."""


def missing_images(job: Job, runtime: Runtime) -> list[VendorImage]:
    """List the images of a finished task that are not stored yet; each of them can be fetched.

    Raises:
        AmbiguousError: There are none yet.
        BadImageError: The vendor has removed the images.
        CloudError: The staging folder could not be listed.
    """
    images = _vendor_images(job, runtime)
    if not images:  # whether MPS may say DONE before the bucket shows them is not documented
        raise AmbiguousError(f"find the images of task {job.attempt.task_id}")
    return [image for image in images if image.name not in job.stored_names]


def store_image(job: Job, image: VendorImage, runtime: Runtime) -> StoredImage:
    """Fetch, check and store the next image of a job.

    Raises:
        BadImageError: The vendor's file is not an image.
        HostNotAllowedError: The image is on a host from which nothing is downloaded.
        CloudError: It could not be fetched or stored; a retry may succeed.
    """
    from aigc.jobs.labelling import labelled_image  # noqa: PLC0415  few invocations store

    data, number = image.fetch(), len(job.images) + 1
    info = inspect(data)
    key = f"{job.output_location.prefix}{job.output_location.name}-{number}.{info.extension}"
    labelled = labelled_image(job, number, data, runtime)
    runtime.buckets.results.put(key, labelled.data, info.content_type)
    return StoredImage(
        key=key,
        content_type=info.content_type,
        width=info.width,
        height=info.height,
        size=len(labelled.data),
        labels=labelled.labels,
        unlabelled=labelled.unlabelled,
    )


def store_description(job: Job, runtime: Runtime) -> None:
    """Store the JSON file that says how the images of a job were made.

    Raises:
        CloudError: It could not be stored; a retry may succeed.
    """
    path = f"{job.output_location.prefix}{job.output_location.name}.json"
    runtime.buckets.results.put(path, _description(job, runtime))


def has_staged(job: Job, runtime: Runtime) -> bool:
    """Whether the vendor has left images of a job's last attempt in the staging folder."""
    if not runtime.kind_of(job).stores_itself:
        return False
    return bool(runtime.buckets.results.list(staging_path(job), limit=1))


def remove_staged(job: Job, runtime: Runtime) -> None:
    """Remove the images of all attempts of a job that succeeded from the staging folder.

    Images of a failed job stay: they are paid for, and `aigc jobs restore` can store them.
    """
    if job.state == "succeeded" and runtime.kind_of(job).stores_itself:
        # One by one: a policy cannot limit a request that deletes several objects to a folder.
        for listed in runtime.buckets.results.list(f"{STAGING}{job.id}/"):
            runtime.buckets.results.delete(listed.key)


def _vendor_images(job: Job, runtime: Runtime) -> list[VendorImage]:
    """List the images in the staging folder, or, if there are none, at the vendor's URLs."""
    if runtime.kind_of(job).stores_itself:
        keys = _staged_keys(job, runtime)
        if keys:
            return [VendorImage(key, functools.partial(_read_staged, key, runtime)) for key in keys]
        if has_passed(MPS_KEPT_S, job.attempt.finished_at, runtime):
            raise BadImageError("MPS has left no image in the staging folder, and has none now")
    return [
        VendorImage(str(number), functools.partial(runtime.downloads.fetch, url))
        for number, url in enumerate(job.attempt.image_urls, start=1)
    ]


def _staged_keys(job: Job, runtime: Runtime) -> list[str]:
    """List the images of the staging folder.

    Raises:
        AmbiguousError: There are fewer than were requested, and the listing may be late.
    """
    keys = [listed.key for listed in runtime.buckets.results.list(staging_path(job))]
    expected = max(len(job.attempt.image_urls), runtime.task_of(job).image_count())
    may_be_late = not has_passed(LISTING_LAG_S, job.attempt.finished_at, runtime)
    if 0 < len(keys) < expected and may_be_late:
        raise AmbiguousError(f"find {expected} images of task {job.attempt.task_id}")
    return keys


def _read_staged(key: str, runtime: Runtime) -> bytes:
    data = runtime.buckets.results.get(key)
    if data is None:  # the listing was late
        raise AmbiguousError(f"read {key}")
    return data


def _description(job: Job, runtime: Runtime) -> bytes:
    attempt = job.attempt
    task = runtime.task_of(job)
    description = {
        "job": job.id,
        "kind": job.kind,
        "source": job.source.model_dump(mode="json", exclude_defaults=True),
        "model": task.model_label(),
        "prompt": task.prompt_text(),
        # The query of a presigned URL is a secret, and others than the caller may read results.
        "inputs": [url.partition("?")[0] for url in task.inputs()],
        "vendor_task_id": attempt.task_id,
        "created_at": job.created_at.isoformat(),
        "submitted_at": attempt.submitted_at.isoformat() if attempt.submitted_at else None,
        "finished_at": attempt.finished_at.isoformat() if attempt.finished_at else None,
        "stored_at": runtime.now().isoformat(),
        "images": [
            image.model_dump() | {"key": runtime.settings.results_prefix + image.key}
            for image in job.images
        ],
    }
    return json.dumps(description, ensure_ascii=False, indent=2).encode()
