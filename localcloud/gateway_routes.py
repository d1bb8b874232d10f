"""What API Gateway does with a request: find the API that it is for, and make an event of it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from localcloud.actions import Json
    from localcloud.server import Request

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "ANY")

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": ", ".join(METHODS[:-1]),
    "Access-Control-Allow-Headers": "*",
}


def gateway_event(request: Request, api: Json, stage: str, path: str) -> Json:
    """Build the event that the function gets.

    `queryString` holds whatever was sent, `true` for a name without a value; the other parameters
    are only those that the API declares. https://cloud.tencent.com/document/product/583/12513
    """
    route = api["RequestConfig"]
    query = _query(request.query)
    return {
        "requestContext": {
            "serviceId": api["ServiceId"],
            "path": route["Path"],
            "httpMethod": route["Method"],
            "requestId": uuid.uuid4().hex,
            "identity": {},
            "sourceIp": request.source_ip,
            "stage": stage,
        },
        "headers": dict(request.headers),
        "body": request.body.decode(errors="replace"),
        "pathParameters": _matched(route["Path"], path) or {},
        "queryStringParameters": {
            name: query[name] for name in _declared(api, "QUERY") if name in query
        },
        "headerParameters": {
            name: request.headers[name.lower()]
            for name in _declared(api, "HEADER")
            if name.lower() in request.headers
        },
        "stageVariables": {"stage": stage},
        "path": path,
        "queryString": query,
        "httpMethod": request.method,
    }


def _declared(api: Json, position: str) -> list[str]:
    parameters = api.get("RequestParameters") or []
    return [one["Name"] for one in parameters if one.get("Position") == position]


def _query(text: str) -> Json:
    bare = {part for part in text.split("&") if part and "=" not in part}
    found = parse_qs(text, keep_blank_values=True)
    return {
        name: True if name in bare else values if values[1:] else values[0]
        for name, values in found.items()
    }


def split_stage(path: str) -> tuple[str, str]:
    """Take the stage off a path: `/release/a/b` is `/a/b` of `release`."""
    stage, _, rest = path.removeprefix("/").partition("/")
    return stage, f"/{rest}"


def find_api(apis: list[Json], method: str, path: str) -> Json | None:
    """Choose the API with the longest path that fits."""
    fitting = [
        api
        for api in apis
        if api["RequestConfig"]["Method"] in {method, "ANY"}
        and _matched(api["RequestConfig"]["Path"], path) is not None
    ]
    return max(fitting, key=lambda api: len(api["RequestConfig"]["Path"]), default=None)


def _matched(pattern: str, path: str) -> dict[str, str] | None:
    """Match `=/exactly`, or `/a/prefix`, with `{name}` for a part; None if it does not fit."""
    parts = [_part(part) for part in pattern.removeprefix("=").rstrip("/").split("/")]
    rest = "/?" if pattern.startswith("=") else "(/.*)?"
    found = re.fullmatch("/".join(parts) + rest, path)
    return None if found is None else found.groupdict()


def _part(part: str) -> str:
    name = re.fullmatch(r"\{(\w+)\}", part)
    return f"(?P<{name[1]}>[^/]+)" if name else re.escape(part)
