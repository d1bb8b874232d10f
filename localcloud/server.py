"""An HTTP/1.1 server on loopback; it also accepts requests to a proxy and answers them itself."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase

logger = logging.getLogger(__name__)

Headers = dict[str, str]

_phrases = {status.value: status.phrase for status in HTTPStatus}  # SCF has other status codes, too


class LostReplyError(Exception):
    """The request was carried out and the connection ends without a response."""


class BadRequestError(Exception):
    """The request is malformed; the connection must end."""


@dataclass(frozen=True)
class Request:
    """An HTTP request; header names are in lower case, the path is not decoded."""

    method: str
    host: str
    path: str
    query: str
    headers: Headers
    body: bytes
    source_ip: str = "127.0.0.1"

    @cached_property
    def hostname(self) -> str:
        """The host without its port, in lower case."""
        return self.host.rpartition(":")[0].lower() if ":" in self.host else self.host.lower()

    @cached_property
    def params(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @classmethod
    def get(cls, url: str) -> Request:
        """Build the GET request of a URL."""
        parts = urlsplit(url)
        headers = {"host": parts.netloc}
        return cls("GET", parts.netloc, parts.path or "/", parts.query, headers, b"")


@dataclass(frozen=True)
class Response:
    """An HTTP response; its Content-Length is added when it is sent."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict)

    @classmethod
    def of_json(cls, content: object, status: int = 200) -> Response:
        """Build a JSON response, with the only content type that the vendor's SDK parses."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json"})


class Server:
    """Serves each connection in its own thread, on loopback only."""

    def __init__(self, port: int, application: Callable[[Request], Response]) -> None:
        self._tcp = _TcpServer(("127.0.0.1", port), _Connection)
        self._tcp.application = application
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._tcp.server_address[1])

    def start(self) -> None:
        """Start to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting connections, and close the open connections."""
        if self._thread.is_alive():
            self._tcp.shutdown()
            self._thread.join()
        self._tcp.server_close()
        self._tcp.end_connections()


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    application: Callable[[Request], Response]

    def __init__(self, address: tuple[str, int], handler: type[_Connection]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in the base class
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  as in the base class
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _TcpServer

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, LostReplyError):
            while self._handle_request():
                pass

    def _handle_request(self) -> bool:
        try:
            request = self._read()
        except BadRequestError as error:
            self._send("GET", Response.of_json({"error": str(error)}, 400), keep_alive=False)
            return False
        if request is None:
            return False
        response = self._answer(request)
        if request.method == "CONNECT" and response.status == HTTPStatus.OK:
            # The connection continues with the tunnel's content: more requests.
            self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            return True
        keep_alive = request.headers.get("connection", "").lower() != "close"
        self._send(request.method, response, keep_alive=keep_alive)
        return keep_alive

    def _answer(self, request: Request) -> Response:
        try:
            return self.server.application(request)
        except (LostReplyError, ConnectionError):
            raise
        except Exception:  # a defect in one request must not end the server
            logger.exception("%s %s%s failed", request.method, request.host, request.path)
            return Response.of_json({"error": "the local cloud failed; see its log"}, 500)

    def _read(self) -> Request | None:
        line = self.rfile.readline(65537)
        if not line.strip():
            return None
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            raise BadRequestError("the request line is not `METHOD target HTTP/1.1`") from None
        headers = _read_headers(self.rfile)
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if {"content-length", "transfer-encoding"} & headers.keys():
            self._acknowledge()
        body = _read_body(self.rfile, headers)
        host, path, query = _split_target(method, target, headers)
        return Request(method, host, path, query, headers, body, str(self.client_address[0]))

    def _acknowledge(self) -> None:
        """Acknowledge the headers at once, so that the client sends the body.

        With a proxy, urllib3 leaves Nagle's algorithm on, which delays the body until the headers
        are acknowledged. The kernel does that only after 40 ms (measured: 22 uploads a second).
        """
        if hasattr(socket, "TCP_QUICKACK"):
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _send(self, method: str, response: Response, *, keep_alive: bool) -> None:
        headers = {
            "Content-Length": str(len(response.body)),
            **response.headers,
            "Connection": "keep-alive" if keep_alive else "close",
        }
        lines = [f"HTTP/1.1 {response.status} {_phrases.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head if method == "HEAD" else head + response.body)


def _split_target(method: str, target: str, headers: Headers) -> tuple[str, str, str]:
    """Return host, path and query of `/path`, of a proxy's absolute URI, or of CONNECT's host."""
    if method == "CONNECT":
        return target, "", ""
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return headers.get("host", ""), path, query
    parts = urlsplit(target)
    return parts.netloc, parts.path or "/", parts.query


def _read_headers(stream: BufferedIOBase) -> Headers:
    headers: Headers = {}
    while (line := stream.readline(65537)) not in {b"\r\n", b"\n", b""}:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequestError("a header is not `Name: value`")
        headers[name.strip().lower()] = value.strip()
    return headers


def _read_body(stream: BufferedIOBase, headers: Headers) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(_chunks(stream))
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise BadRequestError(f"Content-Length is {length!r}, not a number")
    body = stream.read(int(length))
    if len(body) < int(length):
        raise ConnectionResetError("the client closed the connection before the end of its request")
    return body


def _chunks(stream: BufferedIOBase) -> list[bytes]:
    chunks = []
    while size := _chunk_size(stream.readline(1024)):
        chunks.append(stream.read(size))
        stream.readline(3)
    while stream.readline(65537).strip():
        pass
    return chunks


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise BadRequestError("a chunk has no size") from None
