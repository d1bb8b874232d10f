"""The HTTP trigger (Function URL): a loopback port whose requests become synchronous events."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from localcloud.core import ApiError
from localcloud.faults import argument
from localcloud.server import LostReplyError, Request, Response, Server

if TYPE_CHECKING:
    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.scf.function import Function
    from localcloud.scf.instance import Outcome

MAX_BODY = 6 * 1024 * 1024


class _Desc(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", frozen=True)


class Net(_Desc):
    """Which of its two addresses a Function URL has."""

    enable_intranet: bool = False
    enable_extranet: bool = False


class Cors(_Desc):
    """What the platform answers browsers of other origins."""

    enable: bool = True
    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 0
    credentials: bool = False

    def allows(self, request: Request) -> bool:
        """Whether the request comes from a page that may read the answer."""
        origin = request.headers.get("origin", "")
        return self.enable and bool(origin) and ("*" in self.origins or origin in self.origins)

    def answer_headers(self, request: Request) -> dict[str, str]:
        """Name what the page may do."""
        found = {
            "Access-Control-Allow-Origin": request.headers.get("origin", ""),
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Allow-Headers": ", ".join(self.headers),
            "Access-Control-Expose-Headers": ", ".join(self.expose_headers),
            "Access-Control-Max-Age": str(self.max_age) if self.max_age else "",
            "Access-Control-Allow-Credentials": "true" if self.credentials else "",
            "Vary": "Origin",
        }
        return {name: value for name, value in found.items() if value}


class UrlDesc(_Desc):
    """The TriggerDesc of an `http` trigger.

    https://cloud.tencent.com/document/product/583/100227
    """

    auth_type: str
    net_config: Net
    cors_config: Cors | None = None

    @classmethod
    def parse(cls, desc: str) -> UrlDesc:
        """Read it.

        Raises:
            ApiError: It is not as the service wants it; the message names the field.
        """
        try:
            parsed = cls.model_validate_json(desc)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "TriggerDesc"
            raise ApiError(
                "InvalidParameterValue.TriggerDesc", f"{where}: {fault['msg']}"
            ) from None
        if parsed.auth_type != "NONE":
            raise ApiError(
                "UnsupportedOperation.Trigger",
                f"AuthType is {parsed.auth_type}; the local cloud serves NONE only",
            )
        return parsed


class FunctionUrl:
    """An open port in front of one function."""

    def __init__(self, function: Function, desc: UrlDesc, clock: Clock, faults: Faults) -> None:
        self._function = function
        self._clock = clock
        self._faults = faults
        self._cors = desc.cors_config
        self._net = desc.net_config
        self._given = desc
        self._server = Server(0, self._serve)
        self._server.start()

    @property
    def desc(self) -> str:
        """Its TriggerDesc as the API returns it: with the addresses."""
        net = {**self._net.model_dump(by_alias=True)}
        for name in ("Intranet", "Extranet"):
            net[f"{name}Url"] = self.url if net[f"Enable{name}"] else ""
        given = self._given.model_dump(by_alias=True, mode="json", exclude_none=True)
        return json.dumps({**given, "NetConfig": net})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()

    def _serve(self, request: Request) -> Response:
        if self._cors is None or not self._cors.allows(request):
            return self._invoke(request)
        headers = self._cors.answer_headers(request)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            return Response(204, b"", headers)
        response = self._invoke(request)
        return Response(response.status, response.body, {**response.headers, **headers})

    def _invoke(self, request: Request) -> Response:
        if len(request.body) > MAX_BODY:
            return _failure(406, f"the request body has {len(request.body)} bytes, at most 6 MB")
        fault = self._faults.take(
            f"scf.{self._function.name}", "throttle", "http_500", "lost_reply", "delay"
        )
        if fault in {"throttle", "http_500"}:
            return _failure(429 if fault == "throttle" else 500, "told to fail")
        if fault and fault.startswith("delay"):
            time.sleep(float(argument(fault)) / self._clock.speed)
        outcome = self._function.invoke(url_event(request))
        if fault == "lost_reply":
            raise LostReplyError
        return response_of(outcome)


def url_event(request: Request) -> dict[str, Any]:
    """Build the event that the function gets.

    The cloud's documents leave open what repeated and empty query parameters look like; here
    they are a list and an empty string. https://cloud.tencent.com/document/product/583/96099
    """
    query = parse_qs(request.query, keep_blank_values=True)
    return {
        "headers": {**request.headers, "x-scf-remote-addr": request.source_ip},
        "httpMethod": request.method,
        "path": request.path,
        "queryString": {
            name: values if values[1:] else values[0] for name, values in query.items()
        },
        "body": request.body.decode(errors="replace"),
    }


def response_of(outcome: Outcome) -> Response:
    """Turn what came of an invocation into an HTTP answer.

    A value with `statusCode` is the answer itself; any other value is a JSON body.
    """
    if outcome.failure:
        body = json.dumps(outcome.failure.as_json(outcome.request_id)).encode()
        return Response(outcome.failure.status, body, {"Content-Type": "application/json"})
    if len(outcome.value) > MAX_BODY:
        return _failure(407, f"the answer has {len(outcome.value)} bytes, at most 6 MB")
    value = json.loads(outcome.value)
    if not isinstance(value, dict) or "statusCode" not in value:
        return Response(200, outcome.value.encode(), {"Content-Type": "application/json"})
    return _integrated(value)


def _integrated(value: dict[str, Any]) -> Response:
    headers = {
        name: ", ".join(map(str, content)) if isinstance(content, list) else str(content)
        for name, content in (value.get("headers") or {}).items()
    }
    try:
        return Response(int(value["statusCode"]), _body(value), headers)
    except (TypeError, ValueError, binascii.Error) as error:
        return _failure(403, f"Invalid scf response format: {error}")


def _body(value: dict[str, Any]) -> bytes:
    body = value.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    return base64.b64decode(text) if value.get("isBase64Encoded") else text.encode()


def _failure(status: int, message: str) -> Response:
    return Response.of_json(
        {"errorCode": -1, "errorMessage": message, "statusCode": status}, status
    )
