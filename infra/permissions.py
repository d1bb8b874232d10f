"""What the functions may do: exact actions on exact resources, a policy for each function.

Most of it they share. Whoever frees a place upstream takes the next job from the queue, whatever
brought it there: so each of them submits tasks, hands out links to uploads and keeps the ledger.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

STAGING = ".aigc/mps/"
"""Where MPS leaves its pictures in the results bucket, and where we take them from."""

Statement = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a function works with."""

    region: str
    app_id: str
    sub_app_id: int
    inbox: str
    results: str
    ledger: str
    input_buckets: tuple[str, ...] = ()


def trust(*services: str) -> str:
    """Write the document that lets services become a role."""
    principal = {"service": list(services)}
    statement = {"action": ["name/sts:AssumeRole"], "effect": "allow", "principal": principal}
    return _document([statement])


def gateway_policy(reach: Reach) -> str:
    """Let the gateway settle and abort VOD's tasks too."""
    return _document([*_work(reach), _vod(reach, "DescribeTaskDetail", "ManageTask")])


def upload_policy(reach: Reach) -> str:
    """Let upload look at an upload's headers too, for a prompt of its own."""
    return _document([*_work(reach), _cos(reach, reach.inbox, "HeadObject")])


def sweep_policy(reach: Reach) -> str:
    """Let the sweep settle VOD's tasks too, and clear the claims of jobs that have ended."""
    claims = _cos(reach, reach.ledger, "DeleteMultipleObjects")
    return _document([*_work(reach), _vod(reach, "DescribeTaskDetail"), claims])


def _work(reach: Reach) -> list[Statement]:
    """Let a function start tasks, settle those of MPS, and write the ledger and the results."""
    return [
        _vod(reach, "CreateAigcImageTask", "CreateSceneAigcImageTask", "DescribeTasks"),
        _mps("CreateAigcImageTask", "DescribeAigcImageTask"),
        _cos(reach, reach.inbox, "GetObject"),
        # Whoever settles a job sends its webhook, which holds links to its pictures.
        _cos(reach, reach.results, "GetBucket", "GetObject", "PutObject"),
        _cos(reach, reach.results, "DeleteObject", prefix=STAGING),
        *(_cos(reach, bucket, "GetObject") for bucket in reach.input_buckets),
        # COS ignores create-if-absent on a versioned bucket, so they look before they begin.
        _cos(reach, reach.ledger, "GetBucketVersioning"),
        _cos(reach, reach.ledger, "GetBucket", "GetObject", "PutObject", "DeleteObject"),
    ]


def _vod(reach: Reach, *actions: str) -> Statement:
    # Without a number behind uin/ it is the account that the policy belongs to.
    resource = f"qcs::vod::uin/:subAppId/{reach.sub_app_id}"
    return _allow([f"vod:{action}" for action in actions], resource)


def _mps(*actions: str) -> Statement:
    # MPS knows no resources: naming one denies (https://cloud.tencent.com/document/product/598/104118).
    # RequestFromSdk is asked of whoever calls by the SDK (https://cloud.tencent.com/document/faq/862/117336).
    return _allow([f"mps:{action}" for action in (*actions, "RequestFromSdk")], "*")


def _cos(reach: Reach, bucket: str, *actions: str, prefix: str = "") -> Statement:
    resource = f"qcs::cos:{reach.region}:uid/{reach.app_id}:{bucket}/{prefix}*"
    return _allow([f"name/cos:{action}" for action in actions], resource)


def _allow(actions: list[str], resource: str) -> Statement:
    return {"effect": "allow", "action": actions, "resource": [resource]}


def _document(statements: list[Statement]) -> str:
    return json.dumps({"version": "2.0", "statement": statements})
