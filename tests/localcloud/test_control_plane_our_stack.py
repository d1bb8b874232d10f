"""The local cloud answers the recorded requests for our own stack like the recorded answers.

Two recordings, behind a Function URL and behind API Gateway: apply, plan, a change of every
resource, plan, removal of alarms, tags and reservation, destroy. All lines are sent.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from tests.localcloud.clients import as_the_sdk_reads_it
from tests.localcloud.recorded import OUR_STACKS, Answer, Recorded, Replay, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = {"stack_function_url": 1089, "stack_api_gateway": 1037}

# Fields that the provider dereferences without a check; it crashes if one is missing.
FIELDS_READ: dict[str, tuple[str, ...]] = {
    "cam.AttachRolePolicy": (),
    "cam.CreatePolicy": ("PolicyId",),
    "cam.CreateRole": ("RoleId",),
    "cam.DescribeRoleList": ("TotalNum", *(f"List.{n}" for n in ("RoleId", "RoleName"))),
    "cam.DescribeSubAccounts": ("SubAccounts.Uin", "SubAccounts.Name"),
    "cam.GetPolicy": ("PolicyName", "PolicyDocument", "AddTime", "UpdateTime", "Type"),
    "cam.GetUserAppId": ("Uin", "OwnerUin", "AppId"),
    "cam.ListAttachedRolePolicies": tuple(
        f"List.{name}" for name in ("PolicyId", "PolicyName", "AddTime", "CreateMode", "PolicyType")
    ),
    "cls.CreateLogset": ("LogsetId",),
    "cls.CreateTopic": ("TopicId",),
    "cls.DescribeIndex": ("TopicId", "Status", "Rule.FullText"),
    "cls.DescribeLogsets": ("Logsets.LogsetId", "Logsets.LogsetName"),
    "cls.DescribeTopics": tuple(
        f"Topics.{name}"
        for name in ("TopicId", "TopicName", "LogsetId", "Period", "StorageType", "IsWebTracking")
    ),
    "scf.GetFunction": (
        *("FunctionName", "FunctionId", "Namespace", "Handler", "Description", "MemorySize"),
        *("Timeout", "Environment.Variables", "Runtime", "VpcConfig.VpcId", "Role", "Type"),
        *("L5Enable", "Tags", "ModTime", "CodeSize", "Status", "InstallDependency"),
        *("EipConfig.EipFixed", "EipConfig.Eips", "AccessInfo.Host", "AccessInfo.Vip"),
        *("PublicNetConfig.PublicNetStatus", "PublicNetConfig.EipConfig.EipStatus"),
        *("Triggers.TriggerName", "Triggers.Type", "Triggers.TriggerDesc", "Triggers.Enable"),
    ),
    "scf.GetFunctionEventInvokeConfig": (
        *("AsyncTriggerConfig.RetryConfig.RetryNum", "AsyncTriggerConfig.MsgTTL"),
    ),
    "tag.DescribeResourceTagsByResourceIds": ("TotalCount", "Tags.TagKey", "Tags.TagValue"),
    "vod.CreateSubAppId": ("SubAppId",),
    "vod.DescribeEventConfig": ("Mode", "NotificationUrl", "UploadMediaCompleteEventSwitch"),
    "vod.DescribeSubAppIds": tuple(
        f"SubAppIdInfoSet.{name}" for name in ("SubAppId", "Name", "Description", "CreateTime")
    ),
}

Sent = list[tuple[Recorded, Answer]]


@pytest.fixture(scope="module", params=OUR_STACKS)
def sent(request: pytest.FixtureRequest) -> Iterator[Sent]:
    """Send a whole recording."""
    with LocalCloud() as cloud, control_plane(cloud):
        replay = Replay(cloud)
        lines = recording(request.param)
        assert len(lines) == LINES[request.param]
        yield [(line, replay.send(line)) for line in lines]


def test_api_calls_succeed_or_fail_as_recorded(sent: Sent) -> None:
    wrong = [
        f"line {line.line}: {line.name} answered {answer.code or 'success'!r}"
        for line, answer in sent
        if not line.is_cos and answer.code != line.content.get("error", "")
    ]

    assert not wrong


def test_cos_answers_with_the_recorded_status(sent: Sent) -> None:
    wrong = [
        f"line {line.line}: {line.name} answered {answer.status} {answer.code}"
        for line, answer in sent
        if line.is_cos and answer.status != line.content["status"]
    ]

    assert not wrong


def test_answers_fit_the_vendors_own_models(sent: Sent) -> None:
    unfit = []
    for line, answer in sent:
        if not line.is_cos and not answer.code:
            try:
                as_the_sdk_reads_it(line.content["svc"], line.content["action"], answer.content)
            except UserWarning as warning:
                unfit.append(f"line {line.line}: {line.name}: {warning}")

    assert not unfit


def missing(content: Any, path: str) -> bool:
    """Whether a value lacks a path; every item of a list on the path must have it."""
    name, _, rest = path.partition(".")
    value = content.get(name) if isinstance(content, dict) else None
    if value is None:
        return True
    items = value if isinstance(value, list) else [value]
    return bool(rest) and any(missing(item, rest) for item in items)


def test_answers_have_the_fields_that_the_provider_reads_without_a_check(sent: Sent) -> None:
    lacking = {
        f"line {line.line}: {line.name} without {path}"
        for line, answer in sent
        if not line.is_cos and not answer.code
        for path in FIELDS_READ.get(line.name, ())
        if missing(answer.content, path)
    }

    assert not lacking


def test_function_from_a_zip_has_no_image(sent: Sent) -> None:
    """With an empty object instead of null every preview would show a change of the code."""
    functions = [a.content for line, a in sent if line.name == "scf.GetFunction" and not a.code]

    assert functions
    assert all(function["ImageConfig"] is None for function in functions)


def test_functions_have_every_trigger_that_was_created(sent: Sent) -> None:
    """Follow the triggers call by call: GetFunction reports those created and not deleted."""
    there: dict[str, set[str]] = defaultdict(set)
    for line, answer in sent:
        call = line.content.get("req") or {}
        if line.name == "scf.CreateTrigger":
            there[call["FunctionName"]].add(call["TriggerName"])
        elif line.name == "scf.DeleteTrigger":
            there[call["FunctionName"]].discard(call["TriggerName"])
        elif line.name == "scf.GetFunction" and not answer.code:
            reported = {trigger["TriggerName"] for trigger in answer.content["Triggers"]}
            assert reported == there[call["FunctionName"]]


def test_everything_is_deleted_at_the_end(sent: Sent) -> None:
    created = sum(line.name == "scf.CreateFunction" for line, _ in sent)
    deleted = sum(line.name == "scf.DeleteFunction" for line, _ in sent)
    last = [answer.code for line, answer in sent if line.name == "scf.GetFunction"][-created:]

    assert created == deleted == 3
    assert set(last) == {"ResourceNotFound.Function"}
