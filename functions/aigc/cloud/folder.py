"""A folder of a bucket as an `ObjectStore`; objects outside it are not accessible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.jobs.ports import Listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aigc.jobs.ports import ObjectStore


def folder_of(store: ObjectStore, prefix: str) -> ObjectStore:
    """Return the folder of a bucket with this prefix; the bucket itself if the prefix is empty."""
    return Folder(store, prefix) if prefix else store


class Folder:
    """The objects below a prefix; arguments and results have keys without it.

    Keys that callers or rules choose are checked before: they have no part `..`, which HTTP
    libraries would resolve to a key outside the folder.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def create(self, key: str, body: bytes) -> bool:
        """Implement `ObjectStore`."""
        return self._store.create(self._prefix + key, body)

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        """Implement `ObjectStore`."""
        self._store.put(self._prefix + key, body, content_type)

    def get(self, key: str) -> bytes | None:
        """Implement `ObjectStore`."""
        return self._store.get(self._prefix + key)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        """Implement `ObjectStore`."""
        after = after and self._prefix + after
        listed = self._store.list(self._prefix + prefix, after, limit)
        return [Listed(entry.key.removeprefix(self._prefix), entry.modified) for entry in listed]

    def delete(self, *keys: str) -> None:
        """Implement `ObjectStore`."""
        self._store.delete(*(self._prefix + key for key in keys))

    def delete_once(self, key: str) -> None:
        """Implement `ObjectStore`."""
        self._store.delete_once(self._prefix + key)

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        """Implement `ObjectStore`."""
        return self._store.presigned_url(self._prefix + key, expires_s, process)

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """Implement `ObjectStore`."""
        return self._store.presigned_upload(self._prefix + key, headers, expires_s)
