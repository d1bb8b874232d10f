"""MCP's streamable HTTP without sessions: one message of JSON-RPC in a POST, one in its answer.

The official SDK takes half a second of a cold start, so this module implements the protocol itself
(https://modelcontextprotocol.io/specification). Clients of revisions up to 2025-11-25 send
`initialize` first; the service has no sessions, so each message is answered independently. From
2026-07-28 on each message has its revision in `_meta`, and headers repeat it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigc.api.errors import EXCEPTION_STATUS, HttpError
from aigc.api.mcp.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    RpcError,
    advice_on,
)
from aigc.api.submit import MAX_BODY
from aigc.errors import AigcError
from aigc.logs import note
from aigc.tasks.fields import shown
from aigc.triggers.http import HttpResponse
from aigc.wire import strict_json

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.mcp.results import ToolResult
    from aigc.triggers.http import HttpRequest

INITIALIZED_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions that begin with `initialize`."""

LATEST = "2026-07-28"
"""The revision in which each message says its revision."""

_WITHOUT_HEADER = "2025-03-26"
"""The revision of a message without the header `MCP-Protocol-Version`."""

_STRUCTURED_SINCE = "2025-06-18"
"""The first revision with links and data in answers of tools."""

_META = "io.modelcontextprotocol"
_SERVER = {"name": "aigc-functions", "title": "AIGC Functions", "version": "1"}
_INSTRUCTIONS = (
    "Makes images on Tencent Cloud. generate_image, edit_image and scene_image spend money and"
    " answer with a request_id; wait returns the images. estimate is free."
)
_TOOLS_TTL_MS = 300_000
_LOOPBACK = re.compile(r"localhost|127\.0\.0\.1|\[::1\]")


def respond(call: Call) -> HttpResponse:
    """Answer one message."""
    request = call.request
    _check_origin(call)
    _check_accept(request)
    try:
        message = _message(request)
    except RpcError as error:
        return error.response(None)
    if "id" not in message:
        return HttpResponse(status=202)  # a notification, which changes nothing here
    try:
        result = _result(message, call)
    except RpcError as error:
        note(rpc_error=error.code)
        return error.response(message["id"])
    return HttpResponse(status=200, body={"jsonrpc": "2.0", "id": message["id"], "result": result})


# The request


def _check_origin(call: Call) -> None:
    """Refuse calls of pages of other sites, whose origin a browser sends.

    The specification demands this check, although each call needs a key. Pages of the developer's
    own machine, such as MCP Inspector, are allowed.
    """
    origin = call.request.header("origin").strip()
    if not origin or origin.rstrip("/") == _origin_of(call.base_url):
        return
    host = urlsplit(origin).netloc.lower()
    if not _LOOPBACK.fullmatch(re.sub(r":\d+$", "", host)):
        detail = f"Origin: {shown(origin)} is not allowed; allowed: the service's own, or localhost"
        raise HttpError(403, "forbidden", detail, field="Origin")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _check_accept(request: HttpRequest) -> None:
    """Refuse a caller that does not accept JSON, the only format of answers here."""
    accepted = request.header("accept").lower()
    types = {accepted_type.partition(";")[0].strip() for accepted_type in accepted.split(",")}
    if accepted and not types & {"application/json", "application/*", "*/*"}:
        detail = f"Accept: {shown(accepted)} is not possible; allowed: application/json"
        raise HttpError(406, "not_acceptable", detail, field="Accept")


def _message(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MAX_BODY:
        text = f"the body has {len(request.body)} bytes, at most {MAX_BODY} are accepted"
        raise RpcError(INVALID_REQUEST, text, status=413)
    try:
        message = strict_json(request.body)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, f"the body is not JSON: {error}") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "the body must be one message of JSON-RPC 2.0")
    is_answer = "result" in message or "error" in message
    if not isinstance(message.get("method"), str) or is_answer:
        raise RpcError(INVALID_REQUEST, "the message must be a request or a notification")
    if "id" in message and not _is_id(message["id"]):
        raise RpcError(INVALID_REQUEST, "id: must be a text or an integer")
    return message


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _version(request: HttpRequest, message: dict[str, Any]) -> str:
    """Return the revision of a message.

    Raises:
        RpcError: It is unknown, or the message and its headers disagree.
    """
    version = request.header("mcp-protocol-version").strip() or _WITHOUT_HEADER
    if version == LATEST:
        _check_envelope(request, message)
    elif message["method"] != "initialize" and version not in INITIALIZED_VERSIONS:
        raise _unsupported(version)
    return version


def _unsupported(version: str) -> RpcError:
    supported = [*INITIALIZED_VERSIONS, LATEST]
    data = {"supported": supported, "requested": version}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data)


def _check_envelope(request: HttpRequest, message: dict[str, Any]) -> None:
    """Check the fields and headers that the revision 2026-07-28 demands of each request."""
    params = _params(message)
    meta = params.get("_meta")
    keys = (f"{_META}/protocolVersion", f"{_META}/clientCapabilities")
    missing = [key for key in keys if not isinstance(meta, dict) or key not in meta]
    if missing or not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {', '.join(missing)}")
    expected = {"mcp-protocol-version": meta[keys[0]], "mcp-method": message["method"]}
    if message["method"] == "tools/call":
        expected["mcp-name"] = params.get("name")
    for header, value in expected.items():
        if request.header(header).strip() != value:
            text = f"the header {header} differs from the value in the message"
            raise RpcError(HEADER_MISMATCH, text)


def _params(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params: must be an object")
    return params


# The answer


def _result(message: dict[str, Any], call: Call) -> dict[str, Any]:
    version = _version(call.request, message)
    params, method = _params(message), message["method"]
    is_latest = version == LATEST
    if method == "tools/call":
        return _stamped(_call_tool(params, call, version), is_latest=is_latest)
    if method == "tools/list":
        return _stamped({"tools": _tools(call)}, is_latest=is_latest, is_cacheable=True)
    if is_latest and method == "server/discover":
        return _stamped(_discovered(), is_latest=True, is_cacheable=True)
    if not is_latest and method in {"initialize", "ping"}:
        return _initialized(params) if method == "initialize" else {}
    # Earlier revisions have errors of JSON-RPC with status 200.
    text = f"there is no method {shown(method)}"
    raise RpcError(METHOD_NOT_FOUND, text, status=404 if is_latest else 200)


def _discovered() -> dict[str, Any]:
    return {
        "supportedVersions": [*INITIALIZED_VERSIONS, LATEST],
        "capabilities": {"tools": {}},
        "instructions": _INSTRUCTIONS,
    }


def _initialized(params: dict[str, Any]) -> dict[str, Any]:
    requested = params.get("protocolVersion")
    is_known = requested in INITIALIZED_VERSIONS
    return {
        "protocolVersion": requested if is_known else INITIALIZED_VERSIONS[-1],
        "capabilities": {"tools": {}},
        "serverInfo": _SERVER,
        "instructions": _INSTRUCTIONS,
    }


def _stamped(
    result: dict[str, Any], *, is_latest: bool, is_cacheable: bool = False
) -> dict[str, Any]:
    """Add the fields that the revision 2026-07-28 demands of each result."""
    if not is_latest:
        return result
    cache = {"ttlMs": _TOOLS_TTL_MS, "cacheScope": "private"} if is_cacheable else {}
    meta = {f"{_META}/serverInfo": _SERVER}
    return {**result, **cache, "resultType": "complete", "_meta": meta}


def _tools(call: Call) -> list[dict[str, Any]]:
    from aigc.api.mcp.tools import TOOLS  # noqa: PLC0415  a handshake does not need it

    return [tool.describe(name, call) for name, tool in TOOLS.items() if tool.is_for(call)]


def _call_tool(params: dict[str, Any], call: Call, version: str) -> dict[str, Any]:
    from aigc.api.mcp.results import ToolResult  # noqa: PLC0415  as above
    from aigc.api.mcp.tools import TOOLS, run_tool  # noqa: PLC0415  as above

    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or name not in TOOLS:
        text = f"name: there is no tool {shown(name)}; allowed: {', '.join(TOOLS)}"
        raise RpcError(INVALID_PARAMS, text, status=400 if version == LATEST else 200)
    if not isinstance(arguments, dict | None):
        raise RpcError(INVALID_PARAMS, "arguments: must be an object")
    note(tool=name)
    try:
        result = run_tool(name, call, arguments or {})
    except AigcError as error:
        result = ToolResult(*_refusal(error), is_error=True)
    return _content(result, version)


def _refusal(error: AigcError) -> tuple[str, dict[str, Any]]:
    """Return text and data about a call that was refused, with advice for the agent."""
    if isinstance(error, HttpError):
        error_type = error.error_type
    else:
        error_type = next(
            EXCEPTION_STATUS[base] for base in type(error).__mro__ if base in EXCEPTION_STATUS
        ).error_type
    note(error=error_type)
    text = " ".join(filter(None, (f"{error}.", advice_on(error, error_type))))
    data = {
        "error_type": error_type,
        "field": getattr(error, "field", "") or None,
        "allowed": getattr(error, "allowed", "") or None,
    }
    return text, data


def _content(result: ToolResult, version: str) -> dict[str, Any]:
    is_structured = version >= _STRUCTURED_SINCE
    text = {"type": "text", "text": result.text}
    links = result.links if is_structured else ()
    data = {"structuredContent": result.data} if is_structured else {}
    content = [text, *links, *result.previews]
    return {"content": content, "isError": result.is_error, **data}
