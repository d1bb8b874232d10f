"""The HTTP trigger (Function URL): a loopback port whose requests become synchronous events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from localcloud.core import ApiError
from localcloud.scf.http import HttpFunction, error_response, url_response
from localcloud.server import Request, Response, Server

if TYPE_CHECKING:
    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.scf.function import Function


class _Desc(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", frozen=True)


class Net(_Desc):
    """The addresses that a Function URL has."""

    enable_intranet: bool = False
    enable_extranet: bool = False


class Cors(_Desc):
    """The CORS settings of a Function URL."""

    enable: bool = True
    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 0
    credentials: bool = False

    def allows(self, request: Request) -> bool:
        """Whether the origin of a request may read the response."""
        origin = request.headers.get("origin", "")
        return self.enable and bool(origin) and ("*" in self.origins or origin in self.origins)

    def response_headers(self, request: Request) -> dict[str, str]:
        """Build the CORS headers of a response."""
        headers = {
            "Access-Control-Allow-Origin": request.headers.get("origin", ""),
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Allow-Headers": ", ".join(self.headers),
            "Access-Control-Expose-Headers": ", ".join(self.expose_headers),
            "Access-Control-Max-Age": str(self.max_age) if self.max_age else "",
            "Access-Control-Allow-Credentials": "true" if self.credentials else "",
            "Vary": "Origin",
        }
        return {name: value for name, value in headers.items() if value}


class UrlDesc(_Desc):
    """The TriggerDesc of an `http` trigger.

    https://cloud.tencent.com/document/product/583/100227
    """

    auth_type: Literal["NONE", "CAM"]
    net_config: Net
    cors_config: Cors | None = None

    @classmethod
    def parse(cls, desc: str) -> UrlDesc:
        """Parse a TriggerDesc.

        Raises:
            ApiError: The TriggerDesc is invalid; the message names the field.
        """
        try:
            return cls.model_validate_json(desc)
        except ValidationError as error:
            first_error = error.errors(include_url=False)[0]
            where = ".".join(map(str, first_error["loc"])) or "TriggerDesc"
            raise ApiError(
                "InvalidParameterValue.TriggerDesc", f"{where}: {first_error['msg']}"
            ) from None


class FunctionUrl:
    """A loopback port in front of one function."""

    def __init__(self, function: Function, desc: UrlDesc, clock: Clock, faults: Faults) -> None:
        self._http = HttpFunction(function, clock, faults, url_response)
        self._settings = desc
        self._server = Server(0, self._serve)
        self._server.start()

    @property
    def desc(self) -> str:
        """The TriggerDesc as the API returns it, with the addresses."""
        net = self._settings.net_config.model_dump(by_alias=True)
        for name in ("Intranet", "Extranet"):
            net[f"{name}Url"] = self.url if net[f"Enable{name}"] else ""
        desc = self._settings.model_dump(by_alias=True, mode="json", exclude_none=True)
        return json.dumps({**desc, "NetConfig": net})

    @property
    def url(self) -> str:
        """The URL of the port."""
        return f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()

    def change(self, desc: UrlDesc) -> None:
        """Replace the settings; the address does not change."""
        self._settings = desc

    def _serve(self, request: Request) -> Response:
        cors = self._settings.cors_config
        if cors is None or not cors.allows(request):
            return self._invoke(request)
        headers = cors.response_headers(request)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            return Response(204, b"", headers)
        response = self._invoke(request)
        vary = ", ".join(dict.fromkeys((response.headers.get("Vary", "Origin"), "Origin")))
        return Response(
            response.status, response.body, {**response.headers, **headers, "Vary": vary}
        )

    def _invoke(self, request: Request) -> Response:
        if self._settings.auth_type == "CAM":
            return error_response(401, "the local cloud does not support AuthType CAM")
        return self._http.answer(request, url_event(request))


def url_event(request: Request) -> dict[str, Any]:
    """Build the event that the function receives.

    The documents do not define repeated and empty query parameters; here they are a list and an
    empty string. https://cloud.tencent.com/document/product/583/96099
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
