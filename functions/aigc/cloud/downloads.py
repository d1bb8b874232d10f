"""Fetching finished pictures from where the vendor keeps them."""

from __future__ import annotations

import re
import time
from http import HTTPStatus

import requests
from urllib3.exceptions import HTTPError

from aigc.errors import AmbiguousError, BadPictureError, RefusedError
from aigc.pictures import MAX_BYTES

HOSTS = (".myqcloud.com", ".vod-qcloud.com", ".tencentcos.cn")
"""Where results were seen to lie; `http` URLs among them. Nothing is fetched from elsewhere."""

TIMEOUT_S = 15
"""For each word of the server's."""

TRANSFER_S = 40
"""For a whole picture: who sends a byte now and then must not keep the sweep until it is killed."""

_CHUNK = 2**16

# A URL is read by two programs, us and the HTTP library, and they must not disagree about the
# host: `http://evil.example\@a.myqcloud.com` has two. So only what has one is taken at all.
_URL = re.compile(
    r"https?://(?P<host>(?:[a-z0-9_-]{1,63}\.)+[a-z]+)(?::(?:80|443))?(?:[/?][^\\\x00-\x20\x7f]*)?",
    re.IGNORECASE | re.ASCII,
)


class VendorDownloads:
    """`Downloads` over HTTP, of the vendor's hosts only and without redirects."""

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        transfer_s: float = TRANSFER_S,
        session: requests.Session | None = None,
    ) -> None:
        self._session = session or requests.Session()
        self._timeout_s = timeout_s
        self._transfer_s = transfer_s

    def fetch(self, url: str) -> bytes:
        """Download one picture.

        Raises:
            RefusedError: It is not there.
            BadPictureError: It is larger than any picture, or not where the vendor keeps them.
            AmbiguousError: It could not be fetched now.
        """
        doing = f"download a result from {_host(url)}"
        try:
            with self._session.get(
                url,
                stream=True,
                timeout=self._timeout_s,
                allow_redirects=False,
                # A picture is packed already; what is packed again may unpack to gigabytes.
                headers={"Accept-Encoding": "identity"},
            ) as answer:
                _check_head(answer, doing)
                return _body(answer, doing, self._transfer_s)
        except (requests.RequestException, HTTPError) as error:
            # Not `from error`: its text holds the URL, which may carry a signature.
            raise AmbiguousError(doing, vendor_message=type(error).__name__) from None


def _host(url: str) -> str:
    match = _URL.fullmatch(url)
    host = match["host"].lower() if match else ""
    if not host.endswith(HOSTS):
        came = url.partition("?")[0][:100]
        raise BadPictureError(
            f"download a result from {came!r}: not one of the vendor's hosts {', '.join(HOSTS)}"
        )
    return host


def _check_head(answer: requests.Response, doing: str) -> None:
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AmbiguousError(doing, code=str(answer.status_code))
    if answer.status_code != HTTPStatus.OK:
        raise RefusedError(doing, code=str(answer.status_code))
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BadPictureError(f"{doing}: packed as {encoding[:40]!r}, which was not asked for")


def _body(answer: requests.Response, doing: str, transfer_s: float) -> bytes:
    """Read piece by piece as they come; requests' own way waits until a piece is full."""
    give_up_at = time.monotonic() + transfer_s
    data = bytearray()
    while chunk := answer.raw.read1(_CHUNK, decode_content=False):
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadPictureError(f"{doing}: more than {MAX_BYTES} bytes")
        if time.monotonic() > give_up_at:
            raise AmbiguousError(doing, vendor_message=f"not done after {transfer_s} s")
    if not data:
        raise AmbiguousError(doing, vendor_message="an empty answer")
    return bytes(data)
