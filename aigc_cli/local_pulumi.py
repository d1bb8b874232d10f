"""Variables and commands by which the Pulumi CLI deploys into a local cloud."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from localcloud.cloud import LocalCloud


STACK = "local"
SECRET = frozenset({"apiKeys", "callbackKey", "webhookSecrets"})


def environment(cloud: LocalCloud, state: Path) -> dict[str, str]:
    """Return the variables by which the provider uses a local cloud, and Pulumi a state folder.

    No host below `.test` exists: without the proxy, requests fail instead of reaching the real
    cloud. `http_proxy` is not set, since Pulumi's gRPC would use it.
    """
    owner, region = cloud.keys.owner, cloud.account.region
    return {
        "TENCENTCLOUD_SECRET_ID": owner.secret_id,
        "TENCENTCLOUD_SECRET_KEY": owner.secret_key,
        "TENCENTCLOUD_REGION": region,
        "TENCENTCLOUD_PROTOCOL": "HTTP",
        "TENCENTCLOUD_DOMAIN": "tencentcloudapi.test",
        "TENCENTCLOUD_COS_DOMAIN": f"http://cos.{region}.test",
        "HTTP_PROXY": cloud.url,
        "NO_PROXY": "127.0.0.1,localhost",
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }


def settings(config: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield the arguments of `pulumi config set` for each value.

    Objects and lists are set entry by entry: Pulumi treats JSON as a string and refuses it.
    """
    for key, value in config.items():
        kind = "--secret" if key in SECRET else "--plaintext"
        if value.startswith(("{", "[")):
            for subscript, entry in _entries(json.loads(value)):
                yield [kind, "--path", f"{key}[{subscript}]", str(entry)]
        else:
            yield [kind, key, value]


def _entries(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of an object or a list, each with its subscript in a path."""
    if isinstance(value, dict):
        yield from ((json.dumps(name), entry) for name, entry in value.items())
    else:
        yield from ((str(index), entry) for index, entry in enumerate(value))


def commands(variables: Mapping[str, str], config: Mapping[str, str]) -> str:
    """Return the commands that deploy the stack, for another terminal."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    sets = [f"pulumi config set {shlex.join(arguments)}" for arguments in settings(config)]
    return "\n".join([*exports, "", f"pulumi stack init {STACK}", *sets, "pulumi up --yes"])
