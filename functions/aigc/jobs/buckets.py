"""The buckets with images, and the folders of the results bucket that are not for results."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Inbox, ObjectStore

STAGING = ".aigc/mps/"
"""The staging folder among the results; only MPS writes there, a lifecycle rule empties it."""

INPUTS = ".aigc/inputs/"
"""Folder among the results for uploaded inputs; a lifecycle rule empties it."""

INPUT_URL_S = 6 * 3600
"""How long the vendor may fetch an input; a role's temporary key may end it earlier."""


class Buckets(NamedTuple):
    """The buckets that images are read from and written to."""

    results: ObjectStore
    """The results bucket, or its folder `results_prefix`: keys are relative to it."""
    inbox: Inbox
    inputs: Mapping[str, Inbox]
    """The buckets with inputs of tasks, by name; their keys are whole."""

    def input_url(self, url: str) -> str:
        """Return a URL under which the vendor can fetch an input, for INPUT_URL_S."""
        bucket, key = cos_object(url)
        if bucket not in self.inputs:
            return url
        return self.inputs[bucket].presigned_url(key, INPUT_URL_S)


def cos_object(url: str) -> tuple[str, str]:
    """Split `cos://<bucket>/<key>`; the bucket of any other URL is empty."""
    scheme, _, path = url.partition("://")
    bucket, _, key = path.partition("/")
    return (bucket, key) if scheme == "cos" else ("", "")


def staging_path(job: Job) -> str:
    """Return the staging folder of a job's present attempt."""
    return f"{STAGING}{job.id}/{job.attempt.number}/"
