"""Cross-origin headers, by the CORS rules of the bucket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localcloud.cos import xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from localcloud.server import Request


def response_headers(rules: str, origin: str, request: Request) -> dict[str, str]:
    """Return the CORS headers of the first rule that allows the request; else none."""
    if not rules:
        return {}
    method = request.headers.get("access-control-request-method", request.method)
    for rule in xml.parse(rules.encode()).iterfind("CORSRule"):
        if _allows_request(rule, origin, method) and _allows_headers(rule, request):
            return _headers(rule, origin, request)
    return {}


def _allows_request(rule: Element, origin: str, method: str) -> bool:
    origins = (re.escape(text).replace(r"\*", ".*") for text in _texts(rule, "AllowedOrigin"))
    return method in _texts(rule, "AllowedMethod") and any(
        re.fullmatch(pattern, origin) for pattern in origins
    )


def _allows_headers(rule: Element, request: Request) -> bool:
    """Return whether a rule allows all headers that a preflight request names."""
    requested = request.headers.get("access-control-request-headers", "").lower()
    names = {name.strip() for name in requested.split(",") if name.strip()}
    allowed = {name.lower() for name in _texts(rule, "AllowedHeader")}
    return "*" in allowed or names <= allowed


def _headers(rule: Element, origin: str, request: Request) -> dict[str, str]:
    requested = request.headers.get("access-control-request-headers", "")
    allowed = _texts(rule, "AllowedHeader")
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(_texts(rule, "AllowedMethod")),
        "Access-Control-Allow-Headers": requested if "*" in allowed else ", ".join(allowed),
        "Access-Control-Expose-Headers": ", ".join(_texts(rule, "ExposeHeader")),
        "Access-Control-Max-Age": rule.findtext("MaxAgeSeconds", ""),
        "Vary": "Origin",
    }
    return {name: value for name, value in headers.items() if value}


def _texts(rule: Element, name: str) -> list[str]:
    return [element.text or "" for element in rule.iterfind(name)]
