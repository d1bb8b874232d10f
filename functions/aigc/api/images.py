"""The list of images: all results, newest first, filtered by the keys of their index.

One call makes at most `MOST_LISTINGS` listings and one read for each image of its page. It makes a
few more reads if the index has entries of jobs that have not succeeded. A call that reaches a limit
returns the images that it has, and a cursor.
"""

from __future__ import annotations

import functools
import itertools
import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from aigc.api.jobs import described_source
from aigc.api.pages import (
    day_parameter,
    encode_cursor,
    page_limit,
    read_cursor,
    single_choice,
    source_parameter,
)
from aigc.api.progress import ANSWER_S, RESULT_URL_S, image_of
from aigc.errors import BadRecordError
from aigc.jobs.buckets import INPUTS, cos_object
from aigc.jobs.job import Source
from aigc.jobs.ledger.images import (
    IMAGES,
    ImageSet,
    ended_at,
    image_sets,
    list_images,
    position_before,
    shortened,
    words_of,
)
from aigc.jobs.ports import PAGE
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from aigc.api.call import Call
    from aigc.api.keys import Caller
    from aigc.api.openapi import schemas
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import Task
    from aigc.triggers.http import HttpRequest

logger = logging.getLogger(__name__)

MOST_LISTINGS = 10
"""Listings of 1,000 entries that one call makes; without a filter one is enough."""

ENTRIES_PER_IMAGE = 4
"""Entries of the first listing for each image of the page, if there is a filter."""

AT_ONCE = 10
"""Records that are read at the same time."""

SHOWN_PROMPT = 300
"""Characters of a prompt in a list; the job has all of it."""

PREVIEW = "imageMogr2/thumbnail/480x480>/format/webp/quality/75/ignore-error/1"
"""Smaller version of an image, made by COS when it is read: at most 480 pixels wide and high.

If the image is beyond the limits of COS's image processing, the image itself is sent.
https://www.tencentcloud.com/document/product/436/36366
"""

_CURSOR = re.compile(r"[0-9]{13}-[0-9a-zA-Z_-]{1,64}/[0-9]{1,4}")
_LAST_NUMBER = 9999
"""Larger than any number of an image: a cursor with it follows all images of a job."""


def respond(call: Call) -> HttpResponse:
    """List images, the newest first, a page at a time."""
    return HttpResponse(status=200, body=_page(_Filters.read(call), call))


# Filters


class _Cursor(NamedTuple):
    """Where a page begins: after an image of a job."""

    position: str = ""
    """The position of the job in the index."""
    number: int = 0
    """The number of the last image that was listed."""

    @classmethod
    def read(cls, request: HttpRequest) -> _Cursor:
        """Read the cursor of a call."""
        position, _, number = read_cursor(request, _CURSOR).rpartition("/")
        return cls(f"{IMAGES}{position}", int(number)) if number else cls()

    def __str__(self) -> str:
        """Encode the cursor."""
        return encode_cursor(f"{self.position.removeprefix(IMAGES)}/{self.number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filters:
    """The parameters of a list of images."""

    folder: str
    """Prefix of the images' keys in the bucket."""
    kind: str
    model: str
    source_type: str
    source_name: str
    since: date | None
    until: date | None
    words: list[str]
    limit: int
    cursor: _Cursor
    caller: Caller
    results_prefix: str

    @classmethod
    def read(cls, call: Call) -> _Filters:
        request = call.request
        source_type, source_name = source_parameter(request)
        return cls(
            folder=request.parameter("folder"),
            kind=single_choice(request, "kind", tuple(KINDS)),
            model=request.parameter("model"),
            source_type=source_type,
            source_name=source_name,
            since=day_parameter(request, "since"),
            until=day_parameter(request, "until"),
            words=words_of(request.parameter("q")),
            limit=page_limit(request),
            cursor=_Cursor.read(request),
            caller=call.caller,
            results_prefix=call.runtime.settings.results_prefix,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether some entries may be left out, so that more of them must be listed."""
        has_filter = self.folder or self.kind or self.model or self.source_type or self.words
        return bool(has_filter) or self.caller.limits.own_only

    @property
    def begin(self) -> str:
        """The key after which the newest image of the page is listed."""
        after = position_before(_midnight(self.until, days=1)) if self.until else ""
        return max(after, self.cursor.position)

    def is_too_old(self, entry: ImageSet) -> bool:
        """Whether this entry, and all that follow, are too old."""
        return self.since is not None and entry.ended_at < _midnight(self.since)

    def may_match(self, entry: ImageSet) -> bool:
        """Whether an entry can match the filters, before its record is read."""
        source = entry.source
        return (
            self.kind in {"", entry.kind}
            and (not self.model or shortened(self.model) == entry.model)
            and self.source_type in {"", source.type}
            and (not self.source_name or shortened(self.source_name) == source.name)
            and (self.results_prefix + entry.folder).startswith(self._short_folder)
            and all(word in entry.words for word in self.words)
            and self._may_see(entry)
        )

    def matches(self, job: Job, model: str) -> bool:
        """Whether a job matches the filters by the values that its entry has in short form."""
        return (
            self.model in {"", model}
            and self.source_name in {"", job.source.name}
            and (self.results_prefix + job.output_location.prefix).startswith(self.folder)
            and self.caller.may_see(job.source)
        )

    def _may_see(self, entry: ImageSet) -> bool:
        if not self.caller.limits.own_only:
            return True
        return entry.source == Source(type="call", name=shortened(self.caller.name))

    @property
    def _short_folder(self) -> str:
        """The folder, shortened as in an entry."""
        if not self.folder.startswith(self.results_prefix):
            return self.folder
        return self.results_prefix + shortened(self.folder.removeprefix(self.results_prefix))


# The list


class _Walk:
    """A walk through the index that stops at the limits of a call."""

    def __init__(self, filters: _Filters, runtime: Runtime) -> None:
        self._filters = filters
        self._runtime = runtime
        self.last = filters.cursor.position
        """Position of the last entry that was compared."""
        self._is_exhausted = False
        self.is_complete = False
        """Whether the walk has reached the last entry that can match."""

    def sets(self) -> Iterator[ImageSet]:
        """Yield the entries that can match the filters."""
        for entry in image_sets(self._keys()):
            if self._filters.is_too_old(entry):
                break
            self.last = entry.position
            if self._filters.may_match(entry):
                yield entry
        else:
            self.is_complete = self._is_exhausted
            return
        self.is_complete = True

    def _keys(self) -> Iterator[str]:
        filters = self._filters
        size = min(
            PAGE, ENTRIES_PER_IMAGE * filters.limit if filters.is_narrow else filters.limit + 2
        )
        after = filters.begin
        for _ in range(MOST_LISTINGS):
            page = list_images(self._runtime.ledger.bucket, after, size)
            yield from page
            if len(page) < size:
                self._is_exhausted = True
                return
            after, size = page[-1], PAGE
            if not self._runtime.has_time(ANSWER_S):
                return


def _page(filters: _Filters, call: Call) -> schemas.ImagePage:
    walk = _Walk(filters, call.runtime)
    sets = _entries_of_page(walk, filters)
    images = [
        (entry, image)
        for entry, finished in zip(sets, _read(sets, call.runtime), strict=True)
        if finished is not None
        for image in _images(finished, entry, filters, call)
    ]
    page = images[: filters.limit]
    if len(images) > len(page):
        entry, image = page[-1]
        cursor = str(_Cursor(entry.position, image["number"]))
    elif walk.is_complete:
        cursor = None
    else:
        cursor = str(_Cursor(walk.last, _LAST_NUMBER))
    return {"images": [image for _, image in page], "cursor": cursor}


def _entries_of_page(walk: _Walk, filters: _Filters) -> list[ImageSet]:
    """Collect entries until they have the images of a page, and one more image."""
    entries: list[ImageSet] = []
    images = 0
    for entry in walk.sets():
        remaining = entry.images - _listed_before(entry, filters)
        if remaining <= 0:
            continue
        entries.append(entry)
        images += remaining
        if images > filters.limit:
            break
    return entries


def _listed_before(entry: ImageSet, filters: _Filters) -> int:
    """Return how many images of an entry were on earlier pages."""
    return filters.cursor.number if entry.position == filters.cursor.position else 0


class _FinishedJob(NamedTuple):
    """A job that succeeded, and its task."""

    job: Job
    task: Task


def _read(sets: list[ImageSet], runtime: Runtime) -> list[_FinishedJob | None]:
    """Read the records of jobs, some at a time; None if a record does not agree with its entry."""
    reads = [functools.partial(_read_job, entry, runtime) for entry in sets]
    return runtime.parallel_in_groups(reads, AT_ONCE)


def _read_job(entry: ImageSet, runtime: Runtime) -> _FinishedJob | None:
    try:
        job = runtime.ledger.records.read(entry.job_id)
        if job is None or not entry.is_of(job):
            return None
        return _FinishedJob(job, runtime.task_of(job))
    except BadRecordError:
        logger.exception("job_unreadable", extra={"job": entry.job_id})
        return None


# One image


def _images(
    finished: _FinishedJob, entry: ImageSet, filters: _Filters, call: Call
) -> Iterator[schemas.ListedImage]:
    """Describe the images of a job after the cursor; none if the job does not match the filters."""
    runtime, (job, task) = call.runtime, finished
    if not filters.matches(job, task.model_label()):
        return
    results, process = runtime.buckets.results, _process(runtime)
    location = job.output_location
    description_url = results.presigned_url(f"{location.prefix}{location.name}.json", RESULT_URL_S)
    source, input_image = described_source(job), _input(job, task.inputs(), runtime)
    first = _listed_before(entry, filters)
    for number, image in itertools.islice(enumerate(job.images, start=1), first, None):
        yield {
            **image_of(image, runtime),
            "request_id": job.id,
            "number": number,
            "key": runtime.settings.results_prefix + image.key,
            "preview_url": results.presigned_url(image.key, RESULT_URL_S, process),
            "kind": job.kind,
            "model": task.model_label(),
            "prompt": task.prompt_text()[:SHOWN_PROMPT],
            "source": source,
            "created_at": job.created_at.isoformat(),
            "ended_at": ended_at(job).isoformat(),
            "description_url": description_url,
            "input": input_image,
            "job_url": f"{call.base_url}/v1/jobs/{job.id}",
        }


def _input(job: Job, inputs: tuple[str, ...], runtime: Runtime) -> schemas.InputImage | None:
    """Describe the image that the task started from, if callers of this stack uploaded it."""
    for url in inputs:
        bucket, key = cos_object(url)
        if _is_kept(bucket, key, job, runtime):
            sign = functools.partial(runtime.buckets.inputs[bucket].presigned_url, key)
            return {
                "bucket": bucket,
                "key": key,
                "url": sign(RESULT_URL_S),
                "preview_url": sign(RESULT_URL_S, _process(runtime)),
            }
    return None


def _is_kept(bucket: str, key: str, job: Job, runtime: Runtime) -> bool:
    """Whether an input is the job's own upload, or was uploaded for a call.

    The name of the latter cannot be guessed. Any other object may belong to another caller.
    """
    settings = runtime.settings
    if job.source.type == "upload":
        return (bucket, key) == (job.source.bucket, job.source.key)
    return bucket == settings.results_bucket and key.startswith(settings.results_prefix + INPUTS)


def _process(runtime: Runtime) -> str:
    return PREVIEW if runtime.settings.previews == "cos" else ""


def _midnight(day: date, days: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(days=days)
