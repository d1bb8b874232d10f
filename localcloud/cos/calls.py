"""A COS request on its way to the operation that carries it out."""

from __future__ import annotations

import base64
import hashlib
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
_META = ("x-cos-meta-", "x-amz-meta-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which bucket and key a request is about; without a key it is the bucket itself."""

    bucket: str
    region: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose sender is known; None is anybody."""

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
            CosError: It is none.
        """
        value = self.param(name) or str(default)
        if not value.isdecimal():
            raise CosError("InvalidArgument", f"{name} is {value!r}, not a number.")
        return int(value)

    def checked_body(self) -> bytes:
        """Return the body, if it is what Content-MD5 says.

        Raises:
            CosError: It is not.
        """
        expected = self.request.headers.get("content-md5")
        digest = hashlib.md5(self.request.body, usedforsecurity=False).digest()
        if expected is not None and base64.b64encode(digest).decode() != expected:
            raise CosError("BadDigest", "The Content-MD5 you specified did not match the body.")
        return self.request.body

    def object_headers(self) -> dict[str, str]:
        """Pick the headers that the object keeps."""
        return object_headers(self.request.headers)

    @property
    def forbids_overwrite(self) -> bool:
        """Whether the object is to be written only if its key is free."""
        return self.header("forbid-overwrite").lower() == "true"


@dataclass(frozen=True, slots=True)
class Operation:
    """What CAM, and the faults, call an operation; and what carries it out."""

    name: str
    run: Callable[[Call], Response]


def object_headers(headers: dict[str, str]) -> dict[str, str]:
    """Pick the headers that an object keeps out of a request's."""
    kept = {name: headers[name.lower()] for name in _KEPT if name.lower() in headers}
    kept.setdefault("Content-Type", "application/octet-stream")
    for name, value in headers.items():
        if name.startswith(_META):
            kept["x-cos-meta-" + name[len(_META[0]) :]] = value
    return kept


def http_time(moment: float) -> str:
    """Write a time as HTTP headers do."""
    return formatdate(moment, usegmt=True)


def xml_time(moment: float) -> str:
    """Write a time as listings do: milliseconds, which are always 000."""
    time = datetime.fromtimestamp(int(moment), timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def url_encoded(text: str, *, wanted: bool) -> str:
    """Encode a key where the client asked for `encoding-type=url`."""
    return quote(text, safe="/") if wanted else text


def url_of(bucket: Bucket, stored: StoredObject) -> str:
    """Name an object's place, without a signature."""
    return f"http://{bucket.name}.cos.{bucket.region}.myqcloud.com/{quote(stored.key)}"
