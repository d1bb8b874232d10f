"""Results with a wrong address, wrong content or a wrong size are refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from requests.adapters import BaseAdapter
from urllib3.util import parse_url

from aigc.cloud.downloads import HOSTS, VendorDownloads
from aigc.errors import (
    AmbiguousError,
    BadImageError,
    CloudError,
    HostNotAllowedError,
    RefusedError,
)
from aigc.image_files import HEAD, MAX_BYTES, check_head, inspect
from tests.bad_input.corpus import corpus, data
from tests.bad_input.raw_server import answering, http
from tests.fakes import image_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://1500000001.vod2.myqcloud.com/a/b.png?q=signature=secret"


def fetch(
    monkeypatch: pytest.MonkeyPatch,
    reply: bytes | Callable[[socket.socket], None],
    *,
    transfer_s: float = 60,
) -> bytes:
    """Download a result from a vendor with this reply; all requests go through a local proxy."""
    with answering(reply) as vendor:
        use_proxy(monkeypatch, vendor.url)
        try:
            return VendorDownloads(timeout_s=30, transfer_s=transfer_s).fetch(URL)
        finally:
            assert len(vendor.requests) == 1


def use_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


# Addresses


@pytest.mark.parametrize("name", corpus("result_urls"))
def test_url_of_another_host_than_the_vendors_is_not_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(http(image_bytes())) as stranger:
        use_proxy(monkeypatch, stranger.url)

        with pytest.raises(HostNotAllowedError, match=r"allowed: \.myqcloud\.com"):
            VendorDownloads().fetch(corpus("result_urls")[name])

    assert stranger.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://251000800.vod2.myqcloud.com/1a168d62/aigcImageGenFile.png",
        "HTTP://STORE.VOD-QCLOUD.COM/a%20b.png?sign=a%2Fb&x=1#top",
        "http://a-1250000000.cos.ap-guangzhou.myqcloud.com:80/a//b/猫.png",
        "http://a.cos.ap-guangzhou.tencentcos.cn?key=a.png",
    ],
)
def test_urls_of_the_vendor_are_fetched(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(http(image_bytes())) as vendor:
        use_proxy(monkeypatch, vendor.url)

        assert VendorDownloads().fetch(url) == image_bytes()


@pytest.mark.parametrize(
    ("allowed", "host", "is_fetched"),
    [
        ("images.example.com", "images.example.com", True),
        ("images.example.com", "a.images.example.com", False),
        ("images.example.com", "evil-images.example.com", False),
        (".example.com", "images.example.com", True),
        (".example.com", "example.com.evil.org", False),
    ],
)
def test_a_setting_allows_further_hosts(
    allowed: str, host: str, monkeypatch: pytest.MonkeyPatch, *, is_fetched: bool
) -> None:
    with answering(http(image_bytes())) as vendor:
        use_proxy(monkeypatch, vendor.url)
        downloads = VendorDownloads(hosts=[allowed])

        if is_fetched:
            assert downloads.fetch(f"http://{host}/a.png") == image_bytes()
        else:
            with pytest.raises(HostNotAllowedError, match=host):
                downloads.fetch(f"http://{host}/a.png")


class HostRecorder(BaseAdapter):
    """Sends nothing; records the host of each prepared request."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.hosts.append(parse_url(request.url or "").host or "")
        raise requests.ConnectionError

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


URL_PARTS = ("http://", "//", "/", "\\", "@", ":", "#", "?", ".", "%2f", "\t", "\n", ":80", "a")


@given(
    url=st.lists(
        st.sampled_from(
            [*URL_PARTS, "evil.example", "127.0.0.1", "[::1]", "a.myqcloud.com", ".myqcloud.com"]
        ),
        min_size=1,
        max_size=7,
    ).map(lambda parts: f"http://{''.join(parts)}")
)
def test_fetched_url_has_a_host_of_the_vendor_for_every_parser(url: str) -> None:
    network = HostRecorder()
    session = requests.Session()
    session.mount("http://", network)

    with pytest.raises((HostNotAllowedError, AmbiguousError)):
        VendorDownloads(session=session).fetch(url)

    assert all(host.endswith(HOSTS) for host in network.hosts)


# Answers


def test_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(http(image_bytes())) as elsewhere:
        reply = http(b"", "302 Found", Location=f"{elsewhere.url}/a.png")

        with pytest.raises(RefusedError, match="302"):
            fetch(monkeypatch, reply)

    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (http(b"", "404 Not Found"), RefusedError),
        (http(b"", "204 No Content"), RefusedError),
        (http(image_bytes(), "206 Partial Content"), RefusedError),
        (http(b"", "500 Internal Server Error"), AmbiguousError),
        (b"", AmbiguousError),
        (b"\x00" * 1000, AmbiguousError),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", AmbiguousError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", AmbiguousError),
        (http(image_bytes(), Content_Length=len(image_bytes()) + 1), AmbiguousError),
        (http(b"zz\r\nnot a size", Transfer_Encoding="chunked"), AmbiguousError),
        (http(gzip.compress(bytes(10**7)), Content_Encoding="gzip"), BadImageError),
    ],
)
def test_answer_without_a_complete_image_raises_the_matching_error(
    reply: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error) as raised:
        fetch(monkeypatch, reply)

    assert "1500000001.vod2.myqcloud.com" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_content_length_below_the_image_size_cuts_the_image_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut_off = fetch(monkeypatch, http(image_bytes(), Content_Length=40))

    with pytest.raises(BadImageError, match="cut off after 40 bytes"):
        inspect(cut_off)


def test_endless_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(bytes(2**20))

    with pytest.raises(BadImageError, match=f"more than {MAX_BYTES} bytes"):
        fetch(monkeypatch, pour, transfer_s=60)


def test_slow_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    with pytest.raises(AmbiguousError, match="not done after"):
        fetch(monkeypatch, drip, transfer_s=0.2)


def test_closed_port_is_an_ambiguous_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    use_proxy(monkeypatch, f"http://127.0.0.1:{port}")

    with pytest.raises(AmbiguousError):
        VendorDownloads().fetch(URL)


# Contents


@pytest.mark.parametrize("name", corpus("not_images") | corpus("unfinished_images"))
def test_content_that_is_no_image_is_refused(name: str) -> None:
    bytes_ = data((corpus("not_images") | corpus("unfinished_images"))[name])

    with pytest.raises(BadImageError) as raised:
        inspect(bytes_)

    assert 0 < len(str(raised.value)) < 200


@pytest.mark.parametrize("name", corpus("not_images"))
def test_first_bytes_of_content_that_is_no_image_are_refused(name: str) -> None:
    with pytest.raises(BadImageError):
        check_head(data(corpus("not_images")[name])[:HEAD])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_image_cut_off_at_any_byte_is_refused(form: str) -> None:
    complete = noise_image(form)

    for length in range(len(complete)):
        with pytest.raises(BadImageError):
            inspect(complete[:length])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_bytes_after_an_image_are_ignored(form: str) -> None:
    complete = noise_image(form)

    info = inspect(complete + b"<script>PK\x03\x04\xff\xda")

    assert (info.width, info.height) == (inspect(complete).width, inspect(complete).height)


def noise_image(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((17, 9), 50).convert("RGB").save(buffer, form)
    return buffer.getvalue()


@given(
    bytes_=st.binary(max_size=200)
    | st.tuples(
        st.sampled_from([image_bytes()[:33], b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBPVP8 "]),
        st.binary(),
    ).map(b"".join)
)
def test_any_bytes_are_accepted_or_refused(bytes_: bytes) -> None:
    for check in (inspect, lambda read: check_head(read[:HEAD])):
        with contextlib.suppress(BadImageError):
            check(bytes_)


@given(reply=st.binary(max_size=300))
def test_any_answer_raises_an_expected_error(reply: bytes) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises((CloudError, BadImageError)):
        fetch(monkeypatch, reply)
