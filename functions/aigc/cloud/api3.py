"""Calls Tencent Cloud API 3.0 through the official SDK and returns classified errors.

It uses `CommonClient`: the module of a typed client has 4 MB, and importing it without bytecode
takes a second and 200 MB. It does not use `StandardRetryer`, which repeats successful calls.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from aigc.cloud.credentials import CurrentCredential, role_credentials
from aigc.cloud.error_codes import class_of
from aigc.errors import AmbiguousError, CloudError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.tasks.kind import ApiCall

REQUEST_TIMEOUT_S = 10
"""Timeout of a call; a Create action usually answers within a second."""

_NEVER_SENT = (
    "Failed to establish a new connection",
    "NameResolutionError",
    "ConnectTimeoutError",
    "Connection refused",
)
"""Messages of urllib3 that prove that no byte of the request was sent."""


class CloudApi:
    """A `TaskService` for the account and site of the settings."""

    def __init__(
        self,
        *,
        site: str,
        protocol: str,
        credentials: Callable[[], tuple[str, str, str | None]] = role_credentials,
        proxy: str | None = None,
    ) -> None:
        self._credential = CurrentCredential(credentials)
        self._proxy = proxy
        self._root = "intl.tencentcloudapi.com" if site == "intl" else "tencentcloudapi.com"
        self._protocol = protocol
        self._clients: dict[tuple[str, str], CommonClient] = {}

    def call(self, call: ApiCall) -> dict[str, Any]:
        """Send a call once and return the object below `Response`.

        Raises:
            CloudError: The call failed; the subclass says whether it may have been carried out.
        """
        operation = f"{call.service} {call.action}"
        try:
            answer = self._client(call.service, call.version).call_json(call.action, call.params)
        except TencentCloudSDKException as error:
            raise translated(operation, error) from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # The SDK does not check the form of the answer.
            raise AmbiguousError(operation, vendor_message="the answer is not API 3.0") from error
        except requests.RequestException as error:  # raised while the body is read
            raise AmbiguousError(operation, vendor_message=type(error).__name__) from error
        return _response(operation, answer)

    def _client(self, service: str, version: str) -> CommonClient:
        key = (service, version)
        if key not in self._clients:
            self._clients[key] = self._new_client(service, version)
        return self._clients[key]

    def _new_client(self, service: str, version: str) -> CommonClient:
        http = HttpProfile(
            protocol=self._protocol,
            endpoint=f"{service}.{self._root}",
            reqTimeout=REQUEST_TIMEOUT_S,
            keepAlive=True,
            proxy=self._proxy,
        )
        profile = ClientProfile(httpProfile=http, language="en-US")
        client = CommonClient(service, version, self._credential, "", profile)
        # A redirect would send the call and the role's token a second time, to another host.
        client.request.conn._session.max_redirects = 0  # noqa: SLF001  the SDK offers no switch
        return client


def translated(operation: str, error: TencentCloudSDKException) -> CloudError:
    """Convert an exception of the SDK into one of `aigc.errors`."""
    code, message = _text(error.code), _text(error.message)
    error_class = class_of(code)
    if code == "ClientNetworkError" and any(text in message for text in _NEVER_SENT):
        error_class = ThrottledError
    return error_class(
        operation, code=code, vendor_message=message, request_id=_text(error.requestId)
    )


def _response(operation: str, answer: Any) -> dict[str, Any]:  # noqa: ANN401  unchecked JSON
    """Return the object below `Response`, or raise its error.

    The SDK does not notice an error if the answer has another Content-Type than JSON.
    """
    response = answer.get("Response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise AmbiguousError(operation, vendor_message="the answer has no Response")
    if "Error" not in response:
        return _encodable(response)
    error = response["Error"]
    if not isinstance(error, dict) or not error.get("Code"):
        raise AmbiguousError(operation, vendor_message="the answer has an Error without a Code")
    raise translated(
        operation,
        TencentCloudSDKException(error["Code"], error.get("Message"), response.get("RequestId")),
    )


def _encodable(response: dict[str, Any]) -> dict[str, Any]:
    """Replace unpaired surrogates: a record with one could not be written."""
    encodable: dict[str, Any] = json.loads(
        json.dumps(response, ensure_ascii=False).encode(errors="replace")
    )
    return encodable


def _text(message: object) -> str:
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message or "")
    return text[:500].encode(errors="replace").decode()
