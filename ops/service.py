"""How commands that call the API find a deployment and its key."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ops.connection import running_cloud
from ops.deployment import DeploymentError, stack_outputs

KEY_VARIABLE = "AIGC_API_KEY"


@dataclass(frozen=True, slots=True)
class Service:
    """The address of a deployment's API, and a key of it."""

    url: str
    key: str = field(repr=False)


def find_service(endpoint: str | None, stack: str | None, path: str = "") -> Service:
    """Find the deployment that the options name, or else the local cloud that runs here.

    Raises:
        DeploymentError: Both options are given, or the deployment or its API key is missing.
        InvalidRequestError: No option is given, and no local cloud runs.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if endpoint and stack:
        raise DeploymentError("--endpoint and --stack are given; allowed: one of the two")
    if not endpoint and not stack:
        connection = running_cloud()
        return Service(f"{connection['gateway']}{path}", key or connection["api_key"])
    if not key:
        raise DeploymentError(f"{KEY_VARIABLE} is not set; needed: an API key of the deployment")
    base = endpoint or _endpoint_of_stack(stack or "")
    if not base.startswith(("https://", "http://")):
        raise DeploymentError(f"--endpoint: {base!r} is not allowed; allowed: https://…, http://…")
    return Service(f"{base.rstrip('/')}{path}", key)


def _endpoint_of_stack(name: str) -> str:
    outputs = stack_outputs(name, instead="--endpoint")
    if not outputs.get("endpoint"):
        raise DeploymentError(f"the stack {name} has no endpoint yet: `pulumi up` makes it")
    return str(outputs["endpoint"])
