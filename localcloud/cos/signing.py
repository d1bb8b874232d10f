"""Verifies the signature of a COS request: that of COS, or AWS4-HMAC-SHA256 in a header."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote

from localcloud.core import Caller
from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localcloud.core import Key, Keys
    from localcloud.server import Request

_SAFE = "-_.~"
_SPECIAL = re.compile(r"[^\w.~-]", re.ASCII)
_MAX_SKEW_S = 900
_FIELDS = (
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
)
_AWS = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>(?P<date>\d{8})/[^,]+),"
    r"\s*SignedHeaders=(?P<names>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def verify(request: Request, path: str, keys: Keys, now: float) -> Caller | None:
    """Check a request's signature and return the caller; None without a signature.

    Args:
        request: The request.
        path: The decoded path below the bucket, `/folder/key`.
        keys: The valid keys.
        now: Unix time.

    Raises:
        CosError: The signature is wrong, has expired or is not valid yet.
    """
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        return _verify_aws(request, path, authorization, keys, now)
    fields = _fields_in_header(authorization) or _fields_in_query(request)
    if not fields:
        return None
    return _verify_cos(request, path, fields, keys, now)


def _verify_cos(
    request: Request, path: str, fields: Mapping[str, str], keys: Keys, now: float
) -> Caller:
    if fields.get("q-sign-algorithm") != "sha1" or not set(_FIELDS) <= fields.keys():
        raise CosError(
            "InvalidArgument", f"A signature needs {', '.join(_FIELDS)}; only sha1 is supported."
        )
    key = find_key(keys, fields["q-ak"])
    check_time(fields["q-sign-time"], now)
    check_time(fields["q-key-time"], now)
    _check_token(request, key, now)
    expected = (
        text.signature(key.secret_key, fields) for text in _signed_texts(request, path, fields)
    )
    if not any(hmac.compare_digest(text, fields["q-signature"]) for text in expected):
        raise _mismatch()
    return Caller(key.secret_id, key.role)


@dataclass(frozen=True, slots=True)
class _SignedText:
    method: str
    path: str
    params: str
    headers: str

    def signature(self, secret_key: str, fields: Mapping[str, str]) -> str:
        text = f"{self.method}\n{self.path}\n{self.params}\n{self.headers}\n"
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        to_sign = f"sha1\n{fields['q-sign-time']}\n{digest}\n"
        return _hmac_sha1(sign_key(secret_key, fields["q-key-time"]), to_sign)


@functools.lru_cache(maxsize=64)
def sign_key(secret_key: str, key_time: str) -> str:
    """Derive the signing key for a period; clients use one key for all requests of a second."""
    return _hmac_sha1(secret_key, key_time)


def find_key(keys: Keys, secret_id: str) -> Key:
    """Return the key with this SecretId.

    Raises:
        CosError: The key does not exist.
    """
    key = keys.find(secret_id)
    if key is None:
        raise CosError("InvalidAccessKeyId", "The access key Id you provided does not exist.")
    return key


def check_time(span: str, now: float) -> None:
    """Check that a signature is valid now; its time is `from;until`.

    Raises:
        CosError: The signature has expired, or is not valid yet.
    """
    begin, _, end = span.partition(";")
    if not (begin.isdecimal() and end.isdecimal()):
        raise CosError("InvalidArgument", f"The time {span!r} is not `from;until` in Unix seconds.")
    if now > int(end):
        raise CosError("AccessDenied", "Request has expired")
    if now < int(begin) - 1:
        raise CosError("RequestTimeTooSkewed", "The signature is not valid yet.")


def check_token(key: Key, token: str, now: float) -> None:
    """Check the token and the expiry of a temporary key.

    Raises:
        CosError: The token is not the key's, or the key has expired.
    """
    if key.token and not hmac.compare_digest(token.encode(), key.token.encode()):
        raise CosError("InvalidToken", "The security token does not belong to the key.")
    if key.expires_at is not None and now > key.expires_at:
        raise CosError("ExpiredToken", "The provided token has expired.")


def _check_token(request: Request, key: Key, now: float) -> None:
    headers = request.headers
    token = headers.get("x-cos-security-token") or headers.get("x-amz-security-token")
    check_token(key, token or request.params.get("x-cos-security-token", ""), now)


def _fields_in_header(authorization: str) -> dict[str, str]:
    pairs = (field.partition("=") for field in authorization.split("&"))
    return {name: value for name, equals, value in pairs if equals}


def _fields_in_query(request: Request) -> dict[str, str]:
    return {name: request.params[name] for name in _FIELDS if name in request.params}


def _signed_texts(request: Request, path: str, fields: Mapping[str, str]) -> Iterator[_SignedText]:
    """Build the possible signed texts: some clients sign the host with its port, some without."""
    params = {_signed_name(name): value for name, value in request.params.items()}
    headers = {_signed_name(name): value for name, value in request.headers.items()}
    signed_params = _canonical(params, fields["q-url-param-list"])
    for host in dict.fromkeys((request.hostname, request.headers.get("host", ""))):
        candidate = {**headers, "host": host} if "host" in headers else headers
        signed_headers = _canonical(candidate, fields["q-header-list"], "latin-1")
        yield _SignedText(request.method.lower(), path, signed_params, signed_headers)


@functools.lru_cache(maxsize=1024)
def _signed_name(name: str) -> str:
    return _encode(name).lower()


def _canonical(values: Mapping[str, str], names: str, encoding: str = "utf-8") -> str:
    """Join the signed headers or parameters; the server decodes headers as Latin-1."""
    signed = [name for name in names.split(";") if name]
    if missing := [name for name in signed if name not in values]:
        raise CosError("SignatureDoesNotMatch", f"{missing[0]} is signed but was not sent.")
    return "&".join(f"{name}={_encode(values[name], encoding)}" for name in sorted(signed))


def _verify_aws(request: Request, path: str, authorization: str, keys: Keys, now: float) -> Caller:
    match = _AWS.fullmatch(authorization)
    if match is None:
        raise CosError(
            "InvalidArgument", "The Authorization header is not valid for AWS4-HMAC-SHA256."
        )
    key = find_key(keys, match["id"])
    _check_aws_time(request.headers.get("x-amz-date", ""), now)
    _check_token(request, key, now)
    _check_aws_payload(request)
    if not hmac.compare_digest(_aws_signature(request, path, match, key), match["signature"]):
        raise _mismatch()
    return Caller(key.secret_id, key.role)


def _check_aws_time(stamp: str, now: float) -> None:
    try:
        sent_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise CosError("InvalidArgument", f"x-amz-date is {stamp!r}, not a time.") from None
    if abs(now - sent_at.timestamp()) > _MAX_SKEW_S:
        raise CosError(
            "RequestTimeTooSkewed", "x-amz-date differs from the time by more than 15 minutes."
        )


def _check_aws_payload(request: Request) -> None:
    digest = request.headers.get("x-amz-content-sha256", "")
    if digest != "UNSIGNED-PAYLOAD" and digest != hashlib.sha256(request.body).hexdigest():
        raise CosError("SignatureDoesNotMatch", "x-amz-content-sha256 does not match the body.")


def _aws_signature(request: Request, path: str, match: re.Match[str], key: Key) -> str:
    """Compute the expected signature.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    pairs = sorted((_encode(k), _encode(v)) for k, v in request.params.items())
    names = match["names"].split(";")
    canonical = "\n".join(
        (
            request.method,
            quote(path, safe="/" + _SAFE),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names),
            match["names"],
            request.headers.get("x-amz-content-sha256", ""),
        )
    )
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    stamp = request.headers["x-amz-date"]
    secret = f"AWS4{key.secret_key}".encode()
    for part in match["scope"].split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{match['scope']}\n{digest}"
    return hmac.digest(secret, text.encode(), "sha256").hex()


def _mismatch() -> CosError:
    return CosError(
        "SignatureDoesNotMatch",
        "The Signature you specified is invalid: it does not match the request and the key.",
    )


def _encode(text: str, encoding: str = "utf-8") -> str:
    if text.isascii() and not _SPECIAL.search(text):
        return text
    return quote(text.encode(encoding, "surrogateescape"), safe=_SAFE)


def _hmac_sha1(key: str, text: str) -> str:
    return hmac.digest(key.encode(), text.encode(), "sha1").hex()
