"""What cannot change in a stack that is deployed: its region, and the names of its resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.config import StackConfigError

if TYPE_CHECKING:
    from infra.config import StackConfig
    from infra.deployed import Deployed


def check_identity(config: StackConfig, app_id: str, deployed: Deployed) -> None:
    """Hold the configuration against the ledger of the deployed stack.

    Another region or prefix would replace every resource, and stop half way at the protected
    buckets, with the functions already gone.

    Raises:
        StackConfigError: The region or the names differ.
    """
    ledger = deployed.outputs("aigc-ledger")
    wanted = config.bucket("ledger", app_id)
    if ledger and ledger["bucket"] != wanted:
        raise StackConfigError(
            f"namePrefix {config.name_prefix!r} and account {app_id} name the ledger {wanted}, but"
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
