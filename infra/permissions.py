"""The functions' policies: exact actions on exact resources, one policy for each function.

The policies have most statements in common. A function that frees a slot upstream starts the next
waiting job, whatever its source. So each function submits tasks, signs links to uploads and writes
the ledger.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc.jobs.buckets import STAGING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aigc.uploads.rules import Rules

Statement = dict[str, Any]

MOST_CHARACTERS = 6144
"""The longest document of a custom policy (https://tencentcloud.com/document/product/1031/67856)."""

_PLAIN = re.compile(r"[A-Za-z0-9/._-]*")
"""What has no other meaning in the resource of a policy, like `*`, and cannot be encoded."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The resources that a function uses."""

    region: str
    app_id: str
    sub_app_id: int
    inbox: str
    results: str
    ledger: str
    results_prefix: str = ""
    """The folder of the results bucket that the functions use."""
    input_buckets: tuple[str, ...] = ()
    upload_prefixes: tuple[str, ...] = ()
    """The prefixes of the inbox below which the gateway signs links for uploads."""


def upload_prefixes(rules: Rules) -> tuple[str, ...]:
    """Return the fewest prefixes that cover all keys for which the gateway signs a link.

    A prefix ends before its first character that could have another meaning in a policy.
    """
    begins = (_PLAIN.match(rule.listens_on) for rule in rules.rule if not rule.is_batch)
    kept: list[str] = []
    for prefix in sorted({begin[0] for begin in begins if begin}):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def trust(*services: str) -> str:
    """Return the trust policy that lets services assume a role."""
    principal = {"service": list(services)}
    statement = {"action": ["name/sts:AssumeRole"], "effect": "allow", "principal": principal}
    return _document([statement])


def gateway_policy(reach: Reach) -> str:
    """Return the gateway's policy: settling and aborting VOD tasks, listing and linking uploads."""
    own = [_vod(reach, "DescribeTaskDetail", "ManageTask"), _cos(reach, reach.inbox, "GetBucket")]
    document = _document([*_work(reach), *own, *_links(reach, reach.upload_prefixes)])
    if len(document) <= MOST_CHARACTERS:
        return document
    shared = os.path.commonprefix(reach.upload_prefixes)  # noqa: RUF071  keys are no paths
    return _document([*_work(reach), *own, *_links(reach, [shared])])


def upload_policy(reach: Reach) -> str:
    """Return upload's policy, which includes reading the headers of an empty upload."""
    return _document([*_work(reach), _cos(reach, reach.inbox, "HeadObject")])


def sweep_policy(reach: Reach) -> str:
    """Return the sweep's policy: settling VOD tasks, deleting ended claims, listing uploads."""
    claims = _cos(reach, reach.ledger, "DeleteMultipleObjects")
    # COS ignores create-if-absent on a versioned bucket; the sweep looks for that.
    versioning = _cos(reach, reach.ledger, "GetBucketVersioning")
    inbox = _cos(reach, reach.inbox, "GetBucket", "HeadObject")
    settling = _vod(reach, "DescribeTaskDetail")
    return _document([*_work(reach), settling, claims, versioning, inbox])


POLICIES: Mapping[str, Callable[[Reach], str]] = {
    "gateway": gateway_policy,
    "upload": upload_policy,
    "sweep": sweep_policy,
}
"""Function → its policy for the resources that it uses."""


def _links(reach: Reach, prefixes: Sequence[str]) -> list[Statement]:
    """Return what a link for an upload needs: it has the rights of the role that signs it."""
    statements = [_cos(reach, reach.inbox, "PutObject", prefix=prefix) for prefix in prefixes]
    resources = [resource for statement in statements for resource in statement["resource"]]
    return [{**statements[0], "resource": resources}] if statements else []


def _work(reach: Reach) -> list[Statement]:
    """Return what all functions do: start tasks, settle MPS tasks, write ledger and results."""
    return [
        _vod(reach, "CreateAigcImageTask", "CreateSceneAigcImageTask", "DescribeTasks"),
        _mps("CreateAigcImageTask", "DescribeAigcImageTask"),
        _cos(reach, reach.inbox, "GetObject"),
        # The function that settles a job sends its webhook, which contains links to the images.
        _cos(reach, reach.results, "GetObject", "PutObject", prefix=reach.results_prefix),
        _cos(reach, reach.results, "DeleteObject", prefix=reach.results_prefix + STAGING),
        # The resource of a listing is the bucket, whichever prefix is listed.
        _cos(reach, reach.results, "GetBucket"),
        *(_cos(reach, bucket, "GetObject") for bucket in reach.input_buckets),
        _cos(reach, reach.ledger, "GetBucket", "GetObject", "PutObject", "DeleteObject"),
    ]


def _vod(reach: Reach, *actions: str) -> Statement:
    # An empty uin/ is the account of the policy.
    resource = f"qcs::vod::uin/:subAppId/{reach.sub_app_id}"
    return _allow([f"vod:{action}" for action in actions], resource)


def _mps(*actions: str) -> Statement:
    # MPS has no resource-level permissions: a named resource denies (https://cloud.tencent.com/document/product/598/104118).
    # RequestFromSdk is required of calls by the SDK (https://cloud.tencent.com/document/faq/862/117336).
    return _allow([f"mps:{action}" for action in (*actions, "RequestFromSdk")], "*")


def _cos(reach: Reach, bucket: str, *actions: str, prefix: str = "") -> Statement:
    resource = f"qcs::cos:{reach.region}:uid/{reach.app_id}:{bucket}/{prefix}*"
    return _allow([f"name/cos:{action}" for action in actions], resource)


def _allow(actions: list[str], resource: str) -> Statement:
    return {"effect": "allow", "action": actions, "resource": [resource]}


def _document(statements: list[Statement]) -> str:
    return json.dumps({"version": "2.0", "statement": statements})
