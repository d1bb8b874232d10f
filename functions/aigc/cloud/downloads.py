"""Downloads finished images from the hosts of the vendor."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError

from aigc.errors import AmbiguousError, BadImageError, HostNotAllowedError, RefusedError
from aigc.image_files import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

HOSTS = (".myqcloud.com", ".vod-qcloud.com", ".tencentcos.cn")
"""Known hosts of results, also with `http` URLs.

Nothing is downloaded from other hosts unless the setting `result_hosts` names them.
"""

TIMEOUT_S = 15
"""Timeout for connecting and for each read."""

TRANSFER_S = 40
"""Timeout for a whole image: a slow server must not block the sweep until it is killed."""

_CHUNK = 2**16

# Our check and the HTTP library must see the same host. Parsers differ on the host of
# `http://evil.example\@a.myqcloud.com`, so only unambiguous URLs are accepted.
_URL = re.compile(
    r"https?://(?P<host>(?:[a-z0-9_-]{1,63}\.)+[a-z]+)(?::(?:80|443))?(?:[/?][^\\\x00-\x20\x7f]*)?",
    re.IGNORECASE | re.ASCII,
)


class VendorDownloads:
    """Implements `Downloads` over HTTP, only from allowed hosts and without redirects."""

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        timeout_s: float = TIMEOUT_S,
        transfer_s: float = TRANSFER_S,
        session: requests.Session | None = None,
    ) -> None:
        self._hosts = (*HOSTS, *hosts)
        self._session = session or requests.Session()
        self._timeout_s = timeout_s
        self._transfer_s = transfer_s

    def fetch(self, url: str) -> bytes:
        """Download one image.

        Raises:
            RefusedError: The server refused, for example because the image is gone.
            BadImageError: The image is too large.
            HostNotAllowedError: The host is not allowed.
            AmbiguousError: The download failed; a retry may succeed.
        """
        operation = f"download a result from {self._allowed_host(url)}"
        try:
            with self._session.get(
                url,
                stream=True,
                timeout=self._timeout_s,
                allow_redirects=False,
                # Images are compressed already, and decompression could need gigabytes.
                headers={"Accept-Encoding": "identity"},
            ) as answer:
                _check_head(answer, operation)
                return _body(answer, operation, self._transfer_s)
        except (requests.RequestException, HTTPError) as error:
            # Not `from error`: its text contains the URL, which may contain a signature.
            raise AmbiguousError(operation, vendor_message=type(error).__name__) from None

    def _allowed_host(self, url: str) -> str:
        match = _URL.fullmatch(url)
        host = match["host"].lower() if match else ""
        if any(_is_within(host, allowed) for allowed in self._hosts):
            return host
        # An ambiguous URL is reported without its query, which may contain a signature.
        raise HostNotAllowedError(host or url.partition("?")[0][:100], ", ".join(self._hosts))


def _is_within(host: str, allowed: str) -> bool:
    """Whether a host equals the allowed host, or is below it if that begins with a dot."""
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed


def _check_head(answer: requests.Response, operation: str) -> None:
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AmbiguousError(operation, code=str(answer.status_code))
    if answer.status_code != HTTPStatus.OK:
        raise RefusedError(operation, code=str(answer.status_code))
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BadImageError(
            f"{operation}: encoded as {encoding[:40]!r} although identity was requested"
        )


def _body(answer: requests.Response, operation: str, transfer_s: float) -> bytes:
    """Read the body in chunks as they arrive; `requests` would wait for full chunks."""
    deadline = time.monotonic() + transfer_s
    data = bytearray()
    while chunk := answer.raw.read1(_CHUNK, decode_content=False):
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadImageError(f"{operation}: more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise AmbiguousError(operation, vendor_message=f"not done after {transfer_s} s")
    if not data:
        raise AmbiguousError(operation, vendor_message="an empty answer")
    return bytes(data)
