"""Results: store the finished pictures, each set with a JSON file that says how it was made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aigc.errors import AmbiguousError
from aigc.jobs.buckets import staging_path
from aigc.jobs.job import Picture
from aigc.pictures import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from aigc.labels.files import Labelled


def store_pictures(job: Job, runtime: Runtime) -> tuple[Picture, ...]:
    """Fetch, check and store the pictures of a finished task, with a JSON file beside them.

    Raises:
        BadPictureError: The vendor's file is not a picture.
        CloudError: A picture could not be found, fetched or stored; a retry may succeed.
    """
    pictures = tuple(
        _store_one(job, number, data, runtime)
        for number, data in enumerate(_fetched(job, runtime), start=1)
    )
    if not pictures:  # whether MPS may say DONE before the bucket shows them is not documented
        raise AmbiguousError(f"find the pictures of task {job.attempt.task_id}")
    path = f"{job.output_location.prefix}{job.output_location.name}.json"
    runtime.buckets.results.put(path, _description(job, pictures, runtime))
    return pictures


def remove_staged(job: Job, runtime: Runtime) -> None:
    """Remove a job's pictures from the staging folder once they are stored as results."""
    if runtime.kind_of(job).stores_itself:
        # One by one: a request for several names no key, so no policy could keep it to this folder.
        for listed in runtime.buckets.results.list(staging_path(job)):
            runtime.buckets.results.delete(listed.key)


def _fetched(job: Job, runtime: Runtime) -> Iterator[bytes]:
    if runtime.kind_of(job).stores_itself:
        yield from _staged(job, runtime)
    else:
        yield from (runtime.downloads.fetch(url) for url in job.attempt.image_urls)


def _staged(job: Job, runtime: Runtime) -> list[bytes]:
    """Return the pictures of the staging folder, or download them if it is empty."""
    keys = [listed.key for listed in runtime.buckets.results.list(staging_path(job))]
    staged = [data for data in map(runtime.buckets.results.get, keys) if data is not None]
    return staged or [runtime.downloads.fetch(url) for url in job.attempt.image_urls]


def _store_one(job: Job, number: int, data: bytes, runtime: Runtime) -> Picture:
    info = inspect(data)
    key = f"{job.output_location.prefix}{job.output_location.name}-{number}.{info.extension}"
    labelled = _labelled(job, number, data, runtime)
    runtime.buckets.results.put(key, labelled.data, info.content_type)
    return Picture(
        key=key,
        content_type=info.content_type,
        width=info.width,
        height=info.height,
        size=len(labelled.data),
        labels=labelled.labels,
        unlabelled=labelled.unlabelled,
    )


def _labelled(job: Job, number: int, data: bytes, runtime: Runtime) -> Labelled:
    from aigc.jobs.labelling import labelled_picture  # noqa: PLC0415  few invocations store

    return labelled_picture(job, number, data, runtime)


def _description(job: Job, pictures: tuple[Picture, ...], runtime: Runtime) -> bytes:
    attempt = job.attempt
    task = runtime.task_of(job)
    description = {
        "job": job.id,
        "kind": job.kind,
        "source": job.source.model_dump(mode="json", exclude_defaults=True),
        "model": task.model_label(),
        "prompt": task.prompt_text(),
        # A presigned URL's query is a secret; a reader of results may not be the caller.
        "inputs": [name.partition("?")[0] for name in task.inputs()],
        "vendor_task_id": attempt.task_id,
        "created_at": job.created_at.isoformat(),
        "submitted_at": attempt.submitted_at.isoformat() if attempt.submitted_at else None,
        "finished_at": attempt.finished_at.isoformat() if attempt.finished_at else None,
        "stored_at": runtime.now().isoformat(),
        "pictures": [
            picture.model_dump() | {"key": runtime.settings.results_prefix + picture.key}
            for picture in pictures
        ],
    }
    return json.dumps(description, ensure_ascii=False, indent=2).encode()
