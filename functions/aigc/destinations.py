"""Checks the URL of a webhook receiver, and the IP addresses of its host."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_URL = 2048
"""Most characters of a URL."""

# ASCII without spaces and without backslashes: some URL parsers read a backslash as a slash.
_ALLOWED_CHARACTERS = re.compile(r"[!-\[\]-~]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INTERNAL = tuple(map(ipaddress.IPv4Network, ("9.0.0.0/8", "11.0.0.0/8", "30.0.0.0/8")))
"""Networks that are unused on the internet and that clouds use internally.

Whether Tencent Cloud uses them is not documented. No public receiver of webhooks is in them.
"""
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def checked_url(url: str, *, plain_http: bool, networks: Iterable[str]) -> SplitResult:
    """Parse the URL of a webhook receiver and check it without DNS.

    Raises:
        ValueError: The URL is not allowed; the message says which URLs are.
    """
    prefixes = ("https://", "http://") if plain_http else ("https://",)
    if len(url) > LONGEST_URL or not _ALLOWED_CHARACTERS.fullmatch(url):
        raise ValueError(
            f"must have at most {LONGEST_URL} characters, in ASCII: percent-encode others"
        )
    parts = _split(url)
    if not url.lower().startswith(prefixes) or not parts.hostname:
        raise ValueError(f"must be {' or '.join(prefixes)} and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or a password")
    if port_of(parts) < 1:
        raise ValueError("must have a port from 1 to 65535, or none")
    address = _literal_address(parts.hostname)
    if address is not None and not is_reachable(str(address), networks):
        raise ValueError("must have a host of the public internet")
    return parts


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("must have a valid host") from None


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, or the default port of its scheme; 0 if the port is not valid."""
    try:
        port = parts.port
    except ValueError:
        return 0
    return (443 if parts.scheme == "https" else 80) if port is None else port


def is_reachable(address: str, networks: Iterable[str]) -> bool:
    """Whether webhooks may go to an address: it is public, or in one of the allowed networks.

    An IPv6 address that contains an IPv4 address is checked as that IPv4 address.
    """
    effective = _effective_address(ipaddress.ip_address(address))
    if any(effective in ipaddress.ip_network(network) for network in networks):
        return True
    if isinstance(effective, ipaddress.IPv6Address) and effective not in _GLOBAL_IPV6:
        return False
    if any(effective in network for network in _INTERNAL):
        return False
    return effective.is_global and not effective.is_multicast


def _effective_address(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _literal_address(host: str) -> Address | None:
    """Return the address if a host is one, also in the short and hexadecimal forms of IPv4."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
