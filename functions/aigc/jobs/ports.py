"""The interfaces to the outside that jobs need; `aigc.cloud` implements them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from aigc.tasks.kind import ApiCall


class Listed(NamedTuple):
    """One object in a listing."""

    key: str
    modified: datetime
    etag: str = ""
    size: int = 0
    """Bytes."""


class Peek(NamedTuple):
    """The beginning of an object, its size and its headers, from one request."""

    head: bytes
    """Its first bytes, or those of the requested range."""
    size: int
    """Bytes of the whole object."""
    etag: str = ""
    modified: datetime | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the object by lower-case name, including `x-cos-meta-*`."""


PAGE = 1000
"""The most objects that COS lists at once."""


class Clock(Protocol):
    """The ledger's time, and a way to wait; moments have a time zone."""

    def now(self) -> datetime:
        """Return the present moment, or one shortly before it."""

    def latest(self) -> datetime:
        """Return the present moment, or one shortly after it, to set the end of a lease."""

    def own_seconds(self) -> float:
        """Return seconds of the instance's own clock, to measure how long work takes."""

    def sleep(self, seconds: float) -> None:
        """Return after a number of seconds."""


class ObjectStore(Protocol):
    """A bucket. A GET that begins after a write of its key was answered sees the write."""

    def create(self, key: str, body: bytes) -> bool:
        """Write an object unless its key exists; False if it did. Never sent twice.

        This is a filter: it reads and then writes, so several concurrent creators may all get
        True, and the last body stays.
        """

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        """Write an object, over an older one if there is one; never sent twice.

        A repeat, seconds after a reply was lost, could overwrite what others have written since.
        """

    def get(self, key: str) -> bytes | None:
        """Read an object; None if it is missing."""

    def list(self, prefix: str, after: str = "", limit: int = PAGE) -> Sequence[Listed]:
        """List at most PAGE objects with keys after `after`, in order of keys.

        A listing may be late, for new keys and for deleted ones.
        """

    def delete(self, *keys: str) -> None:
        """Remove objects; missing ones are ignored. May be sent twice."""

    def delete_once(self, key: str) -> None:
        """Remove an object whose key another contender may take at once; never sent twice."""

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        """Make a URL under which anyone may read the object for a time.

        With `process`, an operation of COS's image processing, only the processed image.
        """

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """Make a URL to which anyone may PUT an object, with just these headers, for a time."""


class Parallel(Protocol):
    """Runs independent requests at the same time."""

    def __call__(self, *requests: Callable[[], Any]) -> list[Any]:
        """Run the requests and return their results in the order of the arguments.

        All requests have ended when it returns. If some failed, the error of the first of them,
        in the order of the arguments, is raised.
        """


def one_after_another(*requests: Callable[[], Any]) -> list[Any]:
    """Implement `Parallel` without threads: run the requests one after another."""
    results: list[Any] = []
    errors: list[Exception] = []
    for request in requests:
        try:
            results.append(request())
        except Exception as error:  # noqa: BLE001  the other requests must run too
            errors.append(error)
    if errors:
        raise errors[0]
    return results


class Inbox(Protocol):
    """A bucket with inputs; only callers write to it."""

    def peek(self, key: str, size: int, begin: int = 0) -> Peek | None:
        """Read some bytes of an object and its headers in one request; None if it is missing."""

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        """List at most 1000 objects with keys after `after`, in order of keys."""

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        """Make a URL under which anyone may read the object for a time.

        With `process`, an operation of COS's image processing, only the processed image.
        """

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """Make a URL to which anyone may PUT an object, with just these headers, for a time."""


class TaskService(Protocol):
    """Tencent Cloud API 3.0, for VOD and MPS."""

    def call(self, call: ApiCall) -> dict[str, Any]:
        """Send one call, once, and return the object below `Response`.

        Raises:
            CloudError: One of its leaves, by what the answer proves.
        """


class Downloads(Protocol):
    """Fetches finished images from the vendor."""

    def fetch(self, url: str) -> bytes:
        """Download one image.

        Raises:
            CloudError: It could not be fetched now.
            BadImageError: It is larger than any image.
            HostNotAllowedError: The host is not one of the vendor's, and no setting allows it.
        """


class Reply(NamedTuple):
    """The outcome of a POST: a status, or why there is none."""

    status: int | None = None
    error: str = ""
    answer: bytes = b""
    """The beginning of the answer's body, at most `answer_bytes` of `Sender.send`."""


class Sender(Protocol):
    """Sends webhooks."""

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        answer_bytes: int = 0,
    ) -> Reply:
        """POST once, within `timeout_s`, without following redirects; raises nothing.

        At most `answer_bytes` of the answer's body are read.
        """
