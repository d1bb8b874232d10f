"""Deploys the Pulumi program into a local cloud, without Pulumi's command line.

The program runs under Pulumi's mocks with the provider's twin behind them, in a process of its
own: Pulumi's runtime is one per process, and neither it nor the SDKs leave the memory of whoever
imported them. The process reads a request as JSON and prints the stack's outputs as JSON.
"""

from __future__ import annotations

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
"""Where Pulumi starts programs and providers: paths are relative to it."""
PROJECT, STACK = "aigc-functions", "local"


class ProvisioningError(RuntimeError):
    """The program failed; the message is what it wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the deployed stack tells of itself."""

    endpoint: str
    sub_app_id: int
    buckets: dict[str, str]
    """`inbox`, `results`, `ledger` → the bucket's full name."""
    functions: dict[str, str]
    """`gateway`, `upload`, `sweep` → the function's name."""
    key_names: list[str]
    """Names of the keys that are configured."""

    @classmethod
    def of_stack(cls, outputs: dict[str, Any]) -> Outputs:
        """Read the program's exports."""
        buckets, functions = ("inbox", "results", "ledger"), ("gateway", "upload", "sweep")
        return cls(
            endpoint=outputs["endpoint"],
            sub_app_id=int(outputs["subAppId"]),
            buckets={role: outputs[f"{role}Bucket"] for role in buckets},
            functions={name: outputs[f"{name}Function"] for name in functions},
            key_names=outputs["keyNames"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Where to deploy, as whom, with which configuration."""

    url: str
    secret_id: str
    secret_key: str
    region: str
    config: dict[str, str]


def provision(cloud: LocalCloud, config: Mapping[str, str]) -> Outputs:
    """Run the program against a cloud that listens.

    Unless the configuration says otherwise, names have no prefix, so that faults name functions
    as the handlers are named, and links to results open in a browser that has no proxy.

    Raises:
        ProvisioningError: The program, or the cloud, refused something.
    """
    request = Request(
        url=cloud.url,
        secret_id=cloud.keys.owner.secret_id,
        secret_key=cloud.keys.owner.secret_key,
        region=cloud.account.region,
        config={**_defaults(cloud, config), **config},
    )
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        cwd=PROGRAM,
        env=_environment(),
        input=json.dumps(asdict(request)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ProvisioningError(f"the Pulumi program failed:\n{done.stderr}")
    return Outputs.of_stack(json.loads(done.stdout.splitlines()[-1]))


def _defaults(cloud: LocalCloud, config: Mapping[str, str]) -> dict[str, str]:
    prefix = config.get("namePrefix", "")
    results = config.get("resultsBucket", f"{prefix}results-{cloud.account.app_id}")
    return {"namePrefix": prefix, "resultsUrl": f"{cloud.url}/_localcloud/cos/{results}"}


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "functions"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "NO_PROXY": "127.0.0.1,localhost"}


def run_program(request: Request) -> dict[str, Any]:
    """Run the program in this process, which must not run another."""
    import pulumi  # noqa: PLC0415  slow, and of no use to who only calls `provision`

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
    # Everything counts as encrypted: these values exist in memory only.
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
    print(json.dumps(run_program(Request(**json.load(sys.stdin)))))  # noqa: T201  its answer
