"""Errors of MCP: errors of the protocol as JSON-RPC, errors of a tool as text for the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.api.errors import HttpError
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.errors import ErrorMapping
    from aigc.errors import AigcError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

_FIRST_SERVER_ERROR = 500

_ADVICE: Mapping[str, str] = {
    "budget_exceeded": "Nothing was spent. The same call is refused until the next month. A"
    " cheaper model may still fit: `list_models` has prices and `estimate` is free. Otherwise ask"
    " the owner of the key for a larger budget.",
    "quota_exceeded": "Nothing was spent. The same call is refused until tomorrow (UTC). Ask the"
    " owner of the key for more jobs a day.",
    "rate_limited": "Nothing was spent. Wait a minute before the next call.",
    "price_unknown": "Nothing was spent. Use a model that has a price in `list_models`, or ask"
    " the owner of the service to add this price.",
    "forbidden": "Nothing was spent. Use a tool or a model that this key is for.",
    "invalid_request": "Nothing was spent. Correct the argument and call again.",
    "model_not_found": "Nothing was spent. `list_models` lists the models.",
    "not_found": "`list_jobs` lists the requests that this key may see.",
    "not_cancellable": "Call `wait` with its request_id.",
}
"""`error_type` → advice for the agent."""

_AGAIN = (
    "Call again with the same arguments: the call finds the request if it was already accepted, and"
    " no image is paid twice."
)


class RpcError(Exception):
    """The error of JSON-RPC that answers a message."""

    def __init__(self, code: int, message: str, *, status: int = 400, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.data = data

    def response(self, message_id: object) -> HttpResponse:
        """Return the answer to the message with this id."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.data is not None:
            error["data"] = self.data
        body = {"jsonrpc": "2.0", "id": message_id, "error": error}
        return HttpResponse(status=self.status, body=body)


def mcp_refusal(
    error: AigcError, mapping: ErrorMapping, headers: Mapping[str, str], request_id: str
) -> HttpResponse:
    """Answer a call that was refused before its message was read."""
    code = INTERNAL_ERROR if mapping.status >= _FIRST_SERVER_ERROR else INVALID_REQUEST
    data = {
        "error_type": mapping.error_type,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    rpc_error = RpcError(code, str(error), status=mapping.status, data=data)
    return rpc_error.response(None).with_headers(headers)


def advice_on(error: AigcError, error_type: str) -> str:
    """Return advice for an agent about an error; empty if there is none."""
    if isinstance(error, HttpError) or not error.retryable:
        return _ADVICE.get(error_type, "")
    return _AGAIN
