"""Routes: which path and method is answered by what."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aigc.api.call import ENDPOINTS, Call
from aigc.api.errors import HttpError, refusal
from aigc.api.keys import authenticate
from aigc.api.progress import cancel, result, status
from aigc.api.query import query
from aigc.api.submit import submit
from aigc.api.vod_events import receive
from aigc.errors import AigcError
from aigc.logs import note
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.jobs.runtime import Runtime
    from aigc.triggers.http import HttpRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """One path with one method."""

    name: str
    method: str
    path: re.Pattern[str]
    respond: Callable[[Call], HttpResponse]
    is_open: bool = False
    """Whether it needs no API key."""


def health(_call: Call) -> HttpResponse:
    """Say that the function runs; only a new instance asks anything of the cloud for it."""
    return HttpResponse(status=200, body={"status": "ok"})


_ENDPOINT = f"/(?P<endpoint>{'|'.join(ENDPOINTS)})"
_OWNER = f"/(?P<endpoint>{'|'.join(ENDPOINTS)}|tencent-vod/v1|tencent-mps/v1)"
_REQUEST = rf"{_OWNER}/requests/(?P<id>[0-9a-zA-Z_-]+)"

ROUTES = (
    Route("submit", "POST", re.compile(_ENDPOINT), submit),
    Route("status", "GET", re.compile(f"{_REQUEST}/status"), status),
    Route("result", "GET", re.compile(_REQUEST), result),
    Route("cancel", "PUT", re.compile(f"{_REQUEST}/cancel"), cancel),
    Route(
        "query",
        "GET",
        re.compile(r"/(?P<endpoint>tencent-(?:vod|mps)/v1)/query/(?P<id>[0-9a-zA-Z_-]+)"),
        query,
    ),
    Route("health", "GET", re.compile("/health"), health, is_open=True),
    Route(
        "vod_event", "POST", re.compile("/vod/events(?:/(?P<key>[^/]+))?"), receive, is_open=True
    ),
)


def answer(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    """Serve one request; whatever this program foresees becomes an answer."""
    try:
        response = _respond(request, runtime)
    except AigcError as error:
        response = refusal(error, request.request_id)
        fault = {"error": type(error).__name__, "detail": str(error)}
        note(**fault)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("call_failed", extra=fault)
    note(method=request.method, status=response.status)
    return response.without_body() if request.method == "HEAD" else response


def _respond(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    path = request.path.rstrip("/")
    routes = [route for route in ROUTES if route.path.fullmatch(path)]
    if routes and request.method == "OPTIONS":
        return HttpResponse(status=204, headers=_allow(routes))
    caller = _caller(request, runtime, routes)
    route = _chosen(request.method, routes)
    note(route=route.name, caller=caller)
    match = route.path.fullmatch(path)
    parts = match.groupdict(default="") if match else {}
    return route.respond(Call(request=request, runtime=runtime, caller=caller, path=parts))


def _caller(request: HttpRequest, runtime: Runtime, routes: list[Route]) -> str:
    """Name the caller's key, before a word is said of the path."""
    if any(route.is_open for route in routes):
        return ""
    return authenticate(request.header("authorization"), runtime.settings.api_keys)


def _chosen(method: str, routes: list[Route]) -> Route:
    if not routes:
        raise HttpError(404, "not_found", "there is nothing at this path")
    wanted = "GET" if method == "HEAD" else method
    for route in routes:
        if route.method == wanted:
            return route
    allow = _allow(routes)
    detail = f"{method} is not taken here; allowed: {allow['Allow']}"
    raise HttpError(405, "method_not_allowed", detail, allow)


def _allow(routes: list[Route]) -> dict[str, str]:
    methods = {"OPTIONS", *(route.method for route in routes)}
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))}
