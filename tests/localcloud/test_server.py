"""The HTTP server: requests that clients send and the SDKs do not."""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from localcloud.server import LostReplyError, Request, Response, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


def echo(request: Request) -> Response:
    if request.path == "/lost":
        raise LostReplyError
    if request.path == "/broken":
        raise ZeroDivisionError
    return Response(200, request.body, {"X-Seen": f"{request.method} {request.host}{request.path}"})


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(0, echo)
    server.start()
    yield server
    server.stop()


def exchange(server: Server, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_connection_is_used_again(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    bodies = []
    for body in (b"one", b"two"):
        connection.request("POST", "/", body)
        bodies.append(connection.getresponse().read())
    connection.close()

    assert bodies == [b"one", b"two"]


def test_a_chunked_body_is_put_together(server: Server) -> None:
    sent = b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = exchange(server, sent + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    assert answer.endswith(b"\r\n\r\nabcde")


def test_connection_of_http_1_0_is_closed_after_its_answer(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer


def test_client_that_expects_continue_gets_it(server: Server) -> None:
    sent = b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi"

    answer = exchange(server, sent)

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_proxied_request_is_for_the_host_of_its_url(server: Server) -> None:
    answer = exchange(server, b"GET http://a.test/p?q=1 HTTP/1.1\r\nHost: b.test\r\n\r\n")

    assert b"X-Seen: GET a.test/p\r\n" in answer


def test_the_answer_to_head_has_a_length_and_no_body(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("HEAD", "/", b"body")
    answer = connection.getresponse()
    length, body = answer.headers["Content-Length"], answer.read()
    connection.close()

    assert (length, body) == ("4", b"")


def test_a_lost_reply_ends_the_connection_without_an_answer(server: Server) -> None:
    assert exchange(server, b"GET /lost HTTP/1.1\r\nHost: h\r\n\r\n") == b""


def test_failing_request_is_a_500_and_the_next_is_answered(server: Server) -> None:
    both = b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"

    answer = exchange(server, both)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"HTTP/1.1 200 OK" in answer


def test_request_that_is_not_http_is_a_400(server: Server) -> None:
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        assert exchange(server, sent).startswith(b"HTTP/1.1 400 "), sent


def test_two_hundred_clients_at_once_are_answered(server: Server) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        answers.append(exchange(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"))

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 200
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


def test_stopped_server_does_not_answer() -> None:
    server = Server(0, echo)
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/")
    connection.getresponse().read()

    server.stop()

    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        exchange(server, b"GET / HTTP/1.1\r\n\r\n")
    connection.close()
