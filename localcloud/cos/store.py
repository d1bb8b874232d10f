"""Buckets and objects: large contents in files, the rest in memory and in a journal."""

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
"""Contents up to this size are kept in memory: a file for each would cost more than all the rest
of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object's metadata, and its content if that is small."""

    key: str
    size: int
    etag: str
    modified: float
    headers: dict[str, str]
    """What a GET gives back: Content-Type, Cache-Control…, x-cos-meta-*."""
    file: str
    """The name of the file that holds its content; empty where that is small."""
    small: str | None = None
    """Its content as Latin-1, which any bytes are; None where there is a file."""
    acl: str = "default"
    tags: dict[str, str] = field(default_factory=dict)
    crc64: int | None = None
    """None where it was stored before this was kept."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a bucket: objects and, with a delimiter, the groups between them."""

    objects: list[StoredObject]
    groups: list[str]
    is_truncated: bool
    next_marker: str


@dataclass(slots=True)
class Bucket:
    """A bucket: its settings, and its objects by key with the keys in order."""

    name: str
    region: str
    created: float
    acl: str = PRIVATE
    settings: dict[str, str] = field(default_factory=dict)
    """Documents of its sub-resources (`cors`, `lifecycle`…), as they were put."""
    objects: dict[bytes, StoredObject] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def is_versioned(self) -> bool:
        """Whether versioning was ever enabled and is not suspended now."""
        return "<Status>Enabled</Status>" in self.settings.get("versioning", "")

    def add(self, stored: StoredObject) -> StoredObject | None:
        """Index an object and return the one that it replaces; the lock is held."""
        key = stored.key.encode()
        replaced = self.objects.get(key)
        if replaced is None:
            bisect.insort(self.keys, key)
        self.objects[key] = stored
        self.changes.note(key, replaced)
        return replaced

    def remove(self, key: str) -> StoredObject | None:
        """Remove an object from the index and return it; the lock is held."""
        removed = self.objects.pop(key.encode(), None)
        if removed is not None:
            del self.keys[bisect.bisect_left(self.keys, key.encode())]
            self.changes.note(key.encode(), removed)
        return removed

    def listing(
        self, prefix: str, marker: str, delimiter: str, limit: int, *, lag: float = 0
    ) -> Listing:
        """List in the order of the keys' UTF-8 bytes, what sorts behind the marker only.

        Args:
            prefix: What the listed keys begin with.
            marker: The key or group behind which the page begins.
            delimiter: What ends a group; empty lists keys only.
            limit: How many keys and groups a page has.
            lag: How many real seconds the listing is late; 0 lists the present.
        """
        with self.lock:
            past = self.changes.undone(lag) if lag else {}
            keys = self._keys_before(past) if past else self.keys
            page: list[tuple[bytes, bool]] = []
            for entry in _Walk(keys, prefix.encode(), marker.encode(), delimiter.encode()):
                if len(page) == limit:
                    return self._page(page, past, is_truncated=True)
                page.append(entry)
            return self._page(page, past, is_truncated=False)

    def _keys_before(self, past: dict[bytes, StoredObject | None]) -> list[bytes]:
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


class _Walk:
    """Walks sorted keys; all keys of a group are skipped in one step."""

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
        """Close the journal; later changes are lost."""
        self._journal.close()

    # Buckets

    def create_bucket(self, bucket: Bucket) -> None:
        """Add a bucket.

        Raises:
            CosError: It exists already.
        """
        with self._lock:
            if bucket.name in self._buckets:
                raise CosError("BucketAlreadyOwnedByYou", "You already own this bucket.")
            self._buckets[bucket.name] = bucket
            self.note_bucket(bucket)

    def bucket(self, name: str) -> Bucket:
        """Find a bucket.

        Raises:
            CosError: There is none of this name.
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
            CosError: It is not empty.
        """
        with self._lock, bucket.lock:
            if bucket.keys:
                raise CosError("BucketNotEmpty", "The bucket you tried to delete is not empty.")
            self._buckets.pop(bucket.name, None)
            self._journal.write(_bucket_name(bucket.name), None)

    def note_bucket(self, bucket: Bucket) -> None:
        """Keep a bucket's settings."""
        settings = {
            name: getattr(bucket, name) for name in ("region", "created", "acl", "settings")
        }
        self._journal.write(_bucket_name(bucket.name), settings)

    # Objects

    def check_absent(self, bucket: Bucket, key: str) -> None:
        """Refuse a key that exists.

        Raises:
            CosError: It exists.
        """
        if key.encode() in bucket.objects:
            raise _exists()

    def put(
        self, bucket: Bucket, stored: StoredObject, content: bytes, *, unless_exists: bool
    ) -> None:
        """Write an object; readers see the old one or the new one, whole.

        Raises:
            CosError: The key exists, and was to be written only if not.
        """
        if unless_exists:
            self.check_absent(bucket, stored.key)
        if stored.small is None:
            (self._files / stored.file).write_bytes(content)
        with bucket.lock:
            is_refused = unless_exists and stored.key.encode() in bucket.objects
            forgotten = stored if is_refused else bucket.add(stored)
            if not is_refused:
                self._journal.write(_object_name(bucket.name, stored.key), _noted(stored))
        self._forget(forgotten)
        if is_refused:
            raise _exists()

    def find(self, bucket: Bucket, key: str) -> StoredObject:
        """Look an object up.

        Raises:
            CosError: There is none.
        """
        stored = bucket.objects.get(key.encode())
        if stored is None:
            raise CosError("NoSuchKey", "The specified key does not exist.")
        return stored

    def read(self, bucket: Bucket, key: str) -> tuple[StoredObject, bytes]:
        """Read an object with its content.

        Raises:
            CosError: There is none.
        """
        with bucket.lock:
            stored = self.find(bucket, key)
            return stored, self._content(stored)

    def amend(self, bucket: Bucket, key: str, **attributes: Any) -> None:  # noqa: ANN401  fields
        """Change an object's access list or tags; its content and its time stay.

        Raises:
            CosError: There is none.
        """
        with bucket.lock:
            amended = replace(self.find(bucket, key), **attributes)
            bucket.objects[key.encode()] = amended
            self._journal.write(_object_name(bucket.name, key), _noted(amended))

    def delete(self, bucket: Bucket, key: str) -> None:
        """Remove an object if it exists."""
        with bucket.lock:
            removed = bucket.remove(key)
            if removed is not None:
                self._journal.write(_object_name(bucket.name, key), None)
        self._forget(removed)

    def _content(self, stored: StoredObject) -> bytes:
        if stored.small is not None:
            return stored.small.encode("latin-1")
        return (self._files / stored.file).read_bytes()

    def _forget(self, stored: StoredObject | None) -> None:
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
    """Build the metadata of an object that will have this content."""
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


def _noted(stored: StoredObject) -> dict[str, Any]:
    """Write an object down as it is; `asdict` would copy it through and through."""
    return {attribute.name: getattr(stored, attribute.name) for attribute in fields(stored)}


def _exists() -> CosError:
    return CosError("FileAlreadyExists", "The file already exists.")


def _bucket_name(bucket: str) -> str:
    return f"bucket:{bucket}"


def _object_name(bucket: str, key: str) -> str:
    return f"object:{bucket}/{key}"
