"""Invokes a function for an HTTP request: one synchronous invocation, one response."""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.faults import argument
from localcloud.server import LostReplyError, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.scf.function import Function
    from localcloud.scf.instance import Outcome
    from localcloud.server import Request

MAX_BODY = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """Invokes a function for HTTP requests, and applies their faults."""

    function: Function
    clock: Clock
    faults: Faults
    to_response: Callable[[Outcome], Response]
    """Builds the response from the outcome of an invocation."""

    def answer(self, request: Request, event: dict[str, Any]) -> Response:
        """Invoke the function with a request's event, and return the response."""
        if len(request.body) > MAX_BODY:
            return error_response(
                406, f"the request body has {len(request.body)} bytes, at most 6 MB"
            )
        fault = self.faults.take(
            f"scf.{self.function.name}", "throttle", "http_500", "lost_reply", "delay"
        )
        if fault in {"throttle", "http_500"}:
            return error_response(429 if fault == "throttle" else 500, "a fault of the local cloud")
        if fault and fault.startswith("delay"):
            time.sleep(float(argument(fault)) / self.clock.speed)
        outcome = self.function.invoke(event)
        if fault == "lost_reply":
            raise LostReplyError
        return self.to_response(outcome)


def url_response(outcome: Outcome) -> Response:
    """Build a Function URL's response: from `statusCode` and so on, or the value as JSON."""
    if outcome.failure:
        return _json(_failure_text(outcome), outcome.failure.status)
    if len(outcome.value) > MAX_BODY:
        return error_response(407, f"the response has {len(outcome.value)} bytes, at most 6 MB")
    value = json.loads(outcome.value)
    if not isinstance(value, dict) or "statusCode" not in value:
        return _json(outcome.value, 200)
    return _from_fields(value)


def integrated_response(outcome: Outcome) -> Response:
    """Build API Gateway's integrated response: the value must have a `statusCode`.

    A failure of the function is HTTP 200. https://cloud.tencent.com/document/product/583/12513
    """
    if outcome.failure:
        return _json(_failure_text(outcome), 200)
    value = json.loads(outcome.value)
    if not isinstance(value, dict) or "statusCode" not in value:
        return _invalid_format("statusCode is missing")
    return url_response(outcome)


def plain_response(outcome: Outcome) -> Response:
    """Build API Gateway's plain response: any value is the JSON body of a 200."""
    return _json(_failure_text(outcome) if outcome.failure else outcome.value, 200)


def error_response(status: int, message: str) -> Response:
    """Build the response to a request that the platform refuses."""
    return Response.of_json(
        {"errorCode": -1, "errorMessage": message, "statusCode": status}, status
    )


def _failure_text(outcome: Outcome) -> str:
    return json.dumps(outcome.failure.as_json(outcome.request_id)) if outcome.failure else "null"


def _json(text: str, status: int) -> Response:
    return Response(status, text.encode(), {"Content-Type": "application/json"})


def _from_fields(value: dict[str, Any]) -> Response:
    headers = {
        name: ", ".join(map(str, content)) if isinstance(content, list) else str(content)
        for name, content in (value.get("headers") or {}).items()
    }
    try:
        return Response(int(value["statusCode"]), _body(value), headers)
    except (TypeError, ValueError, binascii.Error) as error:
        return _invalid_format(str(error))


def _invalid_format(reason: str) -> Response:
    return error_response(403, f"Invalid scf response format: {reason}")


def _body(value: dict[str, Any]) -> bytes:
    body = value.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    return base64.b64decode(text) if value.get("isBase64Encoded") else text.encode()
