"""HTTP requests, parsed from events of a Function URL or of API Gateway, and their answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event, describe_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?", re.IGNORECASE)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_STANDARD_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """An HTTP request, from either trigger."""

    method: str
    """In upper case."""
    path: str
    """Without the stage that API Gateway puts before it."""
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""
    body: bytes = b""
    source_ip: str = ""
    request_id: str = ""
    """Id of the invocation, or else of API Gateway."""
    base_url: str = ""
    """The part of the URL before the path, as the caller used it; empty if it is unknown."""

    @classmethod
    def parse(cls, event: object, *, request_id: str = "") -> HttpRequest:
        """Read the event of either trigger; fields that one of them leaves out are optional.

        A Function URL drops `requestContext`, `isBase64Encoded` and `queryStringParameters`
        (https://cloud.tencent.com/document/product/583/96099).

        Raises:
            BadEventError: It is not an HTTP request, or its body is not in Base64 although
                `isBase64Encoded` is set.
        """
        try:
            http_event = _HttpEvent.model_validate(event)
        except ValidationError as error:
            raise BadEventError(f"this is not an HTTP event: {describe_errors(error)}") from None
        _check_text(http_event)
        headers = {
            name.lower(): ", ".join(_values(value)) for name, value in http_event.headers.items()
        }
        return cls(
            method=http_event.method.upper(),
            path=http_event.path,
            query={name: _values(value) for name, value in http_event.query.items()},
            headers=headers,
            body=http_event.body_bytes(),
            source_ip=http_event.context.source_ip or headers.get("x-scf-remote-addr", ""),
            request_id=request_id or http_event.context.request_id,
            base_url=_base_url(headers, http_event.context.stage),
        )

    def header(self, name: str) -> str:
        """Return the value of a header; empty if it is absent."""
        return self.headers.get(name.lower(), "")

    def parameter(self, name: str) -> str:
        """Return the first value of a query parameter; empty if it is absent."""
        return next(iter(self.query.get(name, ())), "")

    def accepts_gzip(self) -> bool:
        """Whether the caller accepts answers that are compressed with gzip."""
        weights = _weights(self.header("accept-encoding"))
        return weights.get("gzip", weights.get("*", 0)) > 0

    def has_version(self, etag: str) -> bool:
        """Whether the caller already has the version with this ETag (RFC 9110, 13.1.2)."""
        tags = [tag.strip() for tag in self.header("if-none-match").split(",")]
        return "*" in tags or etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer; its body is JSON, text, bytes, or absent."""

    status: int
    body: Mapping[str, Any] | str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def versioned(self, request: HttpRequest, cache_control: str) -> HttpResponse:
        """Return the answer with an ETag; a 304 if the caller already has this version."""
        etag = f'W/"{hashlib.sha256(_text_of(self.body).encode()).hexdigest()[:16]}"'
        headers = {**self.headers, "ETag": etag, "Cache-Control": cache_control}
        if request.has_version(etag):
            return HttpResponse(status=304, headers=headers)
        return replace(self, headers=headers)

    def with_headers(self, headers: Mapping[str, str]) -> HttpResponse:
        """Return the answer with these headers; headers of the answer take precedence."""
        return replace(self, headers={**headers, **self.headers})

    def to_event(self) -> dict[str, Any]:
        """Return the answer in the form that both triggers expect."""
        content = {} if self.body is None else {"Content-Type": self.content_type}
        return {
            "isBase64Encoded": isinstance(self.body, bytes),
            "statusCode": self.status,
            "headers": {**content, **_STANDARD_HEADERS, **self.headers},
            "body": _text_of(self.body),
        }


class _Context(Event):
    source_ip: str = Field(default="", alias="sourceIp")
    request_id: str = Field(default="", alias="requestId")
    stage: str = ""


class _HttpEvent(Event):
    method: str = Field(alias="httpMethod", pattern="^[A-Za-z]{1,20}$")
    path: str = Field(pattern="^/")
    headers: dict[str, Any] = Field(default_factory=dict)
    actual_query: dict[str, Any] | None = Field(default=None, alias="queryString")
    declared_query: dict[str, Any] | None = Field(default=None, alias="queryStringParameters")
    body: str | None = None
    is_base64: bool = Field(default=False, alias="isBase64Encoded")
    context: _Context = Field(default=_Context(), alias="requestContext")

    @property
    def query(self) -> dict[str, Any]:
        return self.actual_query or self.declared_query or {}

    def body_bytes(self) -> bytes:
        text = self.body or ""
        try:
            return base64.b64decode(text, validate=True) if self.is_base64 else text.encode()
        except ValueError:
            expected = "Base64, although isBase64Encoded is set" if self.is_base64 else "text"
            raise BadEventError(f"the body is not {expected}") from None


def _check_text(http_event: _HttpEvent) -> None:
    """Refuse unpaired surrogates, which can be neither hashed nor compared nor logged."""
    try:
        json.dumps(
            [http_event.method, http_event.path, http_event.headers, http_event.query],
            ensure_ascii=False,
        ).encode()
    except (ValueError, RecursionError) as error:
        raise BadEventError(f"this is not an HTTP event: {error}") from None


def _text_of(body: Mapping[str, Any] | str | bytes | None) -> str:
    if isinstance(body, bytes):
        return base64.b64encode(body).decode()
    text = body or "" if isinstance(body, str | None) else json.dumps(body, ensure_ascii=False)
    # An error may quote a value with an unpaired surrogate, which no encoder accepts.
    return text.encode(errors="replace").decode()


def _weights(header: str) -> dict[str, float]:
    """Return coding → weight from a header such as `gzip;q=0.8, *;q=0`."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        weights[coding] = float(weight) if re.fullmatch(r"[01](\.[0-9]{0,3})?", weight) else 1
    return weights


def _values(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return (_text(value),)


def _text(value: object) -> str:
    if value is True:  # a parameter without a value: `?logs`
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _base_url(headers: Mapping[str, str], stage: str) -> str:
    host = headers.get("host", "")
    match = _HOST.fullmatch(host)
    if match is None:
        return ""
    is_loopback = match["name"].lower() in _LOOPBACK
    scheme = headers.get("x-forwarded-proto") or ("http" if is_loopback else "https")
    if scheme not in {"http", "https"}:
        return ""
    return f"{scheme}://{host}" + (f"/{stage}" if stage else "")
