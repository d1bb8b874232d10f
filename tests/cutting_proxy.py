"""A proxy that cuts connections: the request arrives at the service, the answer is lost."""

from __future__ import annotations

import base64
import contextlib
import random
import re
import socket
import socketserver
import time

from tests.serving import serving

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
LONGEST_HOLD_S = 0.5
TIMEOUT_S = 120


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Forwards each request to one address and cuts a share of the connections."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, target: str, *, cut_share: float = 0, encodes_bodies: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        host, port = target.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.cut_share = cut_share
        self.encodes_bodies = encodes_bodies
        """Whether bodies are forwarded in Base64 without a header that says so."""
        self.cuts = {"request": 0, "answer": 0}
        self.random = random.Random(20261128)  # noqa: S311  no secret

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_cut(self) -> str:
        """Draw what happens to a connection: nothing, or a cut before or after the answer."""
        if self.random.random() >= self.cut_share:
            return ""
        cut = self.random.choice(["request", "answer"])
        self.cuts[cut] += 1
        return cut


class _Connection(socketserver.BaseRequestHandler):
    server: CuttingProxy

    def handle(self) -> None:
        request = _read_request(self.request)
        if not request:
            return
        cut = self.server.next_cut()
        with socket.create_connection(self.server.target, timeout=TIMEOUT_S) as upstream:
            upstream.sendall(self._rewritten(request))
            if cut == "request":
                time.sleep(self.server.random.uniform(0, LONGEST_HOLD_S))
                _reset(self.request)
            answer = b"".join(iter(lambda: upstream.recv(65536), b""))
        if not cut:
            self.request.sendall(answer)

    def _rewritten(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
        if self.server.encodes_bodies and body:
            body = base64.b64encode(body)
            head = _LENGTH.sub(b"\r\nContent-Length: %d" % len(body), head)
        return head + b"\r\nConnection: close\r\n\r\n" + body


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    match = _LENGTH.search(head)
    length = int(match[1]) if match else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def cutting_proxy(
    target: str, *, cut_share: float = 0, encodes_bodies: bool = False
) -> contextlib.AbstractContextManager[CuttingProxy]:
    """Run a proxy in threads."""
    return serving(CuttingProxy(target, cut_share=cut_share, encodes_bodies=encodes_bodies))
