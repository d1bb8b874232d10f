"""The three buckets: uploads, results, and the ledger of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import cos

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLAIM_DAYS = 7  # claims outlive their jobs only where an invocation died at the very end


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Which buckets there are to be."""

    name_of: Callable[[str], str]
    """What a bucket of our own is called: `inbox`, `results`, `ledger` → its full name."""
    tags: Mapping[str, str]
    inbox: str | None
    """An existing bucket to take uploads from; None makes one."""
    results: str | None
    """An existing bucket to put results into; None makes one."""


class Storage(pulumi.ComponentResource):
    """Private buckets, protected from deletion; existing ones are named and left alone."""

    inbox: pulumi.Output[str]
    results: pulumi.Output[str]
    ledger: pulumi.Output[str]

    def __init__(
        self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:storage:Storage", name, None, opts)
        self._args = args
        self.inbox = self._bucket("inbox", args.inbox)
        self.results = self._bucket("results", args.results)
        self.ledger = self._ledger()
        self.register_outputs({"inbox": self.inbox, "results": self.results, "ledger": self.ledger})

    def _bucket(self, role: str, existing: str | None) -> pulumi.Output[str]:
        if existing is not None:
            return pulumi.Output.from_input(existing)
        return cos.Bucket(
            f"aigc-{role}",
            bucket=self._args.name_of(role),
            acl="private",
            tags=self._args.tags,
            opts=self._protected(),
        ).bucket

    def _ledger(self) -> pulumi.Output[str]:
        # Never versioned: COS then ignores x-cos-forbid-overwrite, on which the ledger rests.
        expiry = cos.BucketLifecycleRuleArgs(
            id="old-claims",
            filter_prefix="claims/",
            expiration=cos.BucketLifecycleRuleExpirationArgs(days=CLAIM_DAYS),
        )
        return cos.Bucket(
            "aigc-ledger",
            bucket=self._args.name_of("ledger"),
            acl="private",
            tags=self._args.tags,
            lifecycle_rules=[expiry],
            opts=self._protected(),
        ).bucket

    def _protected(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=True)
