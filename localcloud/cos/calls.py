"""A COS request, and the operations that carry requests out."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import quote

from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.core import Caller
    from localcloud.cos.store import Bucket, StoredObject
    from localcloud.server import Request, Response

# Headers of a PUT that a GET gives back, by the spelling in which it does.
_KEPT = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_META = ("x-cos-meta-", "x-amz-meta-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The bucket and the key of a request; without a key the request is about the bucket."""

    bucket: str
    region: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose signature was checked; without a signature the caller is None."""

    request: Request
    target: Target
    caller: Caller | None
    request_id: str

    def header(self, name: str) -> str:
        """Read an `x-cos-` header, under its AWS name too."""
        headers = self.request.headers
        return headers.get(f"x-cos-{name}") or headers.get(f"x-amz-{name}", "")

    def param(self, name: str) -> str:
        """Read a parameter of the query; empty where there is none."""
        return self.request.params.get(name, "")

    def number(self, name: str, default: int) -> int:
        """Read a number from the query.

        Raises:
            CosError: The value is not a number.
        """
        value = self.param(name) or str(default)
        if not value.isdecimal():
            raise CosError("InvalidArgument", f"{name} is {value!r}, not a number.")
        return int(value)

    def checked_body(self) -> bytes:
        """Return the body after checking it against Content-MD5.

        Raises:
            CosError: The body has another MD5.
        """
        body, expected = self.request.body, self.request.headers.get("content-md5")
        if expected is None:
            return body
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        if base64.b64encode(digest).decode() != expected:
            raise CosError("BadDigest", "The Content-MD5 you specified did not match the body.")
        return body

    def object_headers(self) -> dict[str, str]:
        """Return the headers that the object keeps."""
        return object_headers(self.request.headers)

    @property
    def forbids_overwrite(self) -> bool:
        """Whether the object must not be written if its key exists."""
        return self.header("forbid-overwrite").lower() == "true"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its name in policies and faults, its implementation, its parameters."""

    name: str
    run: Callable[[Call], Response]
    params: frozenset[str] = frozenset()
    """The query parameters that it reads, without its sub-resource."""


def operation(name: str, run: Callable[[Call], Response], params: str = "") -> Operation:
    """Make an operation that reads these parameters, separated by spaces."""
    return Operation(name, run, frozenset(params.split()))


def object_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return those of a request's headers that the object keeps."""
    kept = {name: headers[name.lower()] for name in _KEPT if name.lower() in headers}
    kept.setdefault("Content-Type", "application/octet-stream")
    for name, value in headers.items():
        if name.startswith(_META):
            kept["x-cos-meta-" + name[len(_META[0]) :]] = value
    return kept


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Turn `bytes=2-5`, `bytes=2-`, `bytes=-3` into the first and the last byte; else None.

    Raises:
        CosError: The range begins behind the end.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match[0] == "bytes=-":
        return None
    begin, end = match[1], match[2]
    first = int(begin) if begin else max(0, size - int(end or 0))
    last = min(int(end), size - 1) if begin and end else size - 1
    if first > last:
        raise CosError("InvalidRange", f"The requested range is outside of {size} bytes.")
    return first, last


def http_time(moment: float) -> str:
    """Write a time as HTTP headers do."""
    return formatdate(moment, usegmt=True)


def xml_time(moment: float) -> str:
    """Write a time as listings do: milliseconds, which are always 000."""
    time = datetime.fromtimestamp(int(moment), timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def url_encoded(text: str, *, encode: bool) -> str:
    """Encode a key if the request has `encoding-type=url`."""
    return quote(text, safe="/") if encode else text


def url_of(bucket: Bucket, stored: StoredObject) -> str:
    """Build an object's URL, without a signature."""
    return f"http://{bucket.name}.cos.{bucket.region}.myqcloud.com/{quote(stored.key)}"
