"""What the functions may do: exact actions on exact resources.

The three functions need the same. Each accepts or finds jobs, submits them, asks for them and
stores their pictures, because whoever frees a place upstream takes the next job from the queue.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

STAGING = ".aigc/mps/"
"""Where MPS leaves its pictures in the results bucket, and where we take them from."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a function works with."""

    region: str
    app_id: str
    sub_app_id: int
    inbox: str
    results: str
    ledger: str


def trust(*services: str) -> str:
    """Write the document that lets services become a role."""
    principal = {"service": list(services)}
    statement = {"action": ["name/sts:AssumeRole"], "effect": "allow", "principal": principal}
    return _document([statement])


def pipeline_policy(reach: Reach) -> str:
    """Write the policy of an execution role."""
    return _document([*_vod(reach), *_mps(), *_cos(reach)])


def _vod(reach: Reach) -> list[dict[str, Any]]:
    actions = (
        "CreateAigcImageTask",
        "CreateSceneAigcImageTask",
        "DescribeTaskDetail",
        "DescribeTasks",
        "ManageTask",
    )
    # Without a number behind uin/ it is the account that the policy belongs to.
    resource = f"qcs::vod::uin/:subAppId/{reach.sub_app_id}"
    return [_allow([f"vod:{action}" for action in actions], resource)]


def _mps() -> list[dict[str, Any]]:
    # MPS knows no resources: naming one denies (https://cloud.tencent.com/document/product/598/104118).
    # RequestFromSdk is asked of whoever calls by the SDK (https://cloud.tencent.com/document/faq/862/117336).
    actions = ("CreateAigcImageTask", "DescribeAigcImageTask", "RequestFromSdk")
    return [_allow([f"mps:{action}" for action in actions], "*")]


def _cos(reach: Reach) -> list[dict[str, Any]]:
    def objects(bucket: str, prefix: str = "") -> str:
        return f"qcs::cos:{reach.region}:uid/{reach.app_id}:{bucket}/{prefix}*"

    read = ["GetObject", "HeadObject"]
    remove = ["DeleteObject", "DeleteMultipleObjects"]
    may = [
        (read, objects(reach.inbox)),
        ([*read, "PutObject", "GetBucket"], objects(reach.results)),
        (remove, objects(reach.results, STAGING)),
        ([*read, *remove, "PutObject", "GetBucket"], objects(reach.ledger)),
    ]
    return [_allow([f"name/cos:{action}" for action in actions], on) for actions, on in may]


def _allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"effect": "allow", "action": actions, "resource": [resource]}


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"version": "2.0", "statement": statements})
