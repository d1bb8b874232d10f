"""Signs webhooks as defined by Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Lowest and highest number of bytes of a secret."""


def secret_bytes(secret: str) -> bytes:
    """Decode a secret from its text form.

    Raises:
        ValueError: The text is not a secret. The message does not contain it.
    """
    allowed = f"{PREFIX} and then {SHORTEST} to {LONGEST} bytes in Base64"
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"must be {allowed}") from None
    if not secret.startswith(PREFIX) or not SHORTEST <= len(decoded) <= LONGEST:
        raise ValueError(f"must be {allowed}")
    return decoded


def signed_headers(
    body: bytes, *, message_id: str, at: datetime, secrets: Iterable[str]
) -> dict[str, str]:
    """Return the headers of a message; it is signed with each secret, two during a rotation."""
    timestamp = str(int(at.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(content, secret) for secret in secrets),
    }


def _signature(content: bytes, secret: str) -> str:
    digest = hmac.digest(secret_bytes(secret), content, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
