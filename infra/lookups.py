"""Reads of the account before anything is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pulumi
from tencentcloud_iac_pulumi import cos, user, vod

from infra.config import StackConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.config import StackConfig

Answer = TypeVar("Answer")

CREDENTIALS = (
    "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY of a user who may deploy,"
    " and TENCENTCLOUD_SECURITY_TOKEN with a temporary key"
)


def ask(what: str, query: Callable[[], Answer]) -> Answer:
    """Read something with the provider; a failure ends the program with one line.

    Raises:
        RunError: The credentials are missing or wrong, or the provider failed otherwise.
    """
    try:
        return query()
    except Exception as error:  # noqa: BLE001  Pulumi raises nothing more exact
        reason = " ".join(str(error).split())
        raise pulumi.RunError(
            f"{what} cannot be read: {reason}. Needed in the environment: {CREDENTIALS}"
        ) from None


def account_id() -> str:
    """Return the APPID of the account whose credentials the provider has."""
    return ask("The account's APPID", user.get_info).app_id


def check_existing(config: StackConfig) -> None:
    """Look for the resources that the configuration says exist: SCF and VOD accept any name.

    Raises:
        StackConfigError: A bucket does not exist, or not in this region.
    """
    named = {"inboxBucket": config.inbox_bucket, "resultsBucket": config.results_bucket}
    for key, bucket in named.items():
        if bucket is not None:
            _check_bucket(key, bucket, config.region)
    for bucket in config.input_buckets:
        _check_bucket("inputBuckets", bucket, config.region)
    if config.sub_app_id is not None:
        # VOD cannot look up an application by number. Reading its settings fails if it is missing.
        vod.EventConfig.get("subAppId", str(config.sub_app_id))


def _check_bucket(key: str, bucket: str, region: str) -> None:
    def buckets() -> list[str]:
        listed = cos.get_buckets(bucket_prefix=bucket).bucket_lists
        return [entry.bucket for entry in listed]

    if bucket not in ask(f"{key} {bucket}", buckets):
        raise StackConfigError(
            f"{key} names {bucket!r}; allowed: a bucket of this account that exists in {region}"
        )
