"""A deployment as its users see it: an endpoint and an API key.

It is named by options, by the environment, or by a profile of `aigc login`; otherwise it is the
local cloud that runs on this machine. No credentials of the cloud are needed.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import requests
import typer
from pydantic import BaseModel, ValidationError

from aigc.errors import AigcError
from aigc_cli.connection import NoLocalCloudError, running_cloud
from aigc_cli.deployment import PANEL, DeploymentError, stack_outputs
from aigc_cli.exits import FAILED, NOT_FOUND

ENDPOINT_VARIABLE = "AIGC_ENDPOINT"
KEY_VARIABLE = "AIGC_API_KEY"
PROFILE_VARIABLE = "AIGC_PROFILE"

TIMEOUT_S = 60
"""The gateway answers `Prefer: wait` within 25 seconds; a cold start takes more time."""

PAGE = 100
"""The most entries that one call lists."""

FIRST_WAIT_S = 0.3
"""Wait before the second try; it doubles for each further try."""

LONGEST_WAIT_S = 60.0

EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="URL of the deployment, as `pulumi up` prints it.",
        rich_help_panel=PANEL,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help=f"Your API key; {KEY_VARIABLE} keeps it out of the shell's history.",
        rich_help_panel=PANEL,
    ),
]


_ADVICE = {"True": "; trying again may help", "False": "; the same call will be refused again"}
"""`retryable` of an answer → advice in the error message."""


class CallError(AigcError):
    """The deployment refused a call; the message contains the answer."""

    def __init__(self, call: str, response: requests.Response) -> None:
        body = _object(response)
        detail = body.get("detail") or body.get("error") or response.text[:300] or response.reason
        request_id = body.get("request_id")
        request = f" (request {request_id})" if request_id else ""
        advice = _ADVICE.get(str(body.get("retryable")), "")
        self.status = response.status_code
        if self.status == HTTPStatus.UNAUTHORIZED:
            advice = f"; needed: another key, with --key, {KEY_VARIABLE} or `aigc login`"
        super().__init__(f"{call} answered {self.status}: {detail}{request}{advice}")
        is_refused_key = self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        self.exit_status = NOT_FOUND if is_refused_key else FAILED


class UnreachableError(DeploymentError):
    """The deployment does not answer."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often and after which answers a call is sent again; no call is paid twice."""

    tries: int = 4
    statuses: frozenset[int] = frozenset({502, 503, 504})


class Profile(BaseModel):
    """The endpoint and the key of a deployment, stored by `aigc login`."""

    endpoint: str
    key: str


@dataclass(frozen=True, slots=True)
class Service:
    """Calls a deployment's API."""

    endpoint: str
    key: str = field(repr=False)

    def get(self, path: str, **query: str | int | None) -> Any:  # noqa: ANN401  JSON
        """Read a resource.

        Raises:
            CallError: The deployment refused.
            UnreachableError: The deployment does not answer.
        """
        return self._call("GET", path, params={k: v for k, v in query.items() if v is not None})

    def entries(
        self, path: str, items: str, most: int, **query: str | int | None
    ) -> list[dict[str, Any]]:
        """Return up to `most` entries of a list, read page by page; see `get` for the errors."""
        entries: list[dict[str, Any]] = []
        cursor = None
        while True:
            limit = min(most - len(entries), PAGE)
            page = self.get(path, limit=limit, cursor=cursor, **query)
            entries += page[items]
            cursor = page["cursor"]
            if cursor is None or len(entries) >= most:
                return entries

    def post(self, path: str, body: object, **headers: str) -> Any:  # noqa: ANN401  JSON
        """Send a body; see `get` for the errors."""
        return self._call("POST", path, json=body, headers=headers)

    def put(self, path: str) -> Any:  # noqa: ANN401  JSON
        """Change a resource; see `get` for the errors."""
        return self._call("PUT", path)

    def _call(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401
        response = self.send(method, path, **options)
        if not response.ok:
            raise CallError(f"{method} {path}", response)
        return response.json() if response.content else None

    def send(
        self,
        method: str,
        path: str,
        *,
        repeats: Repeats = Repeats(),
        **options: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send a call, with retries, and return the last answer.

        A call is also repeated if the connection breaks, so a submit needs an `Idempotency-Key`.

        Raises:
            UnreachableError: The last try got no answer.
        """
        url = path if path.startswith("http") else f"{self.endpoint}{path}"
        options["headers"] = {"Authorization": f"Bearer {self.key}", **options.get("headers", {})}
        for number in range(repeats.tries):
            response, reason = _try(method, url, options)
            is_last = number == repeats.tries - 1
            if response is not None and (is_last or response.status_code not in repeats.statuses):
                return response
            if not is_last:
                time.sleep(_wait_s(number, response))
        raise UnreachableError(
            f"{method} {url}: no answer in {repeats.tries} tries: {reason};"
            " check the endpoint and the network, then try again"
        )


def _try(method: str, url: str, options: dict[str, Any]) -> tuple[requests.Response | None, str]:
    """Return the answer, or None and the reason why there is none."""
    try:
        return requests.request(method, url, timeout=TIMEOUT_S, **options), ""
    except requests.RequestException as error:
        return None, reason_of(error)


def reason_of(error: requests.RequestException) -> str:
    """Return why there was no answer, without the URL, which may contain a signature."""
    cause = error.args[0] if error.args else error
    # urllib3's messages begin with the connection: HTTPConnectionPool(host=…, port=…): …
    return re.sub(r"^\w+\(host=[^)]*\): ", "", str(getattr(cause, "reason", cause)))


def _wait_s(number: int, response: requests.Response | None) -> float:
    retry_after = response.headers.get("Retry-After", "") if response is not None else ""
    return min(
        float(retry_after) if retry_after.isdecimal() else FIRST_WAIT_S * 2**number, LONGEST_WAIT_S
    )


def find_service(
    endpoint: str | None = None,
    key: str | None = None,
    stack: str | None = None,
    *,
    needs_key: bool = True,
) -> Service:
    """Return the deployment that the options, the environment or a profile name.

    Without `needs_key` the key may be empty.

    Raises:
        DeploymentError: Two deployments are named, or none and no local cloud runs here, or the
            API key is missing.
    """
    if endpoint and stack:
        raise DeploymentError("both --endpoint and --stack are set; allowed: one of them")
    key = key or os.environ.get(KEY_VARIABLE)
    if stack:
        return _service(_endpoint_of_stack(stack), key, needs_key=needs_key)
    endpoint = endpoint or os.environ.get(ENDPOINT_VARIABLE)
    if endpoint:
        return _service(endpoint, key, needs_key=needs_key)
    profile = read_profile(os.environ.get(PROFILE_VARIABLE) or "default")
    if profile is not None:
        return _service(profile.endpoint, key or profile.key, needs_key=needs_key)
    try:
        connection = running_cloud()
    except NoLocalCloudError:
        raise DeploymentError(
            "no local cloud is running, and no deployment is named; allowed: --endpoint, --stack,"
            f" {ENDPOINT_VARIABLE}, `aigc login`, or `aigc local` in another terminal"
        ) from None
    return Service(connection["gateway"], key or connection["api_key"])


def job_path(job_id: str) -> str:
    """Return the path of a job; the id is quoted, since it comes from the user."""
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _service(endpoint: str, key: str | None, *, needs_key: bool) -> Service:
    if not endpoint.startswith(("https://", "http://")):
        raise DeploymentError(
            f"the endpoint {endpoint!r} is not allowed; allowed: https://…, http://…"
        )
    if not key and needs_key:
        raise DeploymentError(
            f"no API key; needed: --key, {KEY_VARIABLE}, or a profile that `aigc login` wrote"
        )
    return Service(endpoint.rstrip("/"), key or "")


def _endpoint_of_stack(name: str) -> str:
    outputs = stack_outputs(name, instead="--endpoint")
    if not outputs.get("endpoint"):
        raise DeploymentError(f"the stack {name} has no endpoint yet: `pulumi up` creates it")
    return str(outputs["endpoint"])


# Profiles


def profiles_file() -> Path:
    """Return the path of the profiles, in the user's configuration folder."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "aigc" / "profiles.json"


def read_profile(name: str) -> Profile | None:
    """Return a profile; None if it does not exist.

    Raises:
        DeploymentError: The file is damaged.
    """
    profile = _profiles().get(name)
    if profile is None:
        return None
    try:
        return Profile.model_validate(profile)
    except ValidationError:
        raise DeploymentError(f"{profiles_file()}: {name} needs an endpoint and a key") from None


def write_profile(name: str, profile: Profile) -> None:
    """Add or replace a profile; only its owner may read the file."""
    path = profiles_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    content = {**_profiles(), name: profile.model_dump()}
    path.write_text(json.dumps(content, indent=1))


def remove_profile(name: str) -> bool:
    """Remove a profile; return False if it does not exist."""
    content = _profiles()
    if name not in content:
        return False
    del content[name]
    profiles_file().write_text(json.dumps(content, indent=1))
    return True


def _profiles() -> dict[str, Any]:
    path = profiles_file()
    if not path.exists() or not path.read_text().strip():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except ValueError:
        raise DeploymentError(f"{path} is not JSON; `aigc login` writes a new one") from None
    return content


def _object(response: requests.Response) -> dict[str, Any]:
    """Return the body as a JSON object; empty if it is not one."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
