"""The twin makes the calls that the real provider was recorded making, in the same order.

The recording is of the provider that the Pulumi package wraps, from the first request until a stack
of the same types of resources is created. Calls are compared by service and action; the number of
polls of a state is ignored.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pulumi.runtime import MockResourceArgs

from localcloud.provider import ProviderTwin
from tests.infra.test_provider import RecordingCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = Path(__file__).parents[1] / "recordings" / "provider_requests.jsonl"


class RecordingBuckets(RecordingCloud):
    """Records the method and the sub-resource of each request about a bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    def bucket(
        self, method: str, name: str, setting: str = "", body: bytes = b"", *, acl: str = ""
    ) -> None:
        del name, body, acl
        self.requests.append(f"{method} {setting}")


@dataclass(frozen=True)
class Resource:
    """One type of resource: how it is created, and which recorded calls belong to it."""

    id: str
    inputs: dict[str, Any]
    creates: str
    calls: frozenset[str]
    about: str = ""
    """Fields that identify its recorded requests, if other resources make the same calls."""


def calls(*names: str) -> frozenset[str]:
    return frozenset(names)


RULE = {
    "fullText": {"caseSensitive": False, "tokenizer": "@&", "containZH": False},
    "keyValue": {"caseSensitive": False, "keyValues": []},
}
TRIGGERS = [
    {"name": "url", "type": "http", "triggerDesc": "{}"},
    {"name": "in-1", "type": "cos", "triggerDesc": "{}", "cosRegion": "ap-guangzhou"},
]
TAGS = "tag.DescribeResourceTagsByResourceIds"

RESOURCES = {
    "Cam/policy:Policy": Resource(
        "427", {"name": "a", "document": "{}"}, "cam.CreatePolicy", calls("cam.GetPolicy")
    ),
    "Cam/role:Role": Resource(
        "46",
        {"name": "worker", "document": "{}"},
        "cam.CreateRole",
        calls("cam.DescribeRoleList", f"{TAGS}:cam"),
    ),
    "Cam/rolePolicyAttachment:RolePolicyAttachment": Resource(
        "46#427",
        {"roleId": "46", "policyId": "427"},
        "cam.AttachRolePolicy",
        calls("cam.ListAttachedRolePolicies"),
        about="RoleId",
    ),
    "Cam/rolePolicyAttachmentByName:RolePolicyAttachmentByName": Resource(
        "worker#QcloudX",
        {"roleName": "worker", "policyName": "QcloudX"},
        "cam.AttachRolePolicy",
        calls("cam.ListAttachedRolePolicies"),
        about="RoleName",
    ),
    "Cls/logset:Logset": Resource(
        "e2b4",
        {"logsetName": "a", "tags": {"a": "b"}},
        "cls.CreateLogset",
        calls("tag.ModifyResourceTags", "cls.DescribeLogsets", f"{TAGS}:cls"),
    ),
    "Cls/topic:Topic": Resource(
        "b968",
        {"logsetId": "1", "topicName": "a", "period": 30},
        "cls.CreateTopic",
        calls("cls.DescribeTopics"),
    ),
    "Cls/index:Index": Resource(
        "1",
        {"topicId": "1", "status": True, "rule": RULE},
        "cls.CreateIndex",
        calls("cls.DescribeIndex"),
    ),
    "Scf/function:Function": Resource(
        "default+a",
        {"name": "a", "handler": "a.b", "runtime": "Python3.10", "triggers": TRIGGERS},
        "scf.CreateFunction",
        calls("scf.GetFunction", "scf.CreateTrigger"),
    ),
    "Scf/functionEventInvokeConfig:FunctionEventInvokeConfig": Resource(
        "a#default",
        {
            "functionName": "a",
            "namespace": "default",
            "asyncTriggerConfig": {"retryConfigs": [{"retryNum": 2.0}], "msgTtl": 3600.0},
        },
        "scf.UpdateFunctionEventInvokeConfig",
        calls("scf.GetFunctionEventInvokeConfig"),
    ),
    "Vod/subApplication:SubApplication": Resource(
        "images#15",
        {"name": "images", "status": "On"},
        "vod.CreateSubAppId",
        calls("vod.ModifySubAppIdStatus", "vod.DescribeSubAppIds"),
    ),
    "Vod/eventConfig:EventConfig": Resource(
        "15",
        {"subAppId": 15.0, "mode": "PUSH", "notificationUrl": "http://x"},
        "vod.ModifyEventConfig",
        calls("vod.DescribeEventConfig"),
    ),
}


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDING.read_text().splitlines()]


def named(name: str, request: dict[str, Any]) -> str:
    return f"{name}:{request['ServiceType']}" if name == TAGS else name


def recorded_calls(resource: Resource) -> Iterator[str]:
    wanted = {resource.creates, *resource.calls}
    entries = [entry for entry in recorded() if "action" in entry]
    own = (
        name
        for entry in entries
        if (name := named(f"{entry['svc']}.{entry['action']}", entry["req"])) in wanted
        and any(resource.about in key for key in entry["req"])
    )
    return itertools.dropwhile(lambda name: name != resource.creates, own)


def without_repeats(names: Iterator[str]) -> list[str]:
    return [name for name, _ in itertools.groupby(names)]


@pytest.mark.parametrize("typ", RESOURCES)
def test_resource_takes_the_calls_of_the_recording(typ: str, tmp_path: Path) -> None:
    resource, cloud = RESOURCES[typ], RecordingCloud()
    code = tmp_path / "code.zip"
    code.write_bytes(b"zip")
    inputs = {"zipFile": str(code), **resource.inputs}

    created, _ = ProviderTwin(cloud).new_resource(
        MockResourceArgs(f"tencentcloud:{typ}", "name", inputs, custom=True)
    )

    made = (named(call, request) for call, request in cloud.calls)
    expected = without_repeats(recorded_calls(resource))
    assert created == resource.id
    assert len(expected) > 1
    assert without_repeats(made) == expected


def test_bucket_takes_the_requests_of_the_recording() -> None:
    cloud = RecordingBuckets()
    rule = {"filterPrefix": "claims/", "expiration": {"days": 7.0}}
    inputs = {"bucket": "a-1250000000", "lifecycleRules": [rule]}

    ProviderTwin(cloud).new_resource(
        MockResourceArgs("tencentcloud:Cos/bucket:Bucket", "name", inputs, custom=True)
    )

    requests = [
        f"{entry['m']} {entry['q'].rstrip('=')}"
        for entry in recorded()
        if "m" in entry and entry["path"] == "/"
    ]
    assert cloud.requests == requests
