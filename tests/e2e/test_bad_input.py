"""Malformed requests and uploads against a running system, sent without a client library."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.bad_input.corpus import corpus, data
from tests.e2e.stack import wait_for
from tests.fakes import image_bytes

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

SUBMIT = "/tencent-vod/v1/aigc-image"
BODY = json.dumps({"model_name": "GG", "model_version": "3.0", "prompt": "one only"}).encode()


def send(stack: Stack, request: bytes, *, hang_up: bool = False) -> bytes:
    """Send bytes to the Function URL's port; return all bytes until the server closes."""
    url = urlsplit(stack.gateway)
    with socket.create_connection((str(url.hostname), int(url.port or 80)), 60) as connection:
        answer = b""
        with contextlib.suppress(OSError):  # the server may hang up first
            connection.sendall(request)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                answer += more
        return answer


def request(stack: Stack, *lines: str, body: bytes = b"", length: object = None) -> bytes:
    """Return the bytes of a submit."""
    key = stack.connection["api_key"]
    head = [
        f"POST {SUBMIT} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {key}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *lines,
    ]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(None, 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def test_unchanged_request_is_accepted(stack: Stack) -> None:
    assert status_of(send(stack, request(stack, body=BODY))) == 200


def test_malformed_body_is_refused_with_the_reason(stack: Stack) -> None:
    before = len(stack.tasks())

    for name in ("nothing", "lists without end", "a PNG"):
        body = data(corpus("bodies")["malformed_json"][name])
        answer = send(stack, request(stack, body=body))
        assert status_of(answer) == 400, name
        error = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert error["error_type"] == "malformed_json"

    assert len(stack.tasks()) == before


def test_unusual_headers_get_a_client_error(stack: Stack) -> None:
    for lines in (
        ["X-Odd: caf\xe9 \xff"],
        [f"X-{number}: y" for number in range(50)],
        ["Cookie: " + "c" * 8000],
        ["Idempotency-Key: " + "k" * 300],
        ["Content-Type: multipart/form-data"],
    ):
        answer = send(stack, request(stack, *lines, body=b"{}"))
        assert 400 <= status_of(answer) < 500, lines


def test_bytes_that_are_hardly_http_cause_no_server_error(stack: Stack) -> None:
    before = len(stack.tasks())
    rest = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

    for raw in (
        b"\x00" * 200 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://evil.example/" + rest + b"\r\n",
        b"GET /%00" + rest + b"\r\n",
        b"GET /../../etc/passwd" + rest + b"\r\n",
        b"GET /" + b"a" * 100_000 + rest + b"\r\n",
        b"POST /health" + rest + b"Content-Length: -1\r\n\r\n",
        b"POST /health" + rest + b"Content-Length: many\r\n\r\n",
    ):
        answer = send(stack, raw, hang_up=True)
        assert status_of(answer) not in {200, 500, 502}, raw[:80]
        assert b"Traceback" not in answer

    assert stack.get("/health").status_code == 200
    assert len(stack.tasks()) == before


def test_body_shorter_than_its_content_length_is_not_accepted(stack: Stack) -> None:
    before = len(stack.tasks())

    answer = send(stack, request(stack, body=BODY, length=len(BODY) + 1), hang_up=True)

    assert status_of(answer) != 200
    assert len(stack.tasks()) == before


def test_bad_uploads_cost_nothing_and_a_good_upload_among_them_succeeds(stack: Stack) -> None:
    before = len(stack.tasks())
    bad = [data(case) for case in corpus("not_images").values()]

    for number, content in enumerate(bad):
        stack.upload(f"anime/bad {number}.jpg", content)
    stack.upload("elsewhere/cat.png", image_bytes())
    stack.upload("anime/good among bad.png", image_bytes())

    wait_for(lambda: "anime/good among bad.png.json" in stack.results("anime/"))
    wait_for(lambda: len(refused(stack)) > len(bad))
    reasons = "".join(refused(stack))
    assert "no rule matches its key" in reasons
    assert "it is empty" in reasons
    assert "not a JPEG, PNG or WebP" in reasons
    assert len(stack.tasks()) == before + 1


def test_uploads_with_unusual_but_valid_keys_succeed(stack: Stack) -> None:
    names = ("markup", "what a query is made of", "quotes", "three dots")
    keys = [corpus("good_keys")[name] for name in names]

    for key in keys:
        stack.upload(key, image_bytes())

    wait_for(lambda: {f"{key}.json" for key in keys} <= stack.results("anime/").keys())


def test_log_contains_no_api_key_and_no_traceback(stack: Stack) -> None:
    log = "".join(stack.log)

    assert stack.connection["api_key"] not in log
    assert "Traceback" not in log


def refused(stack: Stack) -> list[str]:
    return [line for line in stack.log if "upload_not_wanted" in line]
