"""Keys: who may call."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from aigc.api.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = frozenset({"bearer", "key"})


def authenticate(authorization: str, digests: Mapping[str, str]) -> str:
    """Return the name of the key in an Authorization header.

    Every digest is compared, each in constant time: how long it takes tells nothing.

    Raises:
        HttpError: There is none, or it is not one of ours; which of the two is not said.
    """
    scheme, _, key = authorization.strip().partition(" ")
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    names = [
        name
        for name, expected in digests.items()
        if hmac.compare_digest(digest.encode(), expected.lower().encode())
    ]
    if not names or scheme.lower() not in _SCHEMES:
        raise HttpError(401, "unauthorized", "unauthorized", {"WWW-Authenticate": "Bearer"})
    return names[0]
