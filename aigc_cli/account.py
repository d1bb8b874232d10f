"""Sends signed requests to an account and returns the answers as they are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from qcloud_cos import CosConfig, CosS3Auth
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from aigc.errors import AigcError
from aigc_cli.deployment import owners_credentials, providers_protocol, providers_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSIONS = {
    "cam": "2019-01-16",
    "cls": "2020-10-16",
    "monitor": "2018-07-24",
    "mps": "2019-06-12",
    "scf": "2018-04-16",
    "vod": "2018-07-17",
}

TIMEOUT_S = 30
RATE_RETRIES = 5


class RefusalError(AigcError):
    """The cloud refused a call, or gave no answer to it."""

    def __init__(self, action: str, code: str, message: str = "", request_id: str = "") -> None:
        text = ": ".join(part for part in (action, code, message) if part)
        super().__init__(f"{text} (request {request_id})" if request_id else text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a COS request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code in the body; empty if there is none."""
        text = self.body.decode(errors="replace")
        return text.partition("<Code>")[2].partition("</Code>")[0]

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account in one region, with its owner's credentials."""

    region: str
    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    protocol: str = "https"
    proxy: str = ""
    """URL of the local cloud; empty leaves the proxy to the environment."""

    @classmethod
    def of_owner(cls, region: str) -> Account:
        """Return the account of the owner's credentials in the environment.

        Raises:
            DeploymentError: A variable is missing or wrong.
        """
        secret_id, secret_key, token = owners_credentials()
        return cls(
            region=region,
            secret_id=secret_id,
            secret_key=secret_key,
            token=token or "",
            protocol=providers_protocol(),
            proxy=providers_proxy(),
        )

    @classmethod
    def of_connection(cls, connection: Mapping[str, Any]) -> Account:
        """Return the account of a local cloud, by its announcement."""
        return cls(
            region=connection["region"],
            secret_id=connection["secret_id"],
            secret_key=connection["secret_key"],
            protocol="http",
            proxy=connection["cloud"],
        )

    @cached_property
    def ids(self) -> Mapping[str, Any]:
        """The ids of the account: `AppId`, `OwnerUin`."""
        return self.api("cam", "GetUserAppId")

    @property
    def app_id(self) -> str:
        """The APPID, the last part of each bucket's name."""
        return str(self.ids["AppId"])

    def api(self, service: str, action: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Call API 3.0 and return the object in `Response`.

        A call that was refused for its rate had no effect and is sent again.

        Raises:
            RefusalError: The answer is an error, or there is none.
        """
        for _ in range(RATE_RETRIES):
            try:
                return self.call_once(service, action, **params)
            except RefusalError as error:
                if not error.code.startswith("RequestLimitExceeded"):
                    raise
                time.sleep(1)
        return self.call_once(service, action, **params)

    def call_once(self, service: str, action: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Call API 3.0 as `api` does, but without retries.

        Raises:
            RefusalError: The answer is an error, or there is none.
        """
        try:
            answer = self._client(service).call_json(action, params)
        except TencentCloudSDKException as error:
            request = str(error.requestId or "")
            raise RefusalError(action, str(error.code), str(error.message), request) from error
        response: dict[str, Any] = answer["Response"]
        return response

    def refusal(self, service: str, action: str, **params: Any) -> str:  # noqa: ANN401
        """Return the code with which a call is refused; empty if it is carried out.

        A call that is refused for its rate is sent again.
        """
        try:
            self.api(service, action, **params)
        except RefusalError as error:
            return error.code
        return ""

    def cos(
        self,
        method: str,
        bucket: str,
        key: str = "",
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send one signed request to COS."""
        config = CosConfig(
            Region=self.region,
            SecretId=self.secret_id,
            SecretKey=self.secret_key,
            Token=self.token or None,
            Scheme=self.protocol,
        )
        signed = dict(headers or {})
        if self.token:
            signed["x-cos-security-token"] = self.token
        response = requests.request(
            method,
            config.uri(bucket=bucket, path=key or None),
            params=dict(params or {}),
            headers=signed,
            data=body,
            auth=CosS3Auth(config, key, dict(params or {})),
            timeout=TIMEOUT_S,
            proxies=self.proxies,
            allow_redirects=False,
        )
        return Answer(response.status_code, response.headers, response.content)

    def fetch(self, url: str, method: str = "GET", **options: Any) -> requests.Response:  # noqa: ANN401
        """Send an unsigned request."""
        # A Function URL of the local cloud is on a loopback port of its own.
        proxies = {"http": ""} if urlsplit(url).hostname == "127.0.0.1" else self.proxies
        return requests.request(method, url, timeout=TIMEOUT_S, proxies=proxies, **options)

    @property
    def proxies(self) -> dict[str, str] | None:
        """The proxies for `requests`."""
        return {"http": self.proxy} if self.proxy else None

    def _client(self, service: str) -> CommonClient:
        profile = HttpProfile(
            protocol=self.protocol, reqTimeout=TIMEOUT_S, proxy=self.proxy or None
        )
        credential = Credential(self.secret_id, self.secret_key, self.token or None)
        client_profile = ClientProfile(httpProfile=profile, language="en-US")
        region = self.region if service in {"scf", "cls", "monitor"} else ""
        return CommonClient(service, VERSIONS[service], credential, region, client_profile)
