"""API Gateway's routing: it finds the API of a request and builds the function's event."""

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
    """Build the event that the function receives.

    `queryString` has all query parameters, with `true` for a name without a value; the other
    fields have only the parameters that the API declares.
    https://cloud.tencent.com/document/product/583/12513
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
        "pathParameters": _path_parameters(route["Path"], path) or {},
        "queryStringParameters": {
            name: query[name] for name in _declared_names(api, "QUERY") if name in query
        },
        "headerParameters": {
            name: request.headers[name.lower()]
            for name in _declared_names(api, "HEADER")
            if name.lower() in request.headers
        },
        "stageVariables": {"stage": stage},
        "path": path,
        "queryString": query,
        "httpMethod": request.method,
    }


def _declared_names(api: Json, position: str) -> list[str]:
    parameters = api.get("RequestParameters") or []
    return [item["Name"] for item in parameters if item.get("Position") == position]


def _query(text: str) -> Json:
    names_without_value = {part for part in text.split("&") if part and "=" not in part}
    parameters = parse_qs(text, keep_blank_values=True)
    return {
        name: True if name in names_without_value else values if values[1:] else values[0]
        for name, values in parameters.items()
    }


def split_stage(path: str) -> tuple[str, str]:
    """Split a path into stage and rest: `/release/a/b` is `release` and `/a/b`."""
    stage, _, rest = path.removeprefix("/").partition("/")
    return stage, f"/{rest}"


def find_api(apis: list[Json], method: str, path: str) -> Json | None:
    """Return the API with the longest matching path; None if no API matches."""
    matching = [
        api
        for api in apis
        if api["RequestConfig"]["Method"] in {method, "ANY"}
        and _path_parameters(api["RequestConfig"]["Path"], path) is not None
    ]
    return max(matching, key=lambda api: len(api["RequestConfig"]["Path"]), default=None)


def _path_parameters(pattern: str, path: str) -> dict[str, str] | None:
    """Match `=/exact/path` or `/a/prefix`, with `{name}` for a part; None without a match."""
    parts = [_part_pattern(part) for part in pattern.removeprefix("=").rstrip("/").split("/")]
    rest = "/?" if pattern.startswith("=") else "(/.*)?"
    match = re.fullmatch("/".join(parts) + rest, path)
    return None if match is None else match.groupdict()


def _part_pattern(part: str) -> str:
    name = re.fullmatch(r"\{(\w+)\}", part)
    return f"(?P<{name[1]}>[^/]+)" if name else re.escape(part)
