"""A client of the local cloud and the formats of inputs, for the provider's twin."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from qcloud_cos import CosConfig, CosS3Auth, CosS3Client
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

Inputs = dict[str, Any]
State = tuple[str, dict[str, Any]]
"""A resource's id and its outputs."""

VERSIONS = {
    "apigateway": "2018-08-08",
    "cam": "2019-01-16",
    "cls": "2020-10-16",
    "monitor": "2018-07-24",
    "scf": "2018-04-16",
    "tag": "2018-08-13",
    "vod": "2018-07-17",
}

RATE_RETRIES = 5
"""How often a call that exceeds the rate limit is repeated, each time after a second."""

_SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  Pulumi's key for special values


class Cloud:
    """A client of a local cloud: the official SDKs with the owner's key."""

    def __init__(self, url: str, *, secret_id: str, secret_key: str, region: str) -> None:
        self.region = region
        self._credential = Credential(secret_id, secret_key)
        http = HttpProfile(protocol="http", endpoint=urlsplit(url).netloc)
        self._profile = ClientProfile(httpProfile=http, language="en-US")
        self.buckets = CosS3Client(
            CosConfig(
                Region=region,
                SecretId=secret_id,
                SecretKey=secret_key,
                Scheme="http",
                Proxies={"http": url},
            )
        )

    def call(self, service: str, action: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
        """Call an action of API 3.0 and return the content of `Response`.

        A call that exceeds the rate limit is repeated, as by the provider.
        """
        client = CommonClient(
            service, VERSIONS[service], self._credential, self.region, self._profile
        )
        for _ in range(RATE_RETRIES):
            try:
                return self._response(client.call_json(action, params))
            except TencentCloudSDKException as error:
                if error.get_code() != "RequestLimitExceeded":
                    raise
                time.sleep(1)
        return self._response(client.call_json(action, params))

    @staticmethod
    def _response(body: dict[str, Any]) -> dict[str, Any]:
        response: dict[str, Any] = body["Response"]
        return response

    def bucket(
        self, method: str, name: str, setting: str = "", body: bytes = b"", *, acl: str = ""
    ) -> None:
        """Send a request for a bucket or one of its settings, with the provider's headers.

        Raises:
            CosServiceError: COS refuses the request.
        """
        config = self.buckets.get_conf()
        params = {setting: ""} if setting else {}
        self.buckets.send_request(
            method=method,
            url=config.uri(bucket=name),
            bucket=name,
            data=body,
            headers={"x-amz-acl": acl} if acl else {},
            params=params,
            auth=CosS3Auth(config, params=params),
        )

    def tag(self, service: str, prefix: str, id_: str, tags: dict[str, str]) -> None:
        """Set the tags of a resource that was created without tags; CAM has no region."""
        region = "" if service == "cam" else self.region
        if tags:
            resource = f"qcs::{service}:{region}:uin/:{prefix}/{id_}"
            self.call("tag", "ModifyResourceTags", Resource=resource, ReplaceTags=tag_list(tags))

    def read_tags(self, service: str, prefix: str, id_: str) -> None:
        """Read the tags of a resource, as the provider does."""
        self.call(
            "tag",
            "DescribeResourceTagsByResourceIds",
            ServiceType=service,
            ResourcePrefix=prefix,
            ResourceIds=[id_],
            ResourceRegion="" if service == "cam" else self.region,
            Offset=0,
            Limit=20,
        )


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the fields of the tag service."""
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def key_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the fields of services that accept tags at creation."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def api_fields(inputs: Inputs, **names: str) -> dict[str, Any]:
    """Return the inputs that are set, by the API's names."""
    return {field: inputs[name] for field, name in names.items() if inputs.get(name)}


def unwrapped(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return a value without Pulumi's wrappers of secrets."""
    if isinstance(value, dict):
        if _SECRET in value:
            return unwrapped(value["value"])
        return {key: unwrapped(item) for key, item in value.items()}
    return [unwrapped(item) for item in value] if isinstance(value, list) else value
