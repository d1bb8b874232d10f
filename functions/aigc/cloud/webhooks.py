"""Sends webhooks to hosts of the public internet."""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import certifi

from aigc.destinations import checked_url, is_reachable, port_of
from aigc.jobs.ports import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from urllib.parse import SplitResult


def addresses_of(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in addresses]


class PublicSender:
    """A `Sender` that resolves a host once, checks its addresses, and connects to one of them.

    It must not resolve the host again: a second lookup could return unchecked addresses.
    """

    def __init__(
        self,
        *,
        plain_http: bool,
        networks: Sequence[str],
        resolve: Callable[[str, int], list[str]] = addresses_of,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._plain_http = plain_http
        self._networks = networks
        self._resolve = resolve
        self._trusted = trusted

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        answer_bytes: int = 0,
    ) -> Reply:
        """Send one POST within the timeout, without redirects; errors are returned, not raised."""
        try:
            parts = checked_url(url, plain_http=self._plain_http, networks=self._networks)
        except ValueError as error:
            return Reply(error=f"the URL is not allowed: it {error}")
        exchange = _Exchange(timeout_s, answer_bytes)
        return exchange.run(lambda: self._post(parts, headers, body, exchange))

    def _post(
        self, parts: SplitResult, headers: Mapping[str, str], body: bytes, exchange: _Exchange
    ) -> Reply:
        host, port = parts.hostname or "", port_of(parts)
        addresses = self._resolve(host, port)
        private = [address for address in addresses if not is_reachable(address, self._networks)]
        if private or not addresses:
            return Reply(error=f"{host} is not on the public internet: {', '.join(private)}")
        connection = exchange.connect(addresses, port)
        if parts.scheme == "https":
            connection = exchange.encrypt(connection, self._trusted or _trusted(), host)
        path = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
        return exchange.post(connection, path, {"Host": parts.netloc, **headers}, body)


class _Exchange:
    """One connection with a total timeout.

    It runs in its own thread, since a DNS lookup, or an answer that arrives byte by byte, has no
    total timeout otherwise.
    """

    def __init__(self, timeout_s: float, answer_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._answer_bytes = answer_bytes
        self._end = time.monotonic() + timeout_s
        self._socket: socket.socket | None = None
        self._reply = Reply(error=f"no answer within {timeout_s:.2g} s")

    def run(self, work: Callable[[], Reply]) -> Reply:
        """Return the reply of the work; an error if the work takes longer than the timeout."""
        thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        reply = self._reply
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the connection has ended already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        return reply

    def connect(self, addresses: Sequence[str], port: int) -> socket.socket:
        """Connect to the first address that accepts the connection."""
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                return self._remember(
                    socket.create_connection((address, port), self._time_left() / 2)
                )
        return self._remember(socket.create_connection((addresses[-1], port), self._time_left()))

    def encrypt(self, plain: socket.socket, trusted: ssl.SSLContext, host: str) -> socket.socket:
        """Start TLS and verify the host's certificate."""
        wrapped = trusted.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        self._remember(wrapped).settimeout(self._time_left())
        wrapped.do_handshake()
        return wrapped

    def post(
        self, opened: socket.socket, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Send the request and read the answer, with at most `answer_bytes` of its body."""
        opened.settimeout(self._time_left())
        connection = http.client.HTTPConnection(headers["Host"])
        connection.sock = opened
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        # A body of which nothing is read may end early or late.
        answer = response.read(self._answer_bytes) if self._answer_bytes else b""
        return Reply(response.status, answer=answer)

    def _remember(self, opened: socket.socket) -> socket.socket:
        """Remember the socket, so that the timeout can close it."""
        self._socket = opened
        return opened

    def _work(self, work: Callable[[], Reply]) -> None:
        try:
            self._reply = work()
        except TimeoutError:
            pass
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._reply = Reply(error=f"{type(error).__name__}: {error}"[:200])
        finally:
            if self._socket is not None:
                self._socket.close()

    def _time_left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@functools.cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())
