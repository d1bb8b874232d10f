"""A COS request (`Call`), the operations, and the formats that several operations use."""

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

# The headers of a PUT that a GET returns, in the spelling of the response.
_STORED_HEADERS = (
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
        """Return the header `x-cos-<name>`, or else `x-amz-<name>`; empty without either."""
        headers = self.request.headers
        return headers.get(f"x-cos-{name}") or headers.get(f"x-amz-{name}", "")

    def param(self, name: str) -> str:
        """Return a parameter of the query; empty if it is missing."""
        return self.request.params.get(name, "")

    def number(self, name: str, default: int) -> int:
        """Return a number from the query, or the default if it is missing.

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
        """Return the headers that are stored with the object."""
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
    """Return the headers of a request that are stored with the object."""
    stored = {name: headers[name.lower()] for name in _STORED_HEADERS if name.lower() in headers}
    stored.setdefault("Content-Type", "application/octet-stream")
    for name, value in headers.items():
        if name.startswith(_META):
            stored["x-cos-meta-" + name[len(_META[0]) :]] = value
    return stored


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Parse `bytes=2-5`, `bytes=2-` or `bytes=-3`: the first and the last byte, or None.

    Raises:
        CosError: The range begins after the end of the content.
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
    """Format a time for HTTP headers."""
    return formatdate(moment, usegmt=True)


def xml_time(moment: float) -> str:
    """Format a time for listings; its milliseconds are always 000."""
    time = datetime.fromtimestamp(int(moment), timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def url_encoded(text: str, *, encode: bool) -> str:
    """Encode a key if the request has `encoding-type=url`."""
    return quote(text, safe="/") if encode else text


def object_url(bucket: Bucket, stored: StoredObject) -> str:
    """Build an object's URL, without a signature."""
    return f"http://{bucket.name}.cos.{bucket.region}.myqcloud.com/{quote(stored.key)}"
