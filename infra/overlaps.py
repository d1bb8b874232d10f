"""Refuses buckets with triggers of other functions, which prevent SCF from creating ours.

SCF refuses a COS trigger whose rule overlaps with another rule of the same bucket, and the provider
repeats the call for five minutes before it fails. Only existing buckets can have other triggers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tencentcloud_iac_pulumi import scf

from infra.config import StackConfigError
from infra.lookups import ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.config import StackConfig
    from infra.deployed import Deployed


def check_overlaps(config: StackConfig, prefixes: Mapping[str, str], deployed: Deployed) -> None:
    """Refuse an existing bucket with a trigger of another function for an overlapping prefix.

    Args:
        config: The stack's configuration.
        prefixes: The prefix of our trigger by the key of an existing bucket: `inboxBucket`.
        deployed: The state, with the triggers that SCF has accepted already.

    Raises:
        StackConfigError: A rule overlaps; the message names its function.
    """
    existing = {"inboxBucket": config.inbox_bucket, "resultsBucket": config.results_bucket}
    triggers = deployed.outputs("upload-function").get("triggers") or ()
    recorded = {trigger["name"] for trigger in triggers}
    unchecked = {
        key: bucket
        for key, bucket in existing.items()
        if bucket is not None and key in prefixes and bucket not in recorded
    }
    if unchecked:
        functions = ask("The account's functions", scf.get_functions).functions
        for key, bucket in unchecked.items():
            _check(config, key, bucket, prefixes[key], functions)


def _check(
    config: StackConfig,
    key: str,
    bucket: str,
    prefix: str,
    functions: Sequence[scf.outputs.GetFunctionsFunctionResult],
) -> None:
    trigger_name = f"{bucket}.cos.{config.region}.myqcloud.com"
    for function in functions:
        for other in _prefixes(function, trigger_name):
            is_own = function.name == f"{config.name_prefix}upload"
            if not is_own and (other.startswith(prefix) or prefix.startswith(other)):
                raise StackConfigError(
                    f"{key} is {bucket!r}, which has a trigger of the function {function.name} for"
                    f" the prefix {other!r}; it overlaps with {prefix!r}; allowed: a bucket or"
                    " prefixes in rules.toml without such a trigger"
                )


def _prefixes(function: scf.outputs.GetFunctionsFunctionResult, name: str) -> Iterator[str]:
    """Yield the prefixes of a function's triggers for created objects of a bucket."""
    for trigger in function.trigger_infos:
        if trigger.type == "cos" and trigger.name == name:
            rule: dict[str, Any] = json.loads(trigger.trigger_desc)
            if str(rule.get("event", "")).startswith("cos:ObjectCreated:"):
                yield str((rule.get("filter") or {}).get("Prefix", ""))
