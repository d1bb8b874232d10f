"""Reads the account before resources are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pulumi
from tencentcloud_iac_pulumi import cos, user, vod

from infra.components.storage import RESULTS_DAYS
from infra.config import StackConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tencentcloud_iac_pulumi.cos.outputs import GetBucketsBucketListResult as ListedBucket

    from infra.config import StackConfig

Answer = TypeVar("Answer")

CREDENTIALS = (
    "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY of a user who may deploy,"
    " and TENCENTCLOUD_SECURITY_TOKEN with a temporary key"
)


def ask(subject: str, query: Callable[[], Answer]) -> Answer:
    """Return the answer to a query by the provider; `subject` names it in the error.

    Raises:
        RunError: The credentials are missing or wrong, or the provider failed.
    """
    try:
        return query()
    except Exception as error:  # noqa: BLE001  Pulumi raises nothing more exact
        reason = " ".join(str(error).split())
        raise pulumi.RunError(
            f"{subject} cannot be read: {reason}. Needed in the environment: {CREDENTIALS}"
        ) from None


def account_id() -> str:
    """Return the APPID of the account whose credentials the provider has."""
    return ask("The account's APPID", user.get_info).app_id


def check_existing(config: StackConfig) -> None:
    """Check that existing resources of the configuration exist: SCF and VOD accept any name.

    Raises:
        StackConfigError: A bucket does not exist in this region.
    """
    if config.inbox_bucket is not None:
        _existing_bucket("inboxBucket", config.inbox_bucket, config.region)
    if config.results_bucket is not None:
        results = _existing_bucket("resultsBucket", config.results_bucket, config.region)
        for folder, days in RESULTS_DAYS.items():
            _check_expiry(results, config.results_prefix + folder, days)
    for bucket in config.input_buckets:
        _existing_bucket("inputBuckets", bucket, config.region)
    if config.sub_app_id is not None:
        # VOD cannot look up an application by number. Reading its settings fails if it is missing.
        vod.EventConfig.get("subAppId", str(config.sub_app_id))


def _existing_bucket(key: str, bucket: str, region: str) -> ListedBucket:
    def buckets() -> list[ListedBucket]:
        return [*cos.get_buckets(bucket_prefix=bucket).bucket_lists]

    for listed in ask(f"{key} {bucket}", buckets):
        if listed.bucket == bucket:
            return listed
    raise StackConfigError(
        f"{key} names {bucket!r}; allowed: a bucket of this account that exists in {region}"
    )


def _check_expiry(bucket: ListedBucket, prefix: str, days: int) -> None:
    """Warn if no lifecycle rule of an existing bucket deletes objects of a folder."""
    rules = bucket.lifecycle_rules or ()
    if not any(prefix.startswith(rule.filter_prefix) and rule.expirations for rule in rules):
        pulumi.warn(
            f"resultsBucket {bucket.bucket} has no lifecycle rule that deletes objects below"
            f" {prefix}, so that old objects remain there permanently. Add a rule for that"
            f" prefix that deletes after {days} days; this program changes no existing bucket"
        )
