"""The whole system on this machine: the local cloud with the program's stack deployed in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.cam import Cam, Tags
from localcloud.cloud import LocalCloud
from localcloud.provision import Outputs, provision
from localcloud.scf.service import Scf
from ops.package import build_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What runs, and how to reach it."""

    cloud: LocalCloud
    api_key: str
    outputs: Outputs

    @property
    def connection(self) -> dict[str, Any]:
        """Everything that a client needs to know."""
        return {
            "cloud": self.cloud.url,
            "gateway": self.outputs.endpoint,
            "api_key": self.api_key,
            "secret_id": self.cloud.keys.owner.secret_id,
            "secret_key": self.cloud.keys.owner.secret_key,
            "region": self.cloud.account.region,
            "app_id": self.cloud.account.app_id,
            "sub_app_id": self.outputs.sub_app_id,
            "buckets": self.outputs.buckets,
        }


@contextlib.contextmanager
def local_stack(
    *,
    port: int = 0,
    speed: float = 1.0,
    data: Path | None = None,
    timeout_s: int = 30,
    on_log: Callable[[str], None] | None = None,
) -> Iterator[LocalStack]:
    """Start the cloud, deploy into it, and stop every process at the end.

    Tasks, timers and the waits between retries pass `speed` times faster; a function's timeout
    does not, since processes run no faster, and so neither does the lease that outlives it.
    """
    cloud = LocalCloud(port=port, speed=speed, data=data)
    with contextlib.ExitStack() as stack:
        stack.callback(cloud.stop)
        cloud.start()
        scf = Scf(cloud)
        stack.callback(scf.stop)
        for service in (scf, Cam(cloud), Tags()):
            cloud.register(service)
        if on_log is not None:
            scf.log_listeners.append(on_log)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aigc-package-")))
        api_key = secrets.token_urlsafe(24)
        config = {
            **_config(api_key, speed, timeout_s),
            "packagePath": str(build_package(folder)),
            "resultsUrl": f"{cloud.url}/_localcloud/cos/results-{cloud.account.app_id}",
        }
        yield LocalStack(cloud=cloud, api_key=api_key, outputs=provision(cloud, config))


def _config(api_key: str, speed: float, timeout_s: int) -> dict[str, str]:
    return {
        "apiKeys": json.dumps({"local": hashlib.sha256(api_key.encode()).hexdigest()}),
        "callbackKey": secrets.token_hex(16),
        "mpsRole": "create",
        "timeout": str(timeout_s),
        "retryBase": str(15 / speed),
        "pollInterval": str(min(2.0, 2 / speed)),
        "unknownAfter": str(1800 / speed),
    }
