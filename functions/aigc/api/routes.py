"""Routes: the handler of each path and method."""

from __future__ import annotations

import importlib
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from aigc.api.call import ENDPOINTS, FAL_REQUEST_ID, Call
from aigc.api.errors import HttpError, refusal
from aigc.api.keys import ANONYMOUS, Caller, authenticate
from aigc.api.parameters import check_query
from aigc.api.quotas import count_request
from aigc.errors import AigcError, InvalidRequestError
from aigc.logs import note
from aigc.tasks.fields import shown
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.api.errors import ErrorFormat
    from aigc.jobs.runtime import Runtime
    from aigc.settings import Settings
    from aigc.triggers.http import HttpRequest

logger = logging.getLogger(__name__)


class Route(NamedTuple):
    """A path, a method, and the handler that answers them."""

    name: str
    method: str
    path: re.Pattern[str]
    handler: str
    """`module:function` in `aigc.api`; a cold start imports only the module that it needs."""
    is_open: bool = False
    """Whether it needs no API key."""
    error_format: ErrorFormat = "own"
    """Format of its errors."""
    query: tuple[str, ...] | None = ()
    """The query parameters that it reads; None if any are allowed."""
    is_documented: bool = True
    """Whether it is part of the API; False if it is only for browsers."""
    exists_if: tuple[str, ...] = ()
    """Settings of which at least one must be on; without any it always exists."""

    def exists(self, settings: Settings) -> bool:
        """Whether this deployment serves the route."""
        return not self.exists_if or any(getattr(settings, name) for name in self.exists_if)

    def respond(self, call: Call) -> HttpResponse:
        """Answer a call by the handler."""
        module, _, function = self.handler.partition(":")
        respond: Callable[[Call], HttpResponse] = getattr(
            importlib.import_module(f"aigc.api.{module}"), function
        )
        return respond(call)


def health(_call: Call) -> HttpResponse:
    """Answer that the function runs; only a new instance makes a request to the cloud for it."""
    return HttpResponse(status=200, body={"status": "ok"})


def home(call: Call) -> HttpResponse:
    """Point to the console, or else to the documentation.

    API Gateway drops `Location`, so the body has the links too.
    """
    settings = call.runtime.settings
    is_served = {"console": settings.console, "docs": settings.public_docs}
    links = {name: f"{call.base_url}/{name}" for name, served in is_served.items() if served}
    target = next(iter(links.values()))
    return HttpResponse(status=302, body=links, headers={"Location": target})


def favicon(_call: Call) -> HttpResponse:
    """Answer that there is no icon; a browser keeps this answer for a day."""
    return HttpResponse(status=204, headers={"Cache-Control": "public, max-age=86400"})


OPENAI = "/openai/v1"
"""Base path of OpenAI's API; all errors below it are in its form."""

MCP = "/mcp"
"""Path of the Model Context Protocol; all errors there are in its form."""

_ENDPOINT = f"/(?P<endpoint>{'|'.join(ENDPOINTS)})"
_OWNER = f"/(?P<endpoint>{'|'.join(ENDPOINTS)}|tencent-vod/v1|tencent-mps/v1)"
_ID = "(?P<id>[0-9a-zA-Z_-]{1,64})"  # real ids have 32; COS refuses a key with a longer one
_REQUEST = f"{_OWNER}/requests/{_ID}"

ROUTES = (
    Route(
        "submit",
        "POST",
        re.compile(_ENDPOINT),
        "submit:submit",
        error_format="both",
        query=("fal_webhook",),
    ),
    Route("estimate", "POST", re.compile(f"{_ENDPOINT}/estimate"), "estimate:respond"),
    Route("status", "GET", re.compile(f"{_REQUEST}/status"), "progress:status", query=("logs",)),
    Route(
        "stream", "GET", re.compile(f"{_REQUEST}/status/stream"), "stream:stream", query=("logs",)
    ),
    Route("result", "GET", re.compile(_REQUEST), "progress:result"),
    Route("cancel", "PUT", re.compile(f"{_REQUEST}/cancel"), "progress:cancel"),
    Route(
        "query",
        "GET",
        re.compile(f"/(?P<endpoint>tencent-(?:vod|mps)/v1)/query/{_ID}"),
        "query:query",
        error_format="vendor",
    ),
    Route(
        "jobs",
        "GET",
        re.compile("/v1/jobs"),
        "jobs:jobs",
        query=("state", "kind", "source", "limit", "cursor"),
    ),
    Route(
        "images",
        "GET",
        re.compile("/v1/images"),
        "images:respond",
        query=(
            *("folder", "kind", "model", "source", "since", "until", "q"),
            *("limit", "cursor"),
        ),
    ),
    Route("job", "GET", re.compile(f"/v1/jobs/{_ID}"), "jobs:job"),
    Route("replay", "POST", re.compile(f"/v1/jobs/{_ID}/replay"), "operate:replay"),
    Route("restore", "POST", re.compile(f"/v1/jobs/{_ID}/restore"), "operate:restore"),
    Route("me", "GET", re.compile("/v1/me"), "me:respond"),
    Route("lanes", "GET", re.compile("/v1/lanes"), "lanes:lanes"),
    Route("models", "GET", re.compile("/v1/models"), "models:models"),
    Route("upload", "POST", re.compile("/v1/uploads"), "uploads:upload"),
    Route(
        "uploads",
        "GET",
        re.compile("/v1/uploads"),
        "inbox:respond",
        query=("prefix", "object_key", "outcome", "limit", "cursor"),
    ),
    Route("rules", "GET", re.compile("/v1/rules"), "rules:list_rules"),
    Route(
        "inbox_upload",
        "POST",
        re.compile("/v1/rules/(?P<rule>[a-z0-9][a-z0-9_-]{0,39})/uploads"),
        "rules:upload",
    ),
    Route(
        "batches",
        "GET",
        re.compile("/v1/batches"),
        "batches:respond",
        query=("limit", "cursor"),
    ),
    Route(
        "fal_upload",
        "POST",
        re.compile("/storage/upload/initiate"),
        "uploads:fal_upload",
        query=("storage_type",),
    ),
    Route("usage", "GET", re.compile("/v1/usage"), "usage:respond", query=("from", "to")),
    Route(
        "openai_models",
        "GET",
        re.compile(f"{OPENAI}/models"),
        "openai.models:list_models",
        error_format="openai",
    ),
    Route(
        "openai_model",
        "GET",
        re.compile(f"{OPENAI}/models/(?P<model>.+)"),  # a full name has a slash
        "openai.models:get_model",
        error_format="openai",
    ),
    Route(
        "openai_generate",
        "POST",
        re.compile(f"{OPENAI}/images/generations"),
        "openai.images:generate",
        error_format="openai",
    ),
    Route(
        "openai_edit",
        "POST",
        re.compile(f"{OPENAI}/images/edits"),
        "openai.images:edit",
        error_format="openai",
    ),
    Route("mcp", "POST", re.compile(MCP), "mcp.rpc:respond", error_format="mcp"),
    Route("health", "GET", re.compile("/health"), "routes:health", is_open=True),
    Route(
        "openapi",
        "GET",
        re.compile(r"/openapi\.json"),
        "built:openapi",
        is_open=True,
        exists_if=("public_docs",),
    ),
    Route(
        "docs",
        "GET",
        re.compile("/docs"),
        "built:docs",
        is_open=True,
        exists_if=("public_docs",),
    ),
    Route(
        "console",
        "GET",
        re.compile("/console"),
        "console:page",
        is_open=True,
        query=None,
        is_documented=False,
        exists_if=("console",),
    ),
    Route(
        "console_asset",
        "GET",
        re.compile("/console/assets/(?P<asset>[A-Za-z0-9._-]{1,100})"),
        "console:asset",
        is_open=True,
        query=None,
        is_documented=False,
        exists_if=("console",),
    ),
    Route(
        "vod_event",
        "POST",
        re.compile("/vod/events(?:/(?P<key>[^/]+))?"),
        "vod_events:receive",
        is_open=True,
        query=None,  # the vendor's call: it may add parameters
    ),
    Route(
        "home",
        "GET",
        re.compile("/"),
        "routes:home",
        is_open=True,
        query=None,
        is_documented=False,
        exists_if=("console", "public_docs"),
    ),
    Route(
        "favicon",
        "GET",
        re.compile(r"/favicon\.ico"),
        "routes:favicon",
        is_open=True,
        query=None,
        is_documented=False,
    ),
)


def answer(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    """Answer one request; every expected error becomes an answer."""
    try:
        response = _respond(request, runtime)
    except AigcError as error:
        response = refusal(error, request.request_id, error_format(request, error))
        fields = {"error": type(error).__name__, "detail": _log_detail(error)}
        note(**fields)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("call_failed", extra=fields)
    note(method=request.method, status=response.status)
    # HEAD has a body too: the platform's server removes it and sets Content-Length by it.
    return response.with_headers(_request_id(request, response.status))


def _request_id(request: HttpRequest, status: int) -> dict[str, str]:
    """Return the header with the request id in the path; none without a key or such a request."""
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
        return {}
    matches = (route.path.fullmatch(request.path.rstrip("/")) for route in ROUTES)
    ids = (match.groupdict().get("id") for match in matches if match)
    job_id = next(filter(None, ids), None)
    return {FAL_REQUEST_ID: job_id} if job_id else {}


def _log_detail(error: AigcError) -> str:
    """Describe an error without the values of the request: URLs in it may be secrets."""
    return f"at {error.field}" if isinstance(error, InvalidRequestError) else str(error)


def _respond(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    path = _path(request)
    routes = [route for route in _matching(path) if route.exists(runtime.settings)]
    if routes and request.method == "OPTIONS":
        return HttpResponse(status=204, headers=_allow(routes))
    caller = _caller(request, runtime, routes)
    count_request(caller, runtime)
    route = _choose(request.method, routes)
    note(route=route.name, caller=caller.name)
    _check_form(request, route)
    match = route.path.fullmatch(path)
    parts = match.groupdict(default="") if match else {}
    return route.respond(Call(request=request, runtime=runtime, caller=caller, path=parts))


def _path(request: HttpRequest) -> str:
    return request.path.rstrip("/") or "/"


def _check_form(request: HttpRequest, route: Route) -> None:
    """Refuse a query parameter that the handler does not read, and a compressed body."""
    if route.query is not None:
        check_query(request, route.query)
    coding = request.header("content-encoding").strip()
    if request.method == "POST" and coding.lower() not in {"", "identity"}:
        raise HttpError(
            415,
            "unsupported_media_type",
            f"Content-Encoding: {shown(coding)} is not allowed; allowed: identity, which is a body"
            " that is not compressed",
            {"Accept-Encoding": "identity"},
            field="Content-Encoding",
        )


def _matching(path: str) -> list[Route]:
    return [route for route in ROUTES if route.path.fullmatch(path)]


def error_format(request: HttpRequest, error: AigcError | None = None) -> ErrorFormat:
    """Choose the format of an error; without a key it does not depend on the routes.

    A path without a route may come from any client: both formats are sent.
    """
    path = _path(request)
    if path.startswith(f"{OPENAI}/"):
        return "openai"
    if path == MCP:
        return "mcp"
    if isinstance(error, HttpError) and error.status == HTTPStatus.UNAUTHORIZED:
        return "both"
    return next((route.error_format for route in _matching(path)), "both")


def _caller(request: HttpRequest, runtime: Runtime, routes: list[Route]) -> Caller:
    """Identify the caller; a call needs a key unless its path has an open route."""
    if any(route.is_open for route in routes):
        return ANONYMOUS
    return authenticate(request.header("authorization"), runtime)


def _choose(method: str, routes: list[Route]) -> Route:
    if not routes:
        raise HttpError(404, "not_found", "there is no such path")
    route_method = "GET" if method == "HEAD" else method
    for route in routes:
        if route.method == route_method:
            return route
    allow = _allow(routes)
    detail = f"{method} is not allowed here; allowed: {allow['Allow']}"
    raise HttpError(405, "method_not_allowed", detail, allow)


def _allow(routes: list[Route]) -> dict[str, str]:
    methods = {"OPTIONS", *(route.method for route in routes)}
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))}
