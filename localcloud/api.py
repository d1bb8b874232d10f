"""The entry point of API 3.0: authentication, rate limit, parameters and faults."""

from __future__ import annotations

import collections
import json
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from localcloud import schema, tc3
from localcloud.core import ApiError
from localcloud.faults import ACCOUNT, API_FAULTS, argument
from localcloud.server import LostReplyError, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.core import Account, Caller, Clock, Keys, Service
    from localcloud.faults import Faults
    from localcloud.server import Request

# Requests a second, for each action: https://cloud.tencent.com/document/product/266/126240
RATE_LIMIT = 20
MAX_BODY = 10 * 1024 * 1024  # https://cloud.tencent.com/document/product/1130/46710

_HOST = re.compile(r"(?P<service>[a-z]+)(\.[a-z0-9-]+)*\.[a-z]+")


class ServerFaultError(Exception):
    """A fault: the call fails with HTTP 500 before it has an effect."""


class ApiEndpoint:
    """Serves `POST /` for every registered service."""

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        services: Mapping[str, Service],
        *,
        account: Account,
        keys: Keys,
        clock: Clock,
        faults: Faults,
        authorize: Callable[[Caller, str, str], None],
    ) -> None:
        self._services = services
        self._account = account
        self._keys = keys
        self._clock = clock
        self._faults = faults
        self._authorize = authorize
        self._rate = RateLimit(RATE_LIMIT)

    def is_for(self, request: Request) -> bool:
        """Whether a request is an API call, by its signature or its host."""
        is_signed = request.headers.get("authorization", "").startswith(tc3.ALGORITHM)
        return is_signed or request.hostname.partition(".")[0] in self._services

    def answer(self, request: Request) -> Response:
        """Carry out a call; an error of the API has HTTP status 200, too, as in the cloud."""
        request_id = str(uuid.uuid4())
        try:
            content = self._call(request)
        except ApiError as error:
            content = {"Error": {"Code": error.code, "Message": error.message}}
        except ServerFaultError:
            return Response(500, b"Internal Server Error", {"Content-Type": "text/plain"})
        return Response.of_json({"Response": {**content, "RequestId": request_id}})

    def _call(self, request: Request) -> dict[str, Any]:
        credential = tc3.parse(request)
        _check_host(request, credential.service)
        action = _required_header(request, "X-TC-Action")
        version = _required_header(request, "X-TC-Version")
        _required_header(request, "X-TC-Timestamp")
        caller = tc3.verify(request, credential, self._keys, self._clock.now())
        service = self._service(credential.service, version, request)
        qualified_action = f"{service.name}.{action}"
        if not self._rate.admits(qualified_action):
            raise _throttled(action)
        params = _params(request, service.name)
        schema.check(service.name, version, action, params)
        self._authorize(caller, f"{service.name}:{action}", self._resource(service.name, params))
        fault = self._apply_fault(qualified_action, action)
        content = service.call(action, params, caller)
        if fault == "lost_reply":
            raise LostReplyError
        return content

    def _service(self, name: str, version: str, request: Request) -> Service:
        service = self._services.get(name)
        if service is None and request.host.partition(".")[0] == name:
            # The SDKs for Node.js read the service from the endpoint: `127` of `127.0.0.1:8080`.
            by_version = {other.version: other for other in self._services.values()}
            service = by_version.get(version)
        if service is None:
            raise ApiError("UnsupportedOperation", f"The local cloud has no service {name}.")
        if version != service.version:
            raise ApiError(
                "NoSuchVersion", f"{name} has no version {version}; it has {service.version}."
            )
        return service

    def _resource(self, service: str, params: dict[str, Any]) -> str:
        """Return a call's resource, as policies name it; only VOD has resource names."""
        if service != "vod":
            return "*"
        sub_app_id = params.get("SubAppId", self._account.app_id)
        return f"qcs::vod::uin/{self._account.uin}:subAppId/{sub_app_id}"

    def _apply_fault(self, qualified_action: str, action: str) -> str | None:
        """Apply a fault before the call and return it; a lost reply acts afterwards."""
        is_vod_or_mps = qualified_action.startswith(("vod.", "mps."))
        fault = self._faults.take(ACCOUNT) if is_vod_or_mps else None
        fault = fault or self._faults.take(qualified_action, *API_FAULTS)
        if fault == "throttle":
            raise _throttled(action)
        if fault == "http_500":
            raise ServerFaultError
        if fault is not None and fault.startswith("refuse:"):
            raise ApiError(argument(fault), "A fault of the local cloud refuses this call.")
        if fault is not None and fault.startswith("delay:"):
            time.sleep(float(argument(fault)) / self._clock.speed)
        return fault


class RateLimit:
    """Admits at most `limit` calls in any second, counted for each name."""

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._admitted: dict[str, collections.deque[float]] = {}
        self._lock = threading.Lock()

    def admits(self, name: str) -> bool:
        """Whether one more call is admitted now; if so, it is counted."""
        with self._lock:
            now = self._now()
            admitted = self._admitted.setdefault(name, collections.deque())
            while admitted and now - admitted[0] >= 1:
                admitted.popleft()
            if len(admitted) >= self._limit:
                return False
            admitted.append(now)
            return True


def _check_host(request: Request, service: str) -> None:
    """Raise if the signature is for another service than the host; an IP address has no service."""
    host = _HOST.fullmatch(request.hostname)
    if host is not None and host["service"] != service:
        raise ApiError(
            "AuthFailure.SignatureFailure",
            f"The credential scope says {service}, the host {request.hostname}.",
        )


def _required_header(request: Request, name: str) -> str:
    value = request.headers.get(name.lower(), "")
    if not value:
        raise ApiError("MissingParameter", f"The request is missing a required header `{name}`.")
    return value


def _params(request: Request, service: str) -> dict[str, Any]:
    if request.method != "POST" or request.headers.get("content-type") != "application/json":
        raise ApiError(
            "UnsupportedOperation", "The local cloud supports only POST of application/json."
        )
    if service != "scf" and len(request.body) > MAX_BODY:
        raise ApiError("RequestSizeLimitExceeded", f"The body is larger than {MAX_BODY} bytes.")
    try:
        params = json.loads(request.body or b"{}")
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise ApiError("InvalidParameter", "The body is not a JSON object.")
    return params


def _throttled(action: str) -> ApiError:
    return ApiError(
        "RequestLimitExceeded",
        f"{action} was called more than {RATE_LIMIT} times within a second; try again later.",
    )
