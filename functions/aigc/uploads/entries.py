"""Entries: objects of the ledger with the outcome of each object of the inbox.

The key of an entry is `uploads/<stem>!<content>-<time>.<kind>`. A listing of entries has the order
of a listing of the inbox, and shows the outcome for each object without further reads.

- The stem is the object's key. Space, `!` and `"` are written as `"0`, `"1` and `"2`, so that `!`
  is less than any character of a stem and two stems have the order of their keys. A key that is
  too long or cannot be requested has its digest instead; such entries are not in order.
- The content is a digest of the object's ETag, the time its Last-Modified.
- The kind says why the entry was written: see `Kind`.

An entry that is written twice has the same body, apart from the time at which it was written.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from aigc.errors import DamagedError
from aigc.jobs.ports import PAGE
from aigc.object_keys import LONGEST_KEY, checked_key
from aigc.wire import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.ports import ObjectStore

PREFIX = "uploads/"

Kind = Literal["job", "none", "before", "redo"]
"""`job`: it became one or more jobs. `none`: it cannot become a job. `before`: it was in the inbox
before a rule matched it. `redo`: it became another job, on request."""

Reason = Literal[
    "no_rule",
    "empty",
    "too_large",
    "not_an_image",
    "invalid",
    "missing_metadata",
    "not_a_batch",
    "unusable_key",
    "unreadable",
    "before_rule",
    "not_an_upload",
]
"""Why an object has no job."""

_LONGEST_STEM = LONGEST_KEY - 90
_DIGEST = 34
"""Number of characters of a digest in a stem, with the two characters before it."""

_ESCAPES = str.maketrans({" ": '"0', "!": '"1', '"': '"2'})
_NAME = re.compile(
    r"(?P<stem>.+)!(?P<content>[0-9a-f]{16})-(?P<time>[0-9a-f]{8,})"
    r"\.(?P<kind>job|none|before|redo)(?:-(?P<job>[0-9a-f]{32}))?",
    re.DOTALL,
)


class EntryJob(Record):
    """A job that was made of an object, and its rule."""

    rule: str
    id: str


class Entry(Record):
    """The outcome of one content of one object."""

    key: str
    etag: str
    size: int
    """Bytes."""
    modified: datetime
    """When the object was written, to the second."""
    kind: Kind
    noted_at: datetime
    jobs: tuple[EntryJob, ...] = ()
    batch: str = ""
    """The batch that it became."""
    reason: Reason | None = None
    """Why there is no job; None if there is one."""
    detail: str = ""
    """The reason as a text; for an object with jobs, the rules that made no job, with reasons."""
    metadata: str = ""
    """Digest of the object's own metadata `x-cos-meta-aigc-*`."""


@dataclass(frozen=True, slots=True)
class EntryName:
    """The parts of the key of an entry."""

    stem: str
    content: str
    time: int
    """Unix seconds of the object's Last-Modified."""
    kind: str
    job_id: str = ""
    """The job, if the entry is for a job on request."""

    @property
    def key(self) -> str:
        """The entry's key in the ledger."""
        job = f"-{self.job_id}" if self.job_id else ""
        return f"{PREFIX}{self.stem}!{self.content}-{self.time:08x}.{self.kind}{job}"

    @classmethod
    def parse(cls, key: str) -> EntryName | None:
        """Return the parts of the key of an entry; None if the key is not one of an entry."""
        match = _NAME.fullmatch(key.removeprefix(PREFIX))
        if match is None:
            return None
        stem, content, time, kind, job_id = match.groups(default="")
        return cls(stem, content, int(time, 16), kind, job_id)


class Entries:
    """The entries of a ledger."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def write(self, entry: Entry) -> None:
        """Write an entry; it may be written again, or late."""
        job_id = (entry.batch or entry.jobs[0].id) if entry.kind == "redo" else ""
        name = name_of(entry.key, entry.etag, entry.modified, entry.kind, job_id)
        self._store.put(name.key, entry.model_dump_json(exclude_none=True).encode())

    def read(self, name: EntryName) -> Entry | None:
        """Return an entry; None if it does not exist.

        Raises:
            DamagedError: It cannot be read.
        """
        body = self._store.get(name.key)
        if body is None:
            return None
        try:
            return Entry.model_validate_json(body)
        except ValidationError:
            raise DamagedError(f"the entry {name.key} cannot be read") from None

    def between(self, first: str, last: str) -> Iterator[EntryName]:
        """Yield the names of the entries for keys from `first` to `last`."""
        marker = PREFIX + _cut(first.translate(_ESCAPES), _LONGEST_STEM)
        highest = last.translate(_ESCAPES)
        while page := self._store.list(PREFIX, marker, PAGE):
            for listed in page:
                name = EntryName.parse(listed.key)
                if name is not None and name.stem > highest:
                    return
                if name is not None:
                    yield name
            if len(page) < PAGE:
                return
            marker = page[-1].key

    def of_key(self, key: str) -> list[EntryName]:
        """Return the names of the entries for a key, for all of its contents."""
        page = self._store.list(f"{PREFIX}{stem_of(key)}!", "", PAGE)
        names = (EntryName.parse(listed.key) for listed in page)
        return [name for name in names if name is not None]


def stem_of(key: str) -> str:
    """Return the stem of a key; stems have the order of their keys."""
    stem = key.translate(_ESCAPES)
    try:
        checked_key(key)
    except ValueError:
        return _digest_stem("", key)
    if len(stem.encode()) <= _LONGEST_STEM:
        return stem
    return _digest_stem(_cut(stem, _LONGEST_STEM - _DIGEST), key)


def _digest_stem(begin: str, key: str) -> str:
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f'{begin}"9{digest[: _DIGEST - 2]}'


def _cut(text: str, size: int) -> str:
    """Return the beginning of a text that has at most so many bytes."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")


def content_of(etag: str) -> str:
    """Return the digest of an ETag that stands for the content in the key of an entry."""
    return hashlib.sha256(etag.encode()).hexdigest()[:16]


def name_of(key: str, etag: str, modified: datetime, kind: Kind, job_id: str = "") -> EntryName:
    """Return the name of the entry for one content of an object."""
    return EntryName(stem_of(key), content_of(etag), seconds(modified), kind, job_id)


def seconds(moment: datetime) -> int:
    """Return whole Unix seconds: COS stores the time of an object in seconds."""
    return int(moment.timestamp())
