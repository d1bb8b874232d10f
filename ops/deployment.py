"""A deployment as its owner reaches it: the ledger, and what is needed to move its jobs on.

Which one: the stack or the bucket that is named, else the local cloud that runs here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from aigc.api.reports import report_of
from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.downloads import VendorDownloads
from aigc.cloud.webhooks import PublicSender
from aigc.errors import AigcError, InvalidRequestError
from aigc.jobs.job import utc_now
from aigc.jobs.ledger import Ledger
from aigc.jobs.runtime import Runtime
from aigc.settings import Settings
from aigc.tasks.kinds import KINDS
from ops.connection import running_cloud

ROOT = Path(__file__).resolve().parent.parent

LONGEST_LEASE_S = 900 + 15
"""Of any stack: what is older than this is dead in each of them."""


class DeploymentError(AigcError):
    """A deployment cannot be reached as it was named: it says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a stack's ledger is, and who may open it."""

    region: str
    ledger: str
    results: str = ""
    inbox: str = ""
    sub_app_id: int = 1
    key_names: tuple[str, ...] = ()
    """Of keys in the stack's configuration, where that can be known."""
    knows_key_names: bool = True
    credentials: tuple[str, str, str | None] = field(repr=False)
    protocol: str = "https"
    """The scheme of requests; the local cloud has http only."""
    proxy: str = ""
    """The local cloud's URL; empty leaves the proxy to the environment."""

    def bucket(self, name: str) -> CosBucket:
        """Open a bucket of this account's."""
        return CosBucket(
            name,
            region=self.region,
            protocol=self.protocol,
            credentials=lambda: self.credentials,
            proxies={"http": self.proxy} if self.proxy else None,
        )

    def open_ledger(self) -> CosBucket:
        """Open the ledger, if it can be one.

        Raises:
            DeploymentError: The bucket is versioned: COS then creates what is there already.
            CloudError: It cannot be looked at.
        """
        bucket = self.bucket(self.ledger)
        if bucket.is_versioned():
            raise DeploymentError(f"{self.ledger} is versioned, so it is no ledger of ours")
        return bucket

    def runtime(self) -> Runtime:
        """Make what moves jobs on, but for the time to do it: what it queues, the sweep starts.

        So nothing is sent from this machine, whose clock and whose lanes the functions do not
        know. Its lease is the longest of any stack: nothing is thought dead that may be alive.
        """
        bucket = self.open_ledger()
        settings = self._settings()
        return Runtime(
            settings=settings,
            ledger=Ledger(bucket, lease=timedelta(seconds=LONGEST_LEASE_S), now=utc_now),
            bucket=bucket,
            kinds=KINDS,
            upstream=CloudApi(site=settings.site, protocol=settings.protocol),
            results=self.bucket(self.results),
            inbox=self.bucket(self.inbox),
            downloads=VendorDownloads(),
            sender=PublicSender(plain_http=False, networks=()),
            report_of=report_of,
            now=utc_now,
            sleep=time.sleep,
            deadline=utc_now(),
        )

    def _settings(self) -> Settings:
        return Settings(
            region=self.region,
            protocol=self.protocol,
            sub_app_id=self.sub_app_id,
            inbox_bucket=self.inbox,
            results_bucket=self.results,
            ledger_bucket=self.ledger,
            api_keys={},
            callback_key=SecretStr(""),
            lanes={},
            lease_s=LONGEST_LEASE_S,
        )


PANEL = "Which deployment (default: the local cloud that runs here)"
StackOption = Annotated[
    str | None,
    typer.Option("--stack", help="A Pulumi stack of this folder.", rich_help_panel=PANEL),
]
BucketOption = Annotated[
    str | None,
    typer.Option("--bucket", help="The ledger bucket's full name.", rich_help_panel=PANEL),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="The region of that bucket.", rich_help_panel=PANEL)
]


def deployment(stack: str | None, bucket: str | None, region: str | None) -> Deployment:
    """Find the deployment that a command names.

    Raises:
        DeploymentError: The options do not name one, or the account's key is missing.
    """
    if stack:
        return of_stack(stack)
    if bucket or region:
        if not (bucket and region):
            raise DeploymentError("--bucket and --region go together: where is which ledger?")
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
        "which deployment? allowed: --stack, or --bucket with --region, or none of them while"
        " `make local` runs"
    )


def of_connection(connection: dict[str, Any]) -> Deployment:
    """Read what a running local cloud tells of itself."""
    return Deployment(
        region=connection["region"],
        ledger=connection["buckets"]["ledger"],
        results=connection["buckets"]["results"],
        inbox=connection["buckets"]["inbox"],
        sub_app_id=connection["sub_app_id"],
        key_names=tuple(connection["key_names"]),
        credentials=(connection["secret_id"], connection["secret_key"], None),
        protocol="http",
        proxy=connection["cloud"],
    )


def of_stack(name: str) -> Deployment:
    """Ask Pulumi for a stack's outputs.

    Raises:
        DeploymentError: Pulumi is not there, does not know the stack, or never deployed it.
    """
    command = ["pulumi", "stack", "output", "--json", "--stack", name, "--non-interactive"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DeploymentError(
            "--stack needs the Pulumi CLI, which is not installed; allowed: --bucket and --region"
        ) from None
    if done.returncode != 0:
        raise DeploymentError(f"pulumi does not tell of the stack {name}: {done.stderr.strip()}")
    outputs = json.loads(done.stdout)
    if "ledgerBucket" not in outputs:
        raise DeploymentError(f"the stack {name} has no ledger yet: `pulumi up` makes it")
    return Deployment(
        region=outputs["region"],
        ledger=outputs["ledgerBucket"],
        results=outputs["resultsBucket"],
        inbox=outputs["inboxBucket"],
        sub_app_id=int(outputs["subAppId"]),
        key_names=tuple(outputs.get("keyNames", ())),
        knows_key_names="keyNames" in outputs,
        credentials=owners_credentials(),
        protocol=providers_protocol(),
    )


def owners_credentials() -> tuple[str, str, str | None]:
    """Read the key of this account from the environment, under the names that Pulumi reads.

    Raises:
        DeploymentError: It is not there.
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


def providers_protocol() -> str:
    """Read the protocol from the variable that Pulumi's provider reads too; https without it.

    `aigc local --no-provision` sets it, beside the proxy that leads to the local cloud.

    Raises:
        DeploymentError: It is neither http nor https.
    """
    protocol = os.environ.get("TENCENTCLOUD_PROTOCOL", "https").lower()
    if protocol not in {"http", "https"}:
        raise DeploymentError(f"TENCENTCLOUD_PROTOCOL is {protocol!r}; allowed: http or https")
    return protocol
