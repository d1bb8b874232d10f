"""Fetching finished pictures from where the vendor keeps them."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from aigc.errors import AmbiguousError, BadPictureError, RefusedError
from aigc.pictures import MAX_BYTES

HOSTS = (".myqcloud.com", ".vod-qcloud.com", ".tencentcos.cn")
"""Where results were seen to lie; `http` URLs among them. Nothing is fetched from elsewhere."""

TIMEOUT_S = 15
_CHUNK = 2**16


class VendorDownloads:
    """`Downloads` over HTTP, of the vendor's hosts only and without redirects."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def fetch(self, url: str) -> bytes:
        """Download one picture.

        Raises:
            RefusedError: It is not there.
            BadPictureError: It is larger than any picture, or not where the vendor keeps them.
            AmbiguousError: It could not be fetched now.
        """
        host = urlsplit(url).hostname or ""
        doing = f"download a result from {host}"
        if not host.endswith(HOSTS):
            raise BadPictureError(f"{doing}: not one of the vendor's hosts {', '.join(HOSTS)}")
        try:
            with self._session.get(
                url, stream=True, timeout=TIMEOUT_S, allow_redirects=False
            ) as answer:
                return _body(answer, doing)
        except requests.RequestException as error:
            # Not `from error`: its text holds the URL, which may carry a signature.
            raise AmbiguousError(doing, vendor_message=type(error).__name__) from None


def _body(answer: requests.Response, doing: str) -> bytes:
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AmbiguousError(doing, code=str(answer.status_code))
    if answer.status_code != HTTPStatus.OK:
        raise RefusedError(doing, code=str(answer.status_code))
    data = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadPictureError(f"{doing}: more than {MAX_BYTES} bytes")
    return bytes(data)
