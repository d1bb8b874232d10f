"""Uploads in parts, until they are completed; they do not survive a restart."""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import dataclass, field

from localcloud.cos.errors import CosError

MIN_PART = 1024 * 1024  # but the last; https://cloud.tencent.com/document/product/436/7742
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part, and the MD5 by which the client names it."""

    etag: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """What the parts make."""

    content: bytes
    etag: str
    headers: dict[str, str]


@dataclass(slots=True)
class _Upload:
    bucket: str
    key: str
    headers: dict[str, str]
    parts: dict[int, Part] = field(default_factory=dict)


class Uploads:
    """The uploads that have begun and not ended."""

    def __init__(self) -> None:
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def begin(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Begin an upload and return its id."""
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = _Upload(bucket, key, headers)
        return upload_id

    def add(self, upload_id: str, number: int, content: bytes) -> str:
        """Keep a part, over an older one of its number, and return its ETag.

        Raises:
            CosError: There is no such upload, or no such number.
        """
        if not 1 <= number <= MAX_PARTS:
            raise CosError("InvalidArgument", f"partNumber is {number}; allowed: 1 to {MAX_PARTS}.")
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        with self._lock:
            self._find(upload_id).parts[number] = Part(etag, content)
        return etag

    def parts(self, upload_id: str) -> list[tuple[int, Part]]:
        """List the parts so far, in order.

        Raises:
            CosError: There is no such upload.
        """
        with self._lock:
            return sorted(self._find(upload_id).parts.items(), key=lambda item: item[0])

    def assemble(self, upload_id: str, asked: list[tuple[int, str]]) -> Whole:
        """Put the named parts together.

        Raises:
            CosError: There is no such upload, or a part is missing, out of order or too small.
        """
        with self._lock:
            upload = self._find(upload_id)
            parts = [_named(upload, number, etag) for number, etag in asked]
        numbers = [number for number, _ in asked]
        if numbers != sorted(set(numbers)):
            raise CosError("InvalidPartOrder", "The parts are not in ascending order.")
        if any(len(part.content) < MIN_PART for part in parts[:-1]):
            raise CosError("EntityTooSmall", f"A part but the last is below {MIN_PART} bytes.")
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        digest = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        content = b"".join(part.content for part in parts)
        return Whole(content, f"{digest}-{len(parts)}", upload.headers)

    def abort(self, upload_id: str) -> None:
        """Forget an upload with its parts.

        Raises:
            CosError: There is no such upload.
        """
        with self._lock:
            self._find(upload_id)
            del self._uploads[upload_id]

    def _find(self, upload_id: str) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise CosError("NoSuchUpload", "The specified multipart upload does not exist.")
        return upload


def _named(upload: _Upload, number: int, etag: str) -> Part:
    part = upload.parts.get(number)
    if part is None or part.etag != etag:
        raise CosError("InvalidPart", f"Part {number} was not uploaded, or has another ETag.")
    return part
