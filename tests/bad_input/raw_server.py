"""A server on loopback that answers every request with the same bytes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
from typing import TYPE_CHECKING

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable


class RawServer(socketserver.ThreadingTCPServer):
    """Reads one request of each connection, sends its reply, and closes the connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, reply: bytes | Callable[[socket.socket], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.reply = reply
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.BaseRequestHandler):
    server: RawServer

    def handle(self) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.request.recv(65536)
        self.server.requests.append(received)
        with contextlib.suppress(OSError):  # the client closed the connection first
            if callable(self.server.reply):
                self.server.reply(self.request)
            else:
                self.request.sendall(self.server.reply)
            self.request.shutdown(socket.SHUT_WR)


def answering(
    reply: bytes | Callable[[socket.socket], None],
) -> contextlib.AbstractContextManager[RawServer]:
    return serving(RawServer(reply))


def http(body: bytes = b"", status: str = "200 OK", **headers: object) -> bytes:
    """Return an HTTP answer; `Content-Length` is correct unless a header replaces it."""
    named = {"Content-Length": len(body), "Connection": "close"}
    named |= {name.replace("_", "-"): text for name, text in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
