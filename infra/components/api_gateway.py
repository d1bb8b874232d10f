"""API Gateway for the gateway function, in accounts that still have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import apigateway

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGE = "release"
MARGIN_S = 1
"""The function must time out before the service, since only its answer has the error."""


@dataclass(frozen=True, kw_only=True)
class ApiGatewayArgs:
    """The name and the protocol of the service."""

    service_name: str
    protocol: str
    tags: Mapping[str, str]


class ApiGateway(pulumi.ComponentResource):
    """A service with one API for every method and path.

    New triggers of this kind were ended on 2024-07-01 and the product on 2026-10-30
    (https://cloud.tencent.com/document/product/583/107631), so this is only for existing stacks.
    """

    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: ApiGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:gateway:ApiGateway", name, None, opts)
        self._name = name
        self._api_name = args.service_name
        self._service = apigateway.Service(
            f"{name}-service",
            service_name=args.service_name,
            service_desc="AIGC Functions",
            protocol=args.protocol,
            net_types=["OUTER"],
            ip_version="IPv4",
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = self._service.outer_sub_domain.apply(
            lambda domain: f"{args.protocol}://{domain}/{STAGE}"
        )
        self.register_outputs({"url": self.url})

    def expose(self, function: pulumi.Input[str], *, timeout_s: int, cors: bool) -> None:
        """Send all requests to a function and return its answers unchanged."""
        api = apigateway.Api(
            f"{self._name}-api",
            service_id=self._service.id,
            api_name=self._api_name,
            api_type="NORMAL",
            protocol="HTTP",
            auth_type="NONE",
            enable_cors=cors,
            request_config_path="/",
            request_config_method="ANY",
            service_config_type="SCF",
            service_config_timeout=timeout_s + MARGIN_S,
            service_config_scf_function_name=function,
            service_config_scf_function_namespace="default",
            service_config_scf_function_qualifier="$DEFAULT",
            service_config_scf_function_type="EVENT",
            service_config_scf_is_integrated_response=True,
            response_type="JSON",
            opts=pulumi.ResourceOptions(parent=self),
        )
        # A changed API is served only after a release, and a release cannot be updated: a changed
        # description replaces it. Deleting a release ends the stage, so it is deleted first.
        apigateway.ServiceRelease(
            f"{self._name}-release",
            service_id=self._service.id,
            environment_name=STAGE,
            release_desc=pulumi.Output.format(
                "{0}, {1} s, CORS {2}", function, timeout_s, "on" if cors else "off"
            ),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[api]),
        )
