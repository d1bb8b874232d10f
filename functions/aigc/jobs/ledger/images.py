"""The index of images: each job that succeeded, newest first, under a key that filters can read.

`images/<newest first>-<id>~<kind>~<model>~<call|upload>~<name>~<folder>~<images>~<words>`

The time is when the vendor's task ended. It is in the record before an image is stored, so each
try to end the job writes the same key. A listing of a thousand keys is enough to choose jobs by
kind, model, source, folder and the words of the prompt; the images themselves are in the record.

| what happens | what is listed |
|---|---|
| the invocation dies before the entry | nothing; the next try writes it |
| it dies before the record says `succeeded` | nothing; the next try writes the same entry |
| two invocations write the entry | the job, once: the key is the same |
| the job fails after the entry, and a restore ends it | the job, once: the key is the same |
| the same, and a replay ends it | the job, once: only one entry has the time of the record |

So an entry leads to a job, and the record decides. No entry is ever removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import quote, unquote

from aigc.jobs.job import Source, from_milliseconds, milliseconds
from aigc.jobs.ports import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.ports import ObjectStore

IMAGES = "images/"

LONGEST_KEY = 850
"""Bytes of a key, as COS counts them."""

LONGEST_FIELD = 160
"""Bytes of a quoted model, name or folder, each of which callers may choose."""

_LAST_MS = 10**13
_KEY = re.compile(
    r"images/(?P<time>[0-9]{13})-(?P<id>[0-9a-zA-Z_-]{1,64})~(?P<kind>[^~]*)~(?P<model>[^~]*)"
    r"~(?P<type>call|upload)~(?P<name>[^~]*)~(?P<folder>[^~]*)~(?P<images>[0-9]{1,4})"
    r"~(?P<words>[^~]*)"
)
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The images of one job, as the key of their entry names them."""

    job_id: str
    ended_at: datetime
    """When the vendor's task ended, in whole milliseconds."""
    kind: str
    model: str
    """Model and version, shortened."""
    source: Source
    """Type and shortened name of the source, nothing else."""
    folder: str
    """Prefix of the images' keys, shortened."""
    images: int
    """Number of images."""
    words: str
    """The words of the prompt, as far as they fit into the key."""

    @property
    def position(self) -> str:
        """Beginning of the key, unique to the job. A listing after it begins with this entry."""
        return f"{IMAGES}{_LAST_MS - milliseconds(self.ended_at):013d}-{self.job_id}"

    @property
    def key(self) -> str:
        """The key of the entry."""
        fields = (
            self.kind,
            self.model,
            self.source.type,
            self.source.name,
            self.folder,
            str(self.images),
        )
        begin = "~".join((self.position, *(_quoted(field) for field in fields), ""))
        return begin + _truncated(self.words, LONGEST_KEY - len(begin.encode()))

    @classmethod
    def of(cls, key: str) -> ImageSet | None:
        """Parse the key of an entry; None if it is not one."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        source_type = cast("Literal['call', 'upload']", match["type"])
        return cls(
            job_id=match["id"],
            ended_at=from_milliseconds(_LAST_MS - int(match["time"])),
            kind=unquote(match["kind"]),
            model=unquote(match["model"]),
            source=Source(type=source_type, name=unquote(match["name"])),
            folder=unquote(match["folder"]),
            images=int(match["images"]),
            words=match["words"],
        )

    def without_texts(self) -> ImageSet:
        """Leave out texts that callers and uploaders chose; filters by them do not find the job."""
        source = Source(type=self.source.type, name="")
        return replace(self, model="", source=source, folder="", words="")

    def is_of(self, job: Job) -> bool:
        """Whether the job has succeeded, and its task ended at the time of this entry."""
        is_same_time = milliseconds(ended_at(job)) == milliseconds(self.ended_at)
        return is_same_time and job.state == "succeeded"


def image_set(job: Job, model: str, prompt: str) -> ImageSet:
    """Describe the images of a job that is about to succeed."""
    return ImageSet(
        job_id=job.id,
        ended_at=ended_at(job),
        kind=job.kind,
        model=shortened(model),
        source=Source(type=job.source.type, name=shortened(job.source.name)),
        folder=shortened(job.output_location.prefix),
        images=len(job.images),
        words="_".join(words_of(prompt)),
    )


def ended_at(job: Job) -> datetime:
    """Return when the vendor's task ended: the time by which the images of a job are sorted."""
    return job.attempt.finished_at or job.created_at


def words_of(text: str) -> list[str]:
    """Split a text into its words, in lower case, each of them once."""
    return list(dict.fromkeys(_SEPARATORS.sub(" ", text.casefold()).split()))


def list_images(store: ObjectStore, after: str = "", limit: int = PAGE) -> list[str]:
    """List keys of entries after `after`, the newest first."""
    return [listed.key for listed in store.list(IMAGES, after, limit)]


def position_before(moment: datetime) -> str:
    """Return the key after which the entries begin whose tasks ended before a moment."""
    return f"{IMAGES}{_LAST_MS - milliseconds(moment) + 1:013d}"


def image_sets(keys: Iterable[str]) -> Iterable[ImageSet]:
    """Parse keys; of two entries about the same end of a job, one is left out.

    Two versions may name the same end differently: then the two keys are neighbours.
    """
    last = ""
    for key in keys:
        parsed = ImageSet.of(key)
        if parsed is not None and parsed.position != last:
            last = parsed.position
            yield parsed


def shortened(text: str) -> str:
    """Return as much of a text as fits into its field of a key."""
    return unquote(_quoted(text))


def _quoted(text: str) -> str:
    """Quote characters that separate the parts of a key, or that XML cannot hold; shorten."""
    quoted = ""
    for character in text:
        longer = quoted + (character if _is_plain(character) else _percent(character))
        if len(longer.encode()) > LONGEST_FIELD:
            break
        quoted = longer
    return quoted


def _is_plain(character: str) -> bool:
    return character.isalnum() or character in "-_./"


def _percent(character: str) -> str:
    return "%7E" if character == "~" else quote(character, safe="", errors="replace")


def _truncated(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
