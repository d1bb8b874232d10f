"""Access to a deployment with its owner's credentials: its ledger, and a `Runtime` for its jobs.

The options name a stack or a bucket; without them the local cloud that runs here is used.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import SecretStr

from aigc.bootstrap import Adapters, assemble, ledger_clock
from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.downloads import VendorDownloads
from aigc.cloud.webhooks import PublicSender
from aigc.errors import AigcError, InvalidRequestError
from aigc.jobs.runtime import Memory
from aigc.settings import Settings
from aigc_cli.connection import running_cloud
from aigc_cli.exits import NOT_FOUND
from aigc_cli.sources import ROOT

if TYPE_CHECKING:
    from aigc.jobs.clock import LedgerClock
    from aigc.jobs.runtime import Runtime

LONGEST_LEASE_S = 900 + 15
"""The longest lease that a stack can have: an older holder is dead in every stack."""


class DeploymentError(AigcError):
    """The deployment cannot be reached; the message says what is missing."""

    exit_status = NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The buckets of a stack, and the credentials for them."""

    region: str
    site: Literal["cn", "intl"] = "cn"
    ledger: str
    results: str = ""
    results_prefix: str = ""
    inbox: str = ""
    sub_app_id: int = 1
    key_names: tuple[str, ...] = ()
    """The names of the keys in the stack's configuration, if they are known."""
    knows_key_names: bool = True
    credentials: tuple[str, str, str | None] = field(repr=False)
    protocol: str = "https"
    """The scheme of requests; the local cloud has http only."""
    proxy: str = ""
    """The local cloud's URL; empty leaves the proxy to the environment."""

    def bucket(self, name: str, clock: LedgerClock | None = None) -> CosBucket:
        """Open a bucket of this account."""
        return CosBucket(
            name,
            region=self.region,
            protocol=self.protocol,
            credentials=lambda: self.credentials,
            proxies={"http": self.proxy} if self.proxy else None,
            clock=clock,
        )

    def open_ledger(self) -> CosBucket:
        """Open the ledger.

        Raises:
            DeploymentError: The bucket is versioned: COS then lets a create overwrite a key.
            CloudError: The bucket cannot be read.
        """
        bucket = self.bucket(self.ledger)
        if bucket.is_versioned():
            raise DeploymentError(
                f"{self.ledger} is versioned, so it is not a ledger of this program"
            )
        return bucket

    def runtime(self) -> Runtime:
        """Return a runtime that queues jobs but has no time to start them; the sweep starts them.

        This machine submits nothing, since it does not know the limits of the lanes. It uses the
        longest lease, so that it does not treat a living holder as dead.
        """
        self.open_ledger()
        settings = self._settings()
        clock = ledger_clock(lambda: self.bucket(self.ledger, clock))
        adapters = Adapters(
            open_bucket=functools.partial(self.bucket, clock=clock),
            upstream=CloudApi(
                site=settings.site,
                protocol=settings.protocol,
                credentials=lambda: self.credentials,
                proxy=self.proxy.partition("//")[2] or None,
            ),
            downloads=VendorDownloads(),
            sender=PublicSender(plain_http=False, networks=()),
            clock=clock,
        )
        return assemble(settings, adapters, seconds=0, memory=Memory())

    def _settings(self) -> Settings:
        return Settings(
            region=self.region,
            site=self.site,
            protocol=self.protocol,
            sub_app_id=self.sub_app_id,
            inbox_bucket=self.inbox,
            results_bucket=self.results,
            results_prefix=self.results_prefix,
            ledger_bucket=self.ledger,
            api_keys={},
            callback_key=SecretStr(""),
            lanes={},
            lease_s=LONGEST_LEASE_S,
        )


PANEL = "Which deployment (default: the local cloud that runs here)"
StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack", metavar="NAME", help="A Pulumi stack of this folder.", rich_help_panel=PANEL
    ),
]
BucketOption = Annotated[
    str | None,
    typer.Option(
        "--bucket", metavar="NAME", help="The ledger bucket's full name.", rich_help_panel=PANEL
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="REGION", help="The region of that bucket.", rich_help_panel=PANEL
    ),
]


def deployment(stack: str | None, bucket: str | None, region: str | None) -> Deployment:
    """Return the deployment that the options of a command name.

    Raises:
        DeploymentError: The options name no deployment, or the account's key is missing.
    """
    if stack:
        return of_stack(stack)
    if bucket or region:
        if not (bucket and region):
            raise DeploymentError("--bucket and --region are needed together, or neither")
        return Deployment(
            region=region,
            ledger=bucket,
            knows_key_names=False,
            credentials=owners_credentials(),
            protocol=providers_protocol(),
        )
    with contextlib.suppress(InvalidRequestError):
        return of_connection(running_cloud())
    raise DeploymentError(
        "no deployment is named; allowed: --stack, or --bucket with --region, or none of them while"
        " `make local` runs"
    )


def of_connection(connection: dict[str, Any]) -> Deployment:
    """Return the deployment of a running local cloud from its connection."""
    return Deployment(
        region=connection["region"],
        ledger=connection["buckets"]["ledger"],
        results=connection["buckets"]["results"],
        results_prefix=connection["results_prefix"],
        inbox=connection["buckets"]["inbox"],
        sub_app_id=connection["sub_app_id"],
        key_names=tuple(connection["key_names"]),
        credentials=(connection["secret_id"], connection["secret_key"], None),
        protocol="http",
        proxy=connection["cloud"],
    )


def of_stack(name: str) -> Deployment:
    """Return the deployment of a stack, from its outputs.

    Raises:
        DeploymentError: Pulumi is not installed, does not know the stack, or has not deployed it.
    """
    outputs = stack_outputs(name, instead="--bucket and --region")
    if "ledgerBucket" not in outputs:
        raise DeploymentError(f"the stack {name} has no ledger yet: `pulumi up` creates it")
    return Deployment(
        region=outputs["region"],
        site=outputs.get("site", "cn"),
        ledger=outputs["ledgerBucket"],
        results=outputs["resultsBucket"],
        results_prefix=outputs.get("resultsPrefix", ""),
        inbox=outputs["inboxBucket"],
        sub_app_id=int(outputs["subAppId"]),
        key_names=tuple(outputs.get("keyNames", ())),
        knows_key_names="keyNames" in outputs,
        credentials=owners_credentials(),
        protocol=providers_protocol(),
    )


def stack_outputs(name: str, *, instead: str = "") -> dict[str, Any]:
    """Read the outputs of a stack with the Pulumi CLI.

    `instead` names the options that work without the CLI, if there are any.

    Raises:
        DeploymentError: Pulumi is not installed, or does not know the stack.
    """
    return _pulumi("outputs", name, "stack output --json", instead=instead)


def stack_config(name: str) -> dict[str, dict[str, Any]]:
    """Read the configuration of a stack with the Pulumi CLI: key → `value`, `secret`.

    Secrets are decrypted, which needs the stack's passphrase or its key.

    Raises:
        DeploymentError: Pulumi is not installed, or does not know the stack.
    """
    return _pulumi("configuration", name, "config --json --show-secrets")


def _pulumi(content: str, name: str, arguments: str, *, instead: str = "") -> dict[str, Any]:
    command = ["pulumi", *arguments.split(), "--stack", name, "--non-interactive"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        remedy = f"allowed: {instead}" if instead else "install it, and try again"
        raise DeploymentError(
            f"--stack needs the Pulumi CLI, which is not installed; {remedy}"
        ) from None
    if done.returncode != 0:
        raise DeploymentError(
            f"the {content} of the stack {name} cannot be read: {done.stderr.strip()}"
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def owners_credentials() -> tuple[str, str, str | None]:
    """Return the credentials of the account from the variables that Pulumi reads.

    Raises:
        DeploymentError: A variable is missing.
    """
    try:
        secret_id = os.environ["TENCENTCLOUD_SECRET_ID"]
        secret_key = os.environ["TENCENTCLOUD_SECRET_KEY"]
    except KeyError as error:
        raise DeploymentError(
            f"{error.args[0]} is not set; needed: TENCENTCLOUD_SECRET_ID and"
            " TENCENTCLOUD_SECRET_KEY, and TENCENTCLOUD_SECURITY_TOKEN with a temporary key"
        ) from None
    return secret_id, secret_key, os.environ.get("TENCENTCLOUD_SECURITY_TOKEN")


def providers_proxy() -> str:
    """Return the proxy of a local cloud, which is the only cloud with http; empty otherwise."""
    return os.environ.get("HTTP_PROXY", "") if providers_protocol() == "http" else ""


def providers_protocol() -> str:
    """Return the protocol from the variable of Pulumi's provider; https by default.

    `aigc local --no-provision` sets it, together with the proxy of the local cloud.

    Raises:
        DeploymentError: The protocol is neither http nor https.
    """
    protocol = os.environ.get("TENCENTCLOUD_PROTOCOL", "https").lower()
    if protocol not in {"http", "https"}:
        raise DeploymentError(f"TENCENTCLOUD_PROTOCOL is {protocol!r}; allowed: http or https")
    return protocol
