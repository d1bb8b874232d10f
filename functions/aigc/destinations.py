"""Checks the URL of a webhook when a job is submitted, and its addresses before each delivery."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2048
"""Most characters of a URL."""

# ASCII without blanks and without backslashes: some URL parsers read a backslash as a slash.
_WRITTEN = re.compile(r"[!-\[\]-~]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INTERNAL = tuple(map(ipaddress.IPv4Network, ("9.0.0.0/8", "11.0.0.0/8", "30.0.0.0/8")))
"""Networks of other owners that are unused on the internet and that clouds use inside.

It is not documented that Tencent Cloud does so. No public receiver of webhooks is in them.
"""
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def checked_url(url: str, *, plain_http: bool, networks: Iterable[str]) -> SplitResult:
    """Parse the URL of a webhook receiver and check it as far as possible without DNS.

    Raises:
        ValueError: The URL is not allowed; the message says what is.
    """
    begin = ("https://", "http://") if plain_http else ("https://",)
    if len(url) > LONGEST or not _WRITTEN.fullmatch(url):
        raise ValueError(f"must have at most {LONGEST} characters, in ASCII: percent-encode others")
    parts = _split(url)
    if not url.lower().startswith(begin) or not parts.hostname:
        raise ValueError(f"must be {' or '.join(begin)} and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password")
    if port_of(parts) < 1:
        raise ValueError("must name a port from 1 to 65535, or none")
    literal = _literal(parts.hostname)
    if literal is not None and not is_reachable(str(literal), networks):
        raise ValueError("must name a host of the public internet")
    return parts


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("must name a host as URLs do") from None


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, or the default port of its scheme; 0 if the port is not valid."""
    try:
        named = parts.port
    except ValueError:
        return 0
    return (443 if parts.scheme == "https" else 80) if named is None else named


def is_reachable(address: str, networks: Iterable[str]) -> bool:
    """Whether webhooks may go to an address: a public one, or one in a network that is allowed.

    An IPv6 address that only wraps an IPv4 one is taken for that one.
    """
    innermost = _unwrapped(ipaddress.ip_address(address))
    if any(innermost in ipaddress.ip_network(network) for network in networks):
        return True
    if isinstance(innermost, ipaddress.IPv6Address) and innermost not in _GLOBAL_IPV6:
        return False
    if any(innermost in network for network in _INTERNAL):
        return False
    return innermost.is_global and not innermost.is_multicast


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _literal(host: str) -> Address | None:
    """Read a host that is an address, also in the short and hexadecimal forms of IPv4."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
