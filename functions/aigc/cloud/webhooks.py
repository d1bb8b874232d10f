"""Sending webhooks to receivers that callers named: to the public internet and nowhere else."""

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
    """Look a host up."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class PublicSender:
    """A `Sender` that looks a host up once, checks its addresses, and connects to one of these.

    Once, because whoever answers for a name may say something else a second later.
    """

    def __init__(
        self,
        *,
        plain_http: bool,
        networks: Sequence[str],
        look_up: Callable[[str, int], list[str]] = addresses_of,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._plain_http = plain_http
        self._networks = networks
        self._look_up = look_up
        self._trusted = trusted

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        """POST once, without following redirects, in no more time than that; raises nothing."""
        try:
            parts = checked_url(url, plain_http=self._plain_http, networks=self._networks)
        except ValueError as error:
            return Reply(error=f"the URL is not allowed: it {error}")
        exchange = _Exchange(timeout_s)
        return exchange.within_time(lambda: self._post(parts, headers, body, exchange))

    def _post(
        self, parts: SplitResult, headers: Mapping[str, str], body: bytes, exchange: _Exchange
    ) -> Reply:
        host, port = parts.hostname or "", port_of(parts)
        addresses = self._look_up(host, port)
        inside = [one for one in addresses if not is_reachable(one, self._networks)]
        if inside or not addresses:
            return Reply(error=f"{host} is not on the public internet: {', '.join(inside)}")
        connected = exchange.connected(addresses, port)
        if parts.scheme == "https":
            connected = exchange.encrypted(connected, self._trusted or _trusted(), host)
        path = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
        return Reply(exchange.posted(connected, path, {"Host": parts.netloc, **headers}, body))


class _Exchange:
    """One connection that ends in time, whatever its other side does.

    In a thread of its own: neither a look-up nor an answer that comes byte by byte can be bounded
    otherwise.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s
        self._socket: socket.socket | None = None
        self._reply = Reply(error=f"no answer within {timeout_s:.2g} s")

    def within_time(self, work: Callable[[], Reply]) -> Reply:
        """Do the work, or say that it took too long."""
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        reply = self._reply
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it ended by itself meanwhile
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        return reply

    def connected(self, addresses: Sequence[str], port: int) -> socket.socket:
        """Connect to the first address that takes the connection."""
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                return self._kept(socket.create_connection((address, port), self._left() / 2))
        return self._kept(socket.create_connection((addresses[-1], port), self._left()))

    def encrypted(self, plain: socket.socket, trusted: ssl.SSLContext, host: str) -> socket.socket:
        """Make sure that it is the host, by its certificate."""
        wrapped = trusted.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        self._kept(wrapped).settimeout(self._left())
        wrapped.do_handshake()
        return wrapped

    def posted(
        self, through: socket.socket, path: str, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Send the request and wait for the status of the answer; its body is not read."""
        through.settimeout(self._left())
        connection = http.client.HTTPConnection(headers["Host"])
        connection.sock = through
        connection.request("POST", path, body, dict(headers))
        return connection.getresponse().status

    def _kept(self, opened: socket.socket) -> socket.socket:
        """Keep what is to be cut when time is up."""
        self._socket = opened
        return opened

    def _run(self, work: Callable[[], Reply]) -> None:
        try:
            self._reply = work()
        except TimeoutError:
            pass
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._reply = Reply(error=f"{type(error).__name__}: {error}"[:200])
        finally:
            if self._socket is not None:
                self._socket.close()

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@functools.cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())
