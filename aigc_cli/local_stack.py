"""The whole system on this machine: the local cloud with the program's stack deployed in it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.errors import AigcError
from aigc.settings import OVERDUE_AFTER_S
from aigc.tasks.kinds import KINDS
from aigc_cli.package import local_package
from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.core import Caller
from localcloud.provision import Outputs, provision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent


class LocalCloudError(AigcError):
    """The local cloud cannot start with these options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """A running stack, and how to reach it."""

    cloud: LocalCloud
    api_key: str
    outputs: Outputs
    package: str
    """Path of the functions' zip."""
    webhook_secret: str
    """The secret with which receivers of webhooks check signatures."""

    @property
    def connection(self) -> dict[str, Any]:
        """Everything that a client of the stack needs."""
        return {
            "cloud": self.cloud.url,
            "gateway": self.outputs.endpoint,
            "console": self.outputs.console,
            "api_key": self.api_key,
            "secret_id": self.cloud.keys.owner.secret_id,
            "secret_key": self.cloud.keys.owner.secret_key,
            "region": self.cloud.account.region,
            "app_id": self.cloud.account.app_id,
            "sub_app_id": self.outputs.sub_app_id,
            "webhook_secret": self.webhook_secret,
            "buckets": self.outputs.buckets,
            "results_prefix": self.outputs.results_prefix,
            "upload_prefixes": self.outputs.upload_prefixes,
            "key_names": self.outputs.key_names,
            "functions": self.outputs.functions,
            "package": self.package,
        }


@contextlib.contextmanager
def empty_cloud(
    *,
    port: int = 0,
    speed: float = 1.0,
    data: Path | None = None,
    limits: Mapping[str, int] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> Iterator[LocalCloud]:
    """Start a cloud with nothing deployed in it, and stop every process at the end.

    Raises:
        LocalCloudError: Its port is taken.
    """
    try:
        cloud = LocalCloud(port=port, speed=speed, data=data, limits=limits)
    except OSError as error:
        why = f"the local cloud cannot start on port {port}: {error}; --port 0 finds a free one"
        raise LocalCloudError(why) from None
    with contextlib.ExitStack() as stack:
        stack.callback(cloud.stop)
        cloud.start()
        scf = stack.enter_context(control_plane(cloud))
        if on_log is not None:
            scf.log_listeners.append(on_log)
        yield cloud


@contextlib.contextmanager
def local_stack(
    *,
    port: int = 0,
    speed: float = 1.0,
    data: Path | None = None,
    timeout_s: int = 30,
    limits: Mapping[str, int] | None = None,
    on_log: Callable[[str], None] | None = None,
    changes: Mapping[str, str] | None = None,
    package: Path | None = None,
) -> Iterator[LocalStack]:
    """Start the cloud, deploy into it, and stop every process at the end.

    Tasks, timers and the waits between retries pass `speed` times faster. A function's timeout
    and the lease do not, since processes run no faster. `changes` replaces configuration values.
    Without a package it is built.
    """
    with empty_cloud(port=port, speed=speed, data=data, limits=limits, on_log=on_log) as cloud:
        api_key = secrets.token_urlsafe(24)
        config = stack_config(cloud, api_key, timeout_s=timeout_s, package=package)
        config |= dict(changes or {})
        yield LocalStack(
            cloud=cloud,
            api_key=api_key,
            outputs=provision(cloud, config),
            package=config["packagePath"],
            webhook_secret=next(iter(json.loads(config["webhookSecrets"])), ""),
        )


def stack_config(
    cloud: LocalCloud, api_key: str, *, timeout_s: int, package: Path | None = None
) -> dict[str, str]:
    """Return the configuration for a local cloud, with waits as short as its tasks."""
    speed = cloud.clock.speed
    return {
        "apiKeys": json.dumps({"local": hashlib.sha256(api_key.encode()).hexdigest()}),
        "callbackKey": secrets.token_hex(16),
        "mpsRole": "create",
        "packagePath": str(package or local_package()),
        "timeout": str(timeout_s),
        "retryBase": str(15 / speed),
        "pollInterval": str(min(2.0, 2 / speed)),
        "unknownAfter": str(1800 / speed),
        "reconcileAfter": str(180 / speed),
        "overdueAfter": json.dumps(dict.fromkeys(KINDS, OVERDUE_AFTER_S / speed)),
        # Receivers run on this machine too, without certificates.
        "webhookSecrets": json.dumps(
            [f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"]
        ),
        "webhookHttp": "true",
        "webhookNetworks": json.dumps(["127.0.0.0/8"]),
    }


def wait_until_active(cloud: LocalCloud, function: str) -> dict[str, Any]:
    """Poll a function until its last change is active; return its configuration."""
    scf = cloud.services["scf"]
    while True:
        state = scf.call("GetFunction", {"FunctionName": function}, Caller("owner"))
        if state["Status"] == "Active":
            return state
        time.sleep(0.01)
