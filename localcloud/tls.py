"""An HTTPS proxy in front of a local port, for clients that require HTTPS.

In the cloud a Function URL is https. Here a certificate is made only if HTTPS is requested.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("127.0.0.1", "localhost")
"""The host names of the certificate."""

WAIT_TIMEOUT_S = 900  # the maximum run time of a function
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "x-forwarded-proto",
}


@contextlib.contextmanager
def https_proxy(url: str, ca_file: Path) -> Iterator[str]:
    """Serve an http URL over https: write the CA certificate to a file, yield the https URL."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(context)
    server = _Listener(urlsplit(url).netloc, context)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Listener(ThreadingHTTPServer):
    block_on_close = False
    request_queue_size = 128

    def __init__(self, upstream: str, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream = upstream
        # The connection's thread does the handshake: a slow handshake must not block others.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in the base class
        """Ignore a client that disconnects or rejects the certificate; it reports its own error."""


class _Connection(BaseHTTPRequestHandler):
    """A connection of a client, and its connection to the upstream port."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._upstream = HTTPConnection(self.server.upstream, timeout=WAIT_TIMEOUT_S)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._upstream.request(self.command, self.path, body or None, self._upstream_headers())
            response = self._upstream.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            self._upstream.close()
            self.close_connection = True  # so that the client loses the reply, too
            return
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    def _upstream_headers(self) -> dict[str, str]:
        forwarded = {
            name: text for name, text in self.headers.items() if name.lower() not in _HOP_BY_HOP
        }
        return forwarded | {"X-Forwarded-Proto": "https"}

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Log nothing: the function logs its requests."""
