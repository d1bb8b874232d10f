"""Buckets and objects: large contents are in files, all else in memory and in a journal."""

from __future__ import annotations

import bisect
import contextlib
import threading
import uuid
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from localcloud.cos.changes import Changes
from localcloud.cos.digests import crc64, md5
from localcloud.cos.errors import CosError
from localcloud.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE = "private"
SMALL = 16 * 1024
"""The largest content that is kept in memory: writing a file takes longer than the rest of a
request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """The entry of an object: its metadata, and its content if that is small."""

    key: str
    size: int
    etag: str
    modified: float
    headers: dict[str, str]
    """The headers that a GET returns: Content-Type, Cache-Control…, x-cos-meta-*."""
    file: str
    """The name of the file with the content; empty if the content is small."""
    small: str | None = None
    """The content decoded as Latin-1, which every byte string allows; None if it is in a file."""
    acl: str = "default"
    tags: dict[str, str] = field(default_factory=dict)
    crc64: int | None = None
    """None if the object was stored by a version that did not compute it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a bucket: objects and, with a delimiter, groups of keys."""

    objects: list[StoredObject]
    groups: list[str]
    is_truncated: bool
    next_marker: str


@dataclass(slots=True)
class Bucket:
    """A bucket: its settings, its objects by key, and the sorted keys."""

    name: str
    region: str
    created: float
    acl: str = PRIVATE
    settings: dict[str, str] = field(default_factory=dict)
    """The documents of its sub-resources (`cors`, `lifecycle`…), unchanged."""
    objects: dict[bytes, StoredObject] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def is_versioned(self) -> bool:
        """Whether versioning is enabled."""
        return "<Status>Enabled</Status>" in self.settings.get("versioning", "")

    def add(self, stored: StoredObject) -> StoredObject | None:
        """Index an object and return the one that it replaces; the lock is held."""
        key = stored.key.encode()
        replaced = self.objects.get(key)
        if replaced is None:
            bisect.insort(self.keys, key)
        self.objects[key] = stored
        self.changes.record(key, replaced)
        return replaced

    def remove(self, key: str) -> StoredObject | None:
        """Remove an object from the index and return it; the lock is held."""
        removed = self.objects.pop(key.encode(), None)
        if removed is not None:
            del self.keys[bisect.bisect_left(self.keys, key.encode())]
            self.changes.record(key.encode(), removed)
        return removed

    def listing(
        self, prefix: str, marker: str, delimiter: str, limit: int, *, lag: float = 0
    ) -> Listing:
        """Return a page of keys and groups after the marker, sorted by their UTF-8 bytes.

        Args:
            prefix: The beginning of the listed keys.
            marker: The key or group after which the page begins.
            delimiter: The end of the name of a group of keys; empty lists no groups.
            limit: The largest number of keys and groups in a page.
            lag: The age of the listed state, in real seconds.
        """
        with self.lock:
            past = self.changes.previous_entries(lag) if lag else {}
            keys = self._past_keys(past) if past else self.keys
            page: list[tuple[bytes, bool]] = []
            for entry in _KeyWalk(keys, prefix.encode(), marker.encode(), delimiter.encode()):
                if len(page) == limit:
                    return self._page(page, past, is_truncated=True)
                page.append(entry)
            return self._page(page, past, is_truncated=False)

    def _past_keys(self, past: dict[bytes, StoredObject | None]) -> list[bytes]:
        unchanged = [key for key in self.keys if key not in past]
        return sorted(unchanged + [key for key, stored in past.items() if stored is not None])

    def _page(
        self,
        page: list[tuple[bytes, bool]],
        past: dict[bytes, StoredObject | None],
        *,
        is_truncated: bool,
    ) -> Listing:
        objects = [past.get(key) or self.objects[key] for key, is_group in page if not is_group]
        groups = [key.decode() for key, is_group in page if is_group]
        last = page[-1][0].decode() if page and is_truncated else ""
        return Listing(objects, groups, is_truncated, last)


class _KeyWalk:
    """Iterates over sorted keys and groups; skips the keys of a group in one step."""

    def __init__(self, keys: list[bytes], prefix: bytes, marker: bytes, delimiter: bytes) -> None:
        self._keys = keys
        self._prefix = prefix
        self._marker = marker
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        keys = self._keys
        at = max(bisect.bisect_left(keys, self._prefix), bisect.bisect_right(keys, self._marker))
        while at < len(keys) and keys[at].startswith(self._prefix):
            group = self._group(keys[at])
            if group is None:
                yield keys[at], False
                at += 1
                continue
            if group > self._marker:
                yield group, True
            at = bisect.bisect_left(keys, group + b"\xff", at)  # 0xff occurs nowhere in UTF-8

    def _group(self, key: bytes) -> bytes | None:
        if not self._delimiter:
            return None
        end = key.find(self._delimiter, len(self._prefix))
        return None if end < 0 else key[: end + len(self._delimiter)]


class Store:
    """All buckets, kept in a folder and restored from it."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "objects"
        self._files.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(folder / "index.jsonl")
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()
        for name, value in self._journal.entries.items():
            self._restore(name, value)
        for bucket in self._buckets.values():
            bucket.keys = sorted(bucket.objects)

    def close(self) -> None:
        """Close the journal; later changes are not stored."""
        self._journal.close()

    # Buckets

    def create_bucket(self, bucket: Bucket) -> None:
        """Add a bucket.

        Raises:
            CosError: The bucket exists already.
        """
        with self._lock:
            if bucket.name in self._buckets:
                raise CosError("BucketAlreadyOwnedByYou", "You already own this bucket.")
            self._buckets[bucket.name] = bucket
            self.save_bucket(bucket)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            CosError: The bucket does not exist.
        """
        bucket = self._buckets.get(name)
        if bucket is None:
            raise CosError("NoSuchBucket", f"The specified bucket {name} does not exist.")
        return bucket

    def buckets(self) -> list[Bucket]:
        """List all buckets."""
        return list(self._buckets.values())

    def delete_bucket(self, bucket: Bucket) -> None:
        """Remove an empty bucket.

        Raises:
            CosError: The bucket is not empty.
        """
        with self._lock, bucket.lock:
            if bucket.keys:
                raise CosError("BucketNotEmpty", "The bucket you tried to delete is not empty.")
            self._buckets.pop(bucket.name, None)
            self._journal.write(_bucket_journal_key(bucket.name), None)

    def save_bucket(self, bucket: Bucket) -> None:
        """Write a bucket's settings into the journal."""
        settings = {
            name: getattr(bucket, name) for name in ("region", "created", "acl", "settings")
        }
        self._journal.write(_bucket_journal_key(bucket.name), settings)

    # Objects

    def check_absent(self, bucket: Bucket, key: str) -> None:
        """Raise if a key exists.

        Raises:
            CosError: The key exists.
        """
        if key.encode() in bucket.objects:
            raise _exists()

    def put(
        self, bucket: Bucket, stored: StoredObject, content: bytes, *, forbid_overwrite: bool
    ) -> None:
        """Write an object; a reader gets the previous or the new object, complete.

        Raises:
            CosError: The key exists, and overwriting is forbidden.
        """
        if forbid_overwrite:
            self.check_absent(bucket, stored.key)
        if stored.small is None:
            (self._files / stored.file).write_bytes(content)
        with bucket.lock:
            is_conflict = forbid_overwrite and stored.key.encode() in bucket.objects
            unused = stored if is_conflict else bucket.add(stored)
            if not is_conflict:
                self._journal.write(_object_journal_key(bucket.name, stored.key), _as_json(stored))
        self._delete_file(unused)
        if is_conflict:
            raise _exists()

    def find(self, bucket: Bucket, key: str) -> StoredObject:
        """Return an object.

        Raises:
            CosError: The object does not exist.
        """
        stored = bucket.objects.get(key.encode())
        if stored is None:
            raise CosError("NoSuchKey", "The specified key does not exist.")
        return stored

    def read(self, bucket: Bucket, key: str) -> tuple[StoredObject, bytes]:
        """Return an object and its content.

        Raises:
            CosError: The object does not exist.
        """
        with bucket.lock:
            stored = self.find(bucket, key)
            return stored, self._content(stored)

    def update(self, bucket: Bucket, key: str, **attributes: Any) -> None:  # noqa: ANN401  fields
        """Change an object's ACL or tags, and neither its content nor its time.

        Raises:
            CosError: The object does not exist.
        """
        with bucket.lock:
            updated = replace(self.find(bucket, key), **attributes)
            bucket.objects[key.encode()] = updated
            self._journal.write(_object_journal_key(bucket.name, key), _as_json(updated))

    def delete(self, bucket: Bucket, key: str) -> None:
        """Remove an object if it exists."""
        with bucket.lock:
            removed = bucket.remove(key)
            if removed is not None:
                self._journal.write(_object_journal_key(bucket.name, key), None)
        self._delete_file(removed)

    def _content(self, stored: StoredObject) -> bytes:
        if stored.small is not None:
            return stored.small.encode("latin-1")
        return (self._files / stored.file).read_bytes()

    def _delete_file(self, stored: StoredObject | None) -> None:
        if stored is not None and stored.small is None:
            with contextlib.suppress(FileNotFoundError):
                (self._files / stored.file).unlink()

    def _restore(self, name: str, value: dict[str, Any]) -> None:
        kind, _, rest = name.partition(":")
        if kind == "bucket":
            self._buckets[rest] = Bucket(name=rest, **value)
        else:
            bucket = self._buckets[rest.partition("/")[0]]
            bucket.objects[value["key"].encode()] = StoredObject(**value)


def describe(key: str, content: bytes, modified: float, headers: dict[str, str]) -> StoredObject:
    """Build the entry of an object with this content."""
    is_small = len(content) <= SMALL
    return StoredObject(
        key=key,
        size=len(content),
        etag=md5(content),
        modified=modified,
        headers=headers,
        file="" if is_small else uuid.uuid4().hex,
        small=content.decode("latin-1") if is_small else None,
        crc64=crc64(content),
    )


def _as_json(stored: StoredObject) -> dict[str, Any]:
    """Return an object for the journal; `asdict` would copy each of its values."""
    return {attribute.name: getattr(stored, attribute.name) for attribute in fields(stored)}


def _exists() -> CosError:
    return CosError("FileAlreadyExists", "The file already exists.")


def _bucket_journal_key(bucket: str) -> str:
    return f"bucket:{bucket}"


def _object_journal_key(bucket: str, key: str) -> str:
    return f"object:{bucket}/{key}"
