"""API Gateway, which only older accounts have: services, each with a port, APIs and releases."""

from __future__ import annotations

import copy
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud import schema
from localcloud.actions import ActionService, Json, Resources, check_one_of, new_id, now_text
from localcloud.core import ApiError
from localcloud.gateway_routes import CORS, METHODS, find_api, gateway_event, split_stage
from localcloud.scf.http import HttpFunction, integrated_response, plain_response
from localcloud.server import Response, Server

if TYPE_CHECKING:
    from localcloud.scf.service import Scf
    from localcloud.server import Request
    from localcloud.tags import Tags

STAGES = ("test", "prepub", "release")
PROTOCOLS = ("http", "https", "http&https")
NET_TYPES = ("INNER", "OUTER")
MAX_NAME = 50

_UNLIMITED = -1


@dataclass(slots=True)
class Service:
    """A service: its settings, its APIs, and the APIs that are released in each stage."""

    settings: Json
    apis: Resources
    server: Server
    stages: dict[str, list[Json]]
    releases: dict[str, list[Json]]

    @property
    def domain(self) -> str:
        """The address of the service."""
        return f"127.0.0.1:{self.server.port}"


class ApiGateway(ActionService):
    """API Gateway 2018-08-08, for APIs that invoke functions and need no authentication."""

    name = "apigateway"
    version = "2018-08-08"

    def __init__(self, scf: Scf, tags: Tags) -> None:
        self._scf = scf
        self._tags = tags
        self._services: dict[str, Service] = {}
        super().__init__(
            {
                "CreateService": self._create_service,
                "DescribeService": self._describe_service,
                "ModifyService": self._modify_service,
                "DeleteService": self._delete_service,
                "DescribeServiceUsagePlan": lambda _: _no_plans("ServiceUsagePlanList"),
                "DescribeServiceEnvironmentStrategy": self._describe_service_limits,
                "ModifyServiceEnvironmentStrategy": self._modify_limits,
                "CreateApi": self._create_api,
                "DescribeApi": self._describe_api,
                "ModifyApi": self._modify_api,
                "DeleteApi": self._delete_api,
                "DescribeApiUsagePlan": lambda _: _no_plans("ApiUsagePlanList"),
                "DescribeApiEnvironmentStrategy": self._describe_api_limits,
                "ModifyApiEnvironmentStrategy": self._modify_limits,
                "ReleaseService": self._release,
                "UnReleaseService": self._unrelease,
                "DescribeServiceEnvironmentReleaseHistory": self._describe_releases,
            }
        )

    def stop(self) -> None:
        """Stop the servers of all services."""
        for service in self._services.values():
            service.server.stop()

    # Services

    def _create_service(self, params: Json) -> Json:
        id_, now = new_id("service"), now_text()
        defaults = {"ServiceDesc": "", "NetTypes": ["OUTER"], "IpVersion": "IPv4"}
        settings = {**defaults, **params, "ServiceId": id_, "CreatedTime": now, "ModifiedTime": now}
        _check_service(settings)
        self._tags.put("apigw", f"service/{id_}", settings.pop("Tags", None))
        server = Server(0, lambda request: self._answer(self._services[id_], request))
        apis = Resources("API", "ResourceNotFound.InvalidApi")
        self._services[id_] = Service(settings, apis, server, {}, {stage: [] for stage in STAGES})
        server.start()
        return {**settings, **self._domains(self._services[id_])}

    def _describe_service(self, params: Json) -> Json:
        service = self._service(params)
        apis = [_summary(api) for api in service.apis]
        return {
            **service.settings,
            **self._domains(service),
            "InnerHttpPort": 80,
            "InnerHttpsPort": 443,
            "AvailableEnvironments": list(service.stages),
            "ApiTotalCount": len(apis),
            "ApiIdStatusSet": apis,
            "UsagePlanTotalCount": 0,
            "UsagePlanList": [],
            "Tags": self._tags.of("apigw", f"service/{service.settings['ServiceId']}"),
        }

    def _modify_service(self, params: Json) -> Json:
        service = self._service(params)
        settings = {**service.settings, **params}
        _check_service(settings)
        service.settings.update(settings, ModifiedTime=now_text())
        return {}

    def _delete_service(self, params: Json) -> Json:
        service = self._service(params)
        if service.stages or list(service.apis):
            raise ApiError(
                "UnsupportedOperation.UnsupportedDeleteService",
                "the service still has APIs, or stages where they are released",
            )
        del self._services[params["ServiceId"]]
        self._tags.remove("apigw", f"service/{params['ServiceId']}")
        service.server.stop()
        return {"Result": True}

    def _service(self, params: Json) -> Service:
        id_ = params["ServiceId"]
        if id_ not in self._services:
            raise ApiError("ResourceNotFound.InvalidService", f"there is no service {id_}")
        return self._services[id_]

    def _domains(self, service: Service) -> Json:
        """Return the service's addresses; in the cloud they are names below apigw.tencentcs.com."""
        domains = dict.fromkeys(service.settings["NetTypes"], service.domain)
        return {
            "OuterSubDomain": domains.get("OUTER", ""),
            "InternalSubDomain": domains.get("INNER", ""),
        }

    # APIs

    def _create_api(self, params: Json) -> Json:
        service = self._service(params)
        id_, now = new_id("api"), now_text()
        defaults = {
            "ApiName": "",
            "ApiDesc": "",
            "ApiType": "NORMAL",
            "AuthType": "NONE",
            "EnableCORS": False,
            "IsBase64Encoded": False,
            "IsDebugAfterCharge": False,
            "ResponseType": "HTML",
            "ServiceScfFunctionNamespace": "default",
            "ServiceScfFunctionQualifier": "$DEFAULT",
            "ServiceScfIsIntegratedResponse": False,
        }
        api = {**defaults, **params, "ApiId": id_, "CreatedTime": now, "ModifiedTime": now}
        self._check_api(service, api)
        service.apis.add(id_, api)
        route = api["RequestConfig"]
        return {"Result": {"ApiId": id_, "CreatedTime": now, **route}}

    def _describe_api(self, params: Json) -> Json:
        service = self._service(params)
        api = {**service.apis[params["ApiId"]], "Environments": list(service.stages)}
        names = schema.fields(self.name, self.version, "ApiInfo")
        return {"Result": {name: value for name, value in api.items() if name in names}}

    def _modify_api(self, params: Json) -> Json:
        service = self._service(params)
        api = service.apis[params["ApiId"]]
        self._check_api(service, {**api, **params})
        api.update(params, ModifiedTime=now_text())
        return {}

    def _delete_api(self, params: Json) -> Json:
        service, id_ = self._service(params), params["ApiId"]
        if any(api["ApiId"] == id_ for apis in service.stages.values() for api in apis):
            raise ApiError("UnsupportedOperation.UnsupportedDeleteApi", f"API {id_} is released")
        service.apis.remove(id_)
        return {"Result": True}

    def _check_api(self, service: Service, api: Json) -> None:
        for field, allowed in (("ServiceType", "SCF"), ("AuthType", "NONE"), ("Protocol", "HTTP")):
            if api[field] != allowed:
                raise ApiError(
                    "UnsupportedOperation",
                    f"{field} is {api[field]}; the local cloud supports only {allowed}",
                )
        route = api["RequestConfig"]
        check_one_of(
            route["Method"], "RequestConfig.Method", METHODS, "InvalidParameterValue.InvalidMethod"
        )
        if not re.fullmatch(r"=?/[^\s~]*", route["Path"]):
            raise ApiError(
                "InvalidParameterValue.InvalidApiRequestConfig",
                f"RequestConfig.Path is {route['Path']}; allowed here: /prefix, =/path, /{{name}}",
            )
        if any(
            other["RequestConfig"] == route
            for other in service.apis
            if other["ApiId"] != api["ApiId"]
        ):
            raise ApiError(
                "InvalidParameterValue.InvalidApiRequestConfig",
                f"the service has {route['Method']} {route['Path']} already",
            )
        self._check_backend(api)

    def _check_backend(self, api: Json) -> None:
        try:
            self._scf.function(api.get("ServiceScfFunctionName", ""))
        except ApiError as error:
            raise ApiError("InvalidParameterValue.InvalidScfConfig", error.message) from error

    # Request limits: the API returns them, but the local cloud does not enforce them

    def _describe_service_limits(self, params: Json) -> Json:
        service = self._service(params)
        limits = [
            {
                "EnvironmentName": stage,
                "Url": f"{service.domain}/{stage}",
                "Status": int(stage in service.stages),
                "VersionName": _latest_version(service.releases[stage]),
                "Strategy": _UNLIMITED,
                "MaxStrategy": _UNLIMITED,
            }
            for stage in STAGES
        ]
        return {"Result": {"TotalCount": len(limits), "EnvironmentList": limits}}

    def _describe_api_limits(self, params: Json) -> Json:
        apis = self._service(params).apis
        selected = [apis[params["ApiId"]]] if params.get("ApiId") else list(apis)
        limits = [{"EnvironmentName": stage, "Quota": _UNLIMITED} for stage in STAGES]
        api_limits = [
            {"ApiId": api["ApiId"], "ApiName": api["ApiName"], "EnvironmentStrategySet": limits}
            for api in selected
        ]
        return {"Result": {"TotalCount": len(api_limits), "ApiEnvironmentStrategySet": api_limits}}

    def _modify_limits(self, params: Json) -> Json:
        self._service(params)
        if params["Strategy"] != _UNLIMITED:
            raise ApiError("UnsupportedOperation", "the local cloud does not limit requests")
        return {"Result": True}

    # Releases

    def _release(self, params: Json) -> Json:
        service, stage = self._service(params), params["EnvironmentName"]
        check_one_of(stage, "EnvironmentName", STAGES, "InvalidParameterValue.InvalidEnv")
        if not list(service.apis):
            raise ApiError("FailedOperation.ServiceError", "the service has no API to release")
        released_at, description = now_text(), params["ReleaseDesc"]
        release = {"VersionName": f"{uuid.uuid4()}", "VersionDesc": description}
        service.releases[stage].insert(0, {**release, "ReleaseTime": released_at})
        service.stages[stage] = copy.deepcopy(list(service.apis))
        return {"Result": {"ReleaseVersion": release["VersionName"], "ReleaseDesc": description}}

    def _unrelease(self, params: Json) -> Json:
        stage = params["EnvironmentName"]
        check_one_of(stage, "EnvironmentName", STAGES, "InvalidParameterValue.InvalidEnv")
        self._service(params).stages.pop(stage, None)
        return {"Result": True}

    def _describe_releases(self, params: Json) -> Json:
        service, stage = self._service(params), params.get("EnvironmentName")
        stages = [name for name in STAGES if stage in {None, name}]
        releases = [release for name in stages for release in service.releases[name]]
        offset = params.get("Offset", 0)
        page = releases[offset : offset + params.get("Limit", 20)]
        return {"Result": {"TotalCount": len(releases), "VersionList": page}}

    # Requests to a service

    def _answer(self, service: Service, request: Request) -> Response:
        stage, path = split_stage(request.path)
        api = find_api(service.stages.get(stage, []), request.method, path)
        if api is None:
            return Response.of_json({"message": f"There is no api match {request.path}"}, 404)
        if api["EnableCORS"] and request.method == "OPTIONS" and "origin" in request.headers:
            return Response(200, b"", CORS)
        response = self._invoke(request, gateway_event(request, api, stage, path), api)
        cors = CORS if api["EnableCORS"] else {}
        return Response(response.status, response.body, {**response.headers, **cors})

    def _invoke(self, request: Request, event: Json, api: Json) -> Response:
        try:
            function = self._scf.function(api["ServiceScfFunctionName"])
        except ApiError as error:
            return Response.of_json({"message": error.message}, 500)
        to_response = (
            integrated_response if api["ServiceScfIsIntegratedResponse"] else plain_response
        )
        http = HttpFunction(function, self._scf.clock, self._scf.faults, to_response)
        return http.answer(request, event)


def _summary(api: Json) -> Json:
    names = ("ServiceId", "ApiId", "ApiName", "ApiDesc", "ApiType", "AuthType", "Protocol")
    times = ("CreatedTime", "ModifiedTime")
    return {**{name: api[name] for name in (*names, *times)}, **api["RequestConfig"]}


def _latest_version(releases: list[Json]) -> str:
    return str(releases[0]["VersionName"]) if releases else ""


def _no_plans(field: str) -> Json:
    return {"Result": {"TotalCount": 0, field: []}}


def _check_service(settings: Json) -> None:
    if len(settings["ServiceName"]) > MAX_NAME:
        raise ApiError(
            "InvalidParameterValue.LengthExceeded",
            f"ServiceName has {len(settings['ServiceName'])} characters; allowed: {MAX_NAME}",
        )
    check_one_of(
        settings["Protocol"], "Protocol", PROTOCOLS, "InvalidParameterValue.InvalidProcotol"
    )
    for net in settings["NetTypes"]:
        check_one_of(net, "NetTypes", NET_TYPES, "InvalidParameterValue.NotInOptions")
