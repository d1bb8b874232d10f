"""Verifies TC3-HMAC-SHA256, the signature of every call of API 3.0."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from localcloud.core import ApiError, Caller

if TYPE_CHECKING:
    from localcloud.core import Key, Keys
    from localcloud.server import Request

ALGORITHM = "TC3-HMAC-SHA256"
MAX_SKEW_S = 300

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<id>[^/,]+)/(?P<date>[\d-]+)/(?P<service>[\w:]+)/tc3_request,"
    r"\s*SignedHeaders=(?P<names>[\w;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Credential:
    """The contents of the Authorization header."""

    secret_id: str
    date: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope: date, service and `tc3_request`."""
        return f"{self.date}/{self.service}/tc3_request"


def parse(request: Request) -> Credential:
    """Parse the Authorization header.

    Raises:
        ApiError: The header is missing or malformed.
    """
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise ApiError(
            "AuthFailure.InvalidAuthorization",
            f"The Authorization header is missing or is not of the form of {ALGORITHM}.",
        )
    names = tuple(match["names"].split(";"))
    return Credential(match["id"], match["date"], match["service"], names, match["signature"])


def verify(request: Request, credential: Credential, keys: Keys, now: float) -> Caller:
    """Check a request's signature and return the caller.

    Raises:
        ApiError: The key is unknown, or the signature is wrong, has expired or is not valid yet.
    """
    timestamp = _timestamp(request, now)
    key = keys.find(credential.secret_id)
    if key is None:
        raise ApiError("AuthFailure.SecretIdNotFound", "The SecretId does not exist.")
    _check_token(request, key, now)
    if credential.date != datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d"):
        raise _wrong_signature("its date is not that of X-TC-Timestamp")
    if not {"content-type", "host"} <= set(credential.signed_headers):
        raise _wrong_signature("SignedHeaders must contain content-type and host")
    # The SDKs for Node.js sign the host without its port, the others with it.
    hosts = dict.fromkeys((request.headers.get("host", ""), request.hostname))
    expected = (sign(request, credential, key.secret_key, timestamp, host) for host in hosts)
    if not any(hmac.compare_digest(candidate, credential.signature) for candidate in expected):
        raise _wrong_signature("it does not match the request and the key")
    return Caller(key.secret_id, key.role)


def sign(
    request: Request, credential: Credential, secret_key: str, timestamp: int, host: str
) -> str:
    """Compute the signature of a request with this value of the Host header."""
    signed = replace(request, headers={**request.headers, "host": host})
    text = "\n".join(
        (
            ALGORITHM,
            str(timestamp),
            credential.scope,
            _sha256(_canonical(signed, credential.signed_headers).encode()),
        )
    )
    key = f"TC3{secret_key}".encode()
    for part in (credential.date, credential.service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(request: Request, names: tuple[str, ...]) -> str:
    lines = [f"{name}:{_header(request, name)}\n" for name in names]
    unsigned = request.headers.get("x-tc-content-sha256") == "UNSIGNED-PAYLOAD"
    payload = b"UNSIGNED-PAYLOAD" if unsigned else request.body
    parts = (request.method, "/", request.query, "".join(lines), ";".join(names), _sha256(payload))
    return "\n".join(parts)


def _header(request: Request, name: str) -> str:
    if name not in request.headers:
        raise _wrong_signature(f"the signed header {name} is missing")
    return request.headers[name].strip().lower()


def _timestamp(request: Request, now: float) -> int:
    value = request.headers.get("x-tc-timestamp", "")
    if not value.isdecimal():
        raise ApiError("InvalidParameter", f"X-TC-Timestamp is {value!r}, not Unix seconds.")
    if abs(now - int(value)) > MAX_SKEW_S:
        raise ApiError(
            "AuthFailure.SignatureExpire",
            f"X-TC-Timestamp differs from the server's time {now:.0f} by more than {MAX_SKEW_S} s.",
        )
    return int(value)


def _check_token(request: Request, key: Key, now: float) -> None:
    token = request.headers.get("x-tc-token", "")
    if not hmac.compare_digest(token.encode(), key.token.encode()):
        raise ApiError("AuthFailure.TokenFailure", "X-TC-Token does not belong to the SecretId.")
    if key.expires_at is not None and now > key.expires_at:
        raise ApiError("AuthFailure.TokenFailure", "The temporary key has expired.")


def _wrong_signature(reason: str) -> ApiError:
    return ApiError("AuthFailure.SignatureFailure", f"The signature is wrong: {reason}.")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
