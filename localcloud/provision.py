"""Deploys the Pulumi program into a local cloud, without Pulumi's command line.

The program runs under Pulumi's mocks, which use the provider's twin, in its own process: a
process has only one Pulumi runtime, and the memory of the runtime and the SDKs is freed when the
process ends. The process reads a request as JSON and prints the stack's outputs as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.runtime.stack import Stack

    from localcloud.cloud import LocalCloud

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "infra"
"""The working directory of the program, as with Pulumi: its paths are relative to it."""
PROJECT, STACK = "aigc-functions", "local"


class ProvisioningError(RuntimeError):
    """The program failed; the message is its error output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The outputs of the deployed stack."""

    endpoint: str
    console: str
    """The address of the console; empty if the stack serves none."""
    sub_app_id: int
    buckets: dict[str, str]
    """`inbox`, `results`, `ledger` → the bucket's full name."""
    results_prefix: str
    """The folder of the results bucket that the stack uses."""
    upload_prefixes: list[str]
    """The prefixes of the inbox below which the gateway signs links for uploads."""
    functions: dict[str, str]
    """`gateway`, `upload`, `sweep` → the function's name."""
    key_names: list[str]
    """The names of the configured API keys."""

    @classmethod
    def of_stack(cls, outputs: dict[str, Any]) -> Outputs:
        """Return the outputs of the program."""
        buckets, functions = ("inbox", "results", "ledger"), ("gateway", "upload", "sweep")
        return cls(
            endpoint=outputs["endpoint"],
            console=outputs["console"],
            sub_app_id=int(outputs["subAppId"]),
            buckets={role: outputs[f"{role}Bucket"] for role in buckets},
            results_prefix=outputs["resultsPrefix"],
            upload_prefixes=outputs["uploadPrefixes"],
            functions={name: outputs[f"{name}Function"] for name in functions},
            key_names=outputs["keyNames"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A deployment: the cloud, the credentials and the configuration."""

    url: str
    secret_id: str
    secret_key: str
    region: str
    config: dict[str, str]


def provision(cloud: LocalCloud, config: Mapping[str, str]) -> Outputs:
    """Run the program against a started cloud.

    By default names have no prefix, so that the functions have the names of their handlers, and
    links to results have a loopback address, so that a browser opens them without a proxy.

    Raises:
        ProvisioningError: The program failed.
    """
    request = Request(
        url=cloud.url,
        secret_id=cloud.keys.owner.secret_id,
        secret_key=cloud.keys.owner.secret_key,
        region=cloud.account.region,
        config={**_defaults(cloud, config), **config},
    )
    process = subprocess.run(
        [sys.executable, "-m", __name__],
        cwd=PROGRAM,
        env=_environment(),
        input=json.dumps(asdict(request)),
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise ProvisioningError(f"the Pulumi program failed:\n{process.stderr}")
    return Outputs.of_stack(json.loads(process.stdout.splitlines()[-1]))


def _defaults(cloud: LocalCloud, config: Mapping[str, str]) -> dict[str, str]:
    prefix = config.get("namePrefix", "")
    results = config.get("resultsBucket", f"{prefix}results-{cloud.account.app_id}")
    inbox = config.get("inboxBucket", f"{prefix}inbox-{cloud.account.app_id}")
    buckets = f"{cloud.url}/_localcloud/cos"
    return {
        "namePrefix": prefix,
        "resultsUrl": f"{buckets}/{results}",
        "inboxUrl": f"{buckets}/{inbox}",
    }


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "functions"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "NO_PROXY": "127.0.0.1,localhost"}


def run_program(request: Request) -> dict[str, Any]:
    """Run the program in this process, which must not run another program."""
    import pulumi  # noqa: PLC0415  a slow import that `provision` does not need

    from localcloud.first_deployment import FirstDeployment  # noqa: PLC0415
    from localcloud.provider_inputs import Cloud  # noqa: PLC0415

    cloud = Cloud(
        request.url,
        secret_id=request.secret_id,
        secret_key=request.secret_key,
        region=request.region,
    )
    config = {f"{PROJECT}:{key}": value for key, value in request.config.items()}
    provider = {"tencentcloud:region": request.region, "tencentcloud:protocol": "HTTP"}
    # All values are marked as secret: they exist in memory only.
    pulumi.runtime.set_all_config({**config, **provider}, list(config))
    pulumi.runtime.set_mocks(FirstDeployment(cloud), project=PROJECT, stack=STACK, preview=False)
    outputs: dict[str, Any] = {}

    def program() -> pulumi.Output[None]:
        runpy.run_path(str(PROGRAM / "__main__.py"), run_name="__main__")
        stack = cast("Stack", pulumi.runtime.get_root_resource())
        return pulumi.Output.all(**stack.outputs).apply(outputs.update)

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return outputs


if __name__ == "__main__":
    gc.disable()  # the process ends within a second
    print(json.dumps(run_program(Request(**json.load(sys.stdin)))), flush=True)  # noqa: T201  the output
    os._exit(0)  # skips the end of the interpreter, which takes 0.1 s
