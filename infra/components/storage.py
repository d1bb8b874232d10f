"""The three buckets: uploads, results, and the ledger of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import cos

from aigc.jobs.buckets import INPUTS, STAGING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

RESULTS_DAYS = {
    INPUTS: 7,  # a job starts within hours, and the vendor fetches its inputs immediately
    STAGING: 30,  # images of failed jobs, which `aigc jobs restore` can store
}
"""Folder of the results bucket → days after which COS deletes its objects."""
LEDGER_DAYS = {
    "budget/": 70,  # the books of this month and of the last one
    "claims/": 7,  # left if an invocation died after the job had ended
    "creations/": 7,  # left if an invocation died before it wrote the record
    "notices/": 1,  # of a robot that was removed from the configuration
    "quota/minute/": 1,
    "quota/day/": 3,
    "quota/month/": 40,
    "usage/": 400,
}
"""Prefix in the ledger → days after which COS deletes its objects."""


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Names and settings of the buckets."""

    name_of: Callable[[str], str]
    """Returns the name of a bucket of this stack by its role: `inbox`, `results`, `ledger`."""
    tags: Mapping[str, str]
    inbox: str | None
    """An existing bucket for uploads; None creates a bucket."""
    results: str | None
    """An existing bucket for results; None creates a bucket."""
    results_prefix: str
    """The folder of the results bucket that the stack uses; empty for the whole bucket."""
    deployed: Collection[str]
    """The names of resources in Pulumi's state."""
    origins: Sequence[str]
    """The origins from which browsers may use presigned links."""


class Storage(pulumi.ComponentResource):
    """Private buckets, protected from deletion. Existing buckets are used and not managed."""

    inbox: pulumi.Output[str]
    results: pulumi.Output[str]
    ledger: pulumi.Output[str]

    def __init__(
        self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:storage:Storage", name, None, opts)
        self._args = args
        self.inbox = self._bucket("inbox", args.inbox, cors_rules=self._cors("PUT"))
        self.results = self._bucket(
            "results",
            args.results,
            lifecycle_rules=[
                _expiry(folder, days, below=args.results_prefix)
                for folder, days in RESULTS_DAYS.items()
            ],
            cors_rules=self._cors("GET", "HEAD", "PUT"),
        )
        self.ledger = self._ledger()
        self.register_outputs({"inbox": self.inbox, "results": self.results, "ledger": self.ledger})

    def _bucket(
        self,
        role: str,
        existing: str | None,
        lifecycle_rules: Sequence[cos.BucketLifecycleRuleArgs] | None = None,
        cors_rules: Sequence[cos.BucketCorsRuleArgs] | None = None,
    ) -> pulumi.Output[str]:
        name = f"aigc-{role}"
        if existing is not None and name not in self._args.deployed:
            return pulumi.Output.from_input(existing)
        own = cos.Bucket(
            name,
            bucket=self._args.name_of(role),
            acl="private",
            tags=self._args.tags,
            lifecycle_rules=lifecycle_rules,
            cors_rules=cors_rules,
            opts=self._protected(),
        )
        # The stack keeps its own bucket if another one is configured, since it contains objects.
        return own.bucket if existing is None else pulumi.Output.from_input(existing)

    def _ledger(self) -> pulumi.Output[str]:
        # Never versioned: COS would ignore x-cos-forbid-overwrite, which the ledger needs.
        return cos.Bucket(
            "aigc-ledger",
            bucket=self._args.name_of("ledger"),
            acl="private",
            tags=self._args.tags,
            lifecycle_rules=[_expiry(prefix, days) for prefix, days in LEDGER_DAYS.items()],
            opts=self._protected(),
        ).bucket

    def _cors(self, *methods: str) -> Sequence[cos.BucketCorsRuleArgs] | None:
        """Return rules by which browsers can use presigned links with these methods."""
        if not self._args.origins:
            return None
        rule = cos.BucketCorsRuleArgs(
            allowed_origins=list(self._args.origins),
            allowed_methods=[*methods],
            allowed_headers=["*"],
            max_age_seconds=600,
        )
        return [rule]

    def _protected(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=True)


def _expiry(prefix: str, days: int, below: str = "") -> cos.BucketLifecycleRuleArgs:
    return cos.BucketLifecycleRuleArgs(
        id=f"old-{prefix.strip('./').replace('/', '-')}",
        filter_prefix=below + prefix,
        expiration=cos.BucketLifecycleRuleExpirationArgs(days=days),
    )
