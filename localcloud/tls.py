"""HTTPS in front of a local port, with a certificate made for this run: some clients speak no HTTP.

The cloud's own Function URL is https; here only who asks for it pays for the certificates.
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
"""What the certificate is made out to."""

PATIENCE_S = 900  # the longest that a function may run
_PER_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "x-forwarded-proto"}


@contextlib.contextmanager
def https_before(url: str, ca_file: Path) -> Iterator[str]:
    """Serve a plain http URL over https, write whom to trust for it, and yield its https URL."""
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

    def __init__(self, origin: str, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Hop)
        self.origin = origin
        # The handshake is left to the connection's thread: a slow one must not keep others out.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  theirs
        """Pass over who went away, or does not trust us; its own error says so."""


class _Hop(BaseHTTPRequestHandler):
    """One connection of a client, and one to the port behind."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._origin = HTTPConnection(self.server.origin, timeout=PATIENCE_S)

    def finish(self) -> None:
        self._origin.close()
        super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._origin.request(self.command, self.path, body or None, self._sent_headers())
            answer = self._origin.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._origin.close()
            self.close_connection = True  # as the port behind did: a lost reply stays one
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _PER_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    def _sent_headers(self) -> dict[str, str]:
        kept = {name: text for name, text in self.headers.items() if name.lower() not in _PER_HOP}
        return kept | {"X-Forwarded-Proto": "https"}

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _pass_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep quiet: the function logs its calls."""
