"""The API Gateway resources of the provider's twin: services, APIs and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.provider_inputs import Cloud, Inputs, State


_FIRST_PAGE = {"Limit": 100, "Offset": 0}


def create_service(cloud: Cloud, inputs: Inputs) -> State:
    """Create a service with its own domain."""
    id_ = cloud.call(
        "apigateway",
        "CreateService",
        ServiceName=inputs["serviceName"],
        ServiceDesc=inputs.get("serviceDesc", ""),
        Protocol=inputs["protocol"],
        IpVersion=inputs.get("ipVersion", "IPv4"),
        NetTypes=inputs["netTypes"],
    )["ServiceId"]
    _describe_service(cloud, id_)
    cloud.tag("apigw", "service", id_, inputs.get("tags", {}))
    service = _describe_service(cloud, id_)
    for action in (
        *("DescribeServiceUsagePlan", "DescribeApiUsagePlan"),
        "DescribeServiceEnvironmentStrategy",
    ):
        cloud.call("apigateway", action, ServiceId=id_, **_FIRST_PAGE)
    cloud.read_tags("apigw", "service", id_)
    return id_, {"outerSubDomain": service["OuterSubDomain"]}


def create_api(cloud: Cloud, inputs: Inputs) -> State:
    """Create an API that sends a service's requests to a function."""
    service = inputs["serviceId"]
    _describe_service(cloud, service)
    response = cloud.call(
        "apigateway",
        "CreateApi",
        ServiceId=service,
        ApiName=inputs["apiName"],
        ApiType=inputs["apiType"],
        AuthType=inputs["authType"],
        Protocol=inputs["protocol"],
        EnableCORS=inputs["enableCors"],
        RequestConfig={
            "Path": inputs["requestConfigPath"],
            "Method": inputs["requestConfigMethod"],
        },
        ServiceType=inputs["serviceConfigType"],
        ServiceTimeout=int(inputs["serviceConfigTimeout"]),
        ServiceScfFunctionName=inputs["serviceConfigScfFunctionName"],
        ServiceScfFunctionNamespace=inputs["serviceConfigScfFunctionNamespace"],
        ServiceScfFunctionQualifier=inputs["serviceConfigScfFunctionQualifier"],
        ServiceScfFunctionType=inputs["serviceConfigScfFunctionType"],
        ServiceScfIsIntegratedResponse=inputs["serviceConfigScfIsIntegratedResponse"],
        ResponseType=inputs["responseType"],
    )
    id_ = response["Result"]["ApiId"]
    cloud.call("apigateway", "DescribeApi", ServiceId=service, ApiId=id_)
    cloud.call(
        "apigateway", "DescribeApiEnvironmentStrategy", ServiceId=service, ApiId=id_, **_FIRST_PAGE
    )
    return id_, {}


def release(cloud: Cloud, inputs: Inputs) -> State:
    """Release the service's current APIs."""
    service, environment = inputs["serviceId"], inputs["environmentName"]
    _describe_service(cloud, service)
    response = cloud.call(
        "apigateway",
        "ReleaseService",
        ServiceId=service,
        EnvironmentName=environment,
        ReleaseDesc=inputs["releaseDesc"],
    )
    _describe_service(cloud, service)
    cloud.call(
        "apigateway",
        "DescribeServiceEnvironmentReleaseHistory",
        ServiceId=service,
        EnvironmentName=environment,
        **_FIRST_PAGE,
    )
    version = response["Result"]["ReleaseVersion"]
    return f"{service}#{environment}#{version}", {"releaseVersion": version}


def _describe_service(cloud: Cloud, id_: str) -> dict[str, str]:
    return cloud.call("apigateway", "DescribeService", ServiceId=id_)
