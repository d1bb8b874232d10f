"""An HTTP proxy that records the requested hosts, and connects to loopback only."""

from __future__ import annotations

import select
import socket
import socketserver
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.serving import serving

if TYPE_CHECKING:
    import contextlib

TIMEOUT_S = 60


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Serves CONNECT on a loopback port."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.hosts: list[str] = []
        """The requested hosts with their ports, in order."""

    @property
    def url(self) -> str:
        """The value for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.server_address[1]}"


def connect_proxy() -> contextlib.AbstractContextManager[ConnectProxy]:
    """Run a proxy."""
    return serving(ConnectProxy())


class _Tunnel(BaseHTTPRequestHandler):
    server: ConnectProxy

    def do_CONNECT(self) -> None:
        self.server.hosts.append(self.path)
        name, _, port = self.path.rpartition(":")
        if name != "127.0.0.1":
            self.send_error(HTTPStatus.FORBIDDEN, "only loopback can be reached")
            return
        with socket.create_connection((name, int(port)), timeout=TIMEOUT_S) as target:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            _relay(self.connection, target)

    def log_message(self, *_: object) -> None:
        """Write no log."""


def _relay(client: socket.socket, target: socket.socket) -> None:
    other = {client: target, target: client}
    while True:
        readable, _, _ = select.select([client, target], [], [], TIMEOUT_S)
        for end in readable:
            data = end.recv(65536)
            if not data:
                return
            other[end].sendall(data)
        if not readable:
            return
