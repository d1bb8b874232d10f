"""Multipart uploads in progress; they are kept in memory and lost at a restart."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from localcloud.cos.digests import crc64, md5
from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cos.attributes import Attributes

MIN_PART = 1024 * 1024  # except the last part; https://cloud.tencent.com/document/product/436/7742
MAX_PARTS = 10_000


class UploadName(NamedTuple):
    """The identity of an upload; uploads are listed in the order of these fields."""

    bucket: str
    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part; its ETag is its MD5."""

    etag: str
    crc64: int
    content: bytes
    modified: float


@dataclass(frozen=True, slots=True)
class AssembledUpload:
    """The joined parts of an upload, with the attributes of the object."""

    content: bytes
    etag: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in progress."""

    attributes: Attributes
    initiated: float
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadListing:
    """A page of a bucket's uploads: uploads and, with a delimiter, groups of keys."""

    uploads: list[tuple[UploadName, float]]
    """Each with the time at which it began."""
    groups: list[str]
    is_truncated: bool
    next_marker: tuple[str, str]


class Uploads:
    """The uploads in progress."""

    def __init__(self) -> None:
        self._uploads: dict[UploadName, Upload] = {}
        self._lock = threading.Lock()

    def begin(self, bucket: str, key: str, attributes: Attributes, now: float) -> UploadName:
        """Begin an upload and return its name."""
        name = UploadName(bucket, key, uuid.uuid4().hex)
        with self._lock:
            self._uploads[name] = Upload(attributes, now)
        return name

    def add(self, name: UploadName, number: int, content: bytes, now: float) -> Part:
        """Store a part and return it; it replaces an earlier part of the same number.

        Raises:
            CosError: The upload does not exist, or the number is not allowed.
        """
        if not 1 <= number <= MAX_PARTS:
            raise CosError("InvalidArgument", f"partNumber is {number}; allowed: 1 to {MAX_PARTS}.")
        part = Part(md5(content), crc64(content), content, now)
        with self._lock:
            self._find(name).parts[number] = part
        return part

    def parts(self, name: UploadName) -> list[tuple[int, Part]]:
        """List the parts so far, in order.

        Raises:
            CosError: The upload does not exist.
        """
        with self._lock:
            return sorted(self._find(name).parts.items(), key=lambda item: item[0])

    def listing(
        self, bucket: str, prefix: str, delimiter: str, after: tuple[str, str], limit: int
    ) -> UploadListing:
        """Return a page of a bucket's uploads, sorted by key and upload id.

        Args:
            bucket: The bucket.
            prefix: The beginning of the listed keys.
            delimiter: The end of the name of a group of keys; empty lists no groups.
            after: The key and the upload id after which the page begins; without an id, all uploads
                of that key are skipped.
            limit: The largest number of uploads and groups in a page.
        """
        with self._lock:
            uploads = sorted(
                (name, upload.initiated)
                for name, upload in self._uploads.items()
                if name.bucket == bucket and name.key.startswith(prefix)
            )
        entries = list(_entries(uploads, len(prefix), delimiter, after))
        page = entries[:limit]
        is_truncated = len(entries) > limit
        return UploadListing(
            uploads=[entry for entry in page if not isinstance(entry, str)],
            groups=[entry for entry in page if isinstance(entry, str)],
            is_truncated=is_truncated,
            next_marker=_marker(page[-1]) if page and is_truncated else ("", ""),
        )

    def assemble(self, name: UploadName, numbered_etags: list[tuple[int, str]]) -> AssembledUpload:
        """Join these parts, each given by number and ETag.

        Raises:
            CosError: The upload does not exist, or a part is missing, out of order or too small.
        """
        with self._lock:
            upload = self._find(name)
            parts = [_find_part(upload, number, etag) for number, etag in numbered_etags]
        numbers = [number for number, _ in numbered_etags]
        if numbers != sorted(set(numbers)):
            raise CosError("InvalidPartOrder", "The parts are not in ascending order.")
        if any(len(part.content) < MIN_PART for part in parts[:-1]):
            raise CosError(
                "EntityTooSmall", f"A part other than the last has less than {MIN_PART} bytes."
            )
        digest = md5(b"".join(bytes.fromhex(part.etag) for part in parts))
        content = b"".join(part.content for part in parts)
        return AssembledUpload(content, f"{digest}-{len(parts)}", upload.attributes)

    def abort(self, name: UploadName) -> None:
        """Remove an upload with its parts.

        Raises:
            CosError: The upload does not exist.
        """
        with self._lock:
            self._find(name)
            del self._uploads[name]

    def _find(self, name: UploadName) -> Upload:
        upload = self._uploads.get(name)
        if upload is None:
            raise CosError("NoSuchUpload", "The specified multipart upload does not exist.")
        return upload


def _find_part(upload: Upload, number: int, etag: str) -> Part:
    part = upload.parts.get(number)
    if part is None or part.etag != etag:
        raise CosError("InvalidPart", f"Part {number} was not uploaded, or has another ETag.")
    return part


def _entries(
    uploads: list[tuple[UploadName, float]], start: int, delimiter: str, after: tuple[str, str]
) -> Iterator[tuple[UploadName, float] | str]:
    """Yield the uploads after the marker; the uploads of a group are one entry, its name."""
    last_group = after[0]
    for name, initiated in uploads:
        end = name.key.find(delimiter, start) if delimiter else -1
        group = name.key[: end + len(delimiter)]
        if end >= 0 and group > last_group:
            last_group = group
            yield group
        elif end < 0 and _is_after(name, after):
            yield name, initiated


def _is_after(name: UploadName, after: tuple[str, str]) -> bool:
    key, upload_id = after
    return (name.key, name.upload_id) > after if upload_id else name.key > key


def _marker(entry: tuple[UploadName, float] | str) -> tuple[str, str]:
    return (entry, "") if isinstance(entry, str) else entry[0][1:]
