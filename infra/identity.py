"""Refuses to change the region or the resource names of a deployed stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.config import StackConfigError

if TYPE_CHECKING:
    from infra.config import StackConfig
    from infra.deployed import Deployed


def check_identity(config: StackConfig, app_id: str, deployed: Deployed) -> None:
    """Check region and names in the configuration against the deployed ledger.

    Another region or prefix would replace all resources. Pulumi would delete the functions and then
    fail at the protected buckets.

    Raises:
        StackConfigError: The region or the names differ.
    """
    ledger = deployed.outputs("aigc-ledger")
    configured = config.bucket("ledger", app_id)
    if ledger and ledger["bucket"] != configured:
        raise StackConfigError(
            f"by namePrefix {config.name_prefix!r} and account {app_id} the ledger is"
            f" {configured}, but"
            f" this stack has {ledger['bucket']}; allowed: the values that it was deployed with,"
            " or a new stack"
        )
    region = _region_of(str(ledger.get("cosBucketUrl", "")))
    if region not in {None, config.region}:
        raise StackConfigError(
            f"tencentcloud:region is {config.region!r}, but this stack is in {region!r}; allowed:"
            f" {region}, or a new stack"
        )


def _region_of(bucket_url: str) -> str | None:
    host = re.search(r"\.cos\.([a-z0-9-]+)\.", bucket_url)
    return host[1] if host else None
