"""The local cloud answers the requests of the real provider, in their order, as it expects.

Every line of the recording is sent. Three things differ from it:

- Two lines were refused when it was made, as an experiment: they are signed with a key that does
  not exist, and refused again.
- Four lines were sent by hand and without a signature: they are signed here.
- One line names a COS trigger wrongly, which was not noticed then, and is refused here.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from tests.localcloud.clients import as_the_sdk_reads_it
from tests.localcloud.recorded import Answer, Recorded, Replay, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fields that the provider dereferences without a check; it crashes if one is missing.
DEREFERENCED: dict[str, tuple[str, ...]] = {
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
    "scf.ListTriggers": tuple(
        f"Triggers.{name}"
        for name in ("Enable", "TriggerName", "Type", "Qualifier", "TriggerDesc", "CustomArgument")
    ),
    "tag.DescribeResourceTagsByResourceIds": ("TotalCount", "Tags.TagKey", "Tags.TagValue"),
    "vod.CreateSubAppId": ("SubAppId",),
    "vod.DescribeEventConfig": ("Mode", "NotificationUrl", "UploadMediaCompleteEventSwitch"),
    "vod.DescribeSubAppIds": tuple(
        f"SubAppIdInfoSet.{name}" for name in ("SubAppId", "Name", "Description", "CreateTime")
    ),
}
WRONG_TRIGGER = 519
REFUSED_HERE = {WRONG_TRIGGER: "InvalidParameterValue.TriggerName"}

# COS's error code for a missing sub-resource; other sub-resources have a default document.
ABSENT = {
    "cors": "NoSuchCORSConfiguration",
    "encryption": "NoSuchEncryptionConfiguration",
    "intelligenttiering": "NoSuchConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "policy": "NoSuchBucketPolicy",
    "tagging": "NoSuchTagSet",
    "website": "NoSuchWebsiteConfiguration",
}


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[int, Answer]]:
    """Send the whole recording; line → answer."""
    with LocalCloud() as cloud, control_plane(cloud):
        replay = Replay(cloud)
        yield {recorded.line: replay.send(recorded) for recorded in recording()}


@functools.cache
def lines() -> dict[int, Recorded]:
    return {recorded.line: recorded for recorded in recording()}


def missing(content: Any, path: str) -> bool:
    """Whether a value lacks a path; every item of a list on the path must have it."""
    name, _, rest = path.partition(".")
    value = content.get(name) if isinstance(content, dict) else None
    if value is None:
        return True
    items = value if isinstance(value, list) else [value]
    return bool(rest) and any(missing(item, rest) for item in items)


def test_whole_recording_is_sent(answers: dict[int, Answer]) -> None:
    sent = len(answers)

    assert sent == len(lines()) == 531


def test_api_calls_succeed_or_fail_as_recorded(answers: dict[int, Answer]) -> None:
    calls = [entry for entry in lines().values() if not entry.is_cos]

    wrong = [
        f"line {entry.line}: {entry.name} answered {answers[entry.line].code or 'success'!r}"
        for entry in calls
        if answers[entry.line].code
        != (REFUSED_HERE.get(entry.line) or entry.content.get("err", ""))
    ]

    assert not wrong


def test_answers_have_what_the_provider_dereferences(answers: dict[int, Answer]) -> None:
    calls = [
        entry for entry in lines().values() if not entry.is_cos and not answers[entry.line].code
    ]

    lacking = {
        f"line {entry.line}: {entry.name} without {path}"
        for entry in calls
        for path in DEREFERENCED.get(entry.name, ())
        if missing(answers[entry.line].content, path)
    }

    assert not lacking


def test_answers_fit_the_vendors_own_models(answers: dict[int, Answer]) -> None:
    unfit = []

    for entry in lines().values():
        if not entry.is_cos and not answers[entry.line].code:
            try:
                as_the_sdk_reads_it(
                    entry.content["svc"], entry.content["action"], answers[entry.line].content
                )
            except UserWarning as warning:
                unfit.append(f"line {entry.line}: {entry.name}: {warning}")

    assert not unfit


def test_every_reading_action_is_checked() -> None:
    reads = {
        entry.name
        for entry in lines().values()
        if not entry.is_cos and entry.content["action"].startswith(("Get", "Describe", "List"))
    }

    assert reads <= DEREFERENCED.keys()


def test_new_function_is_polled_twice_before_its_triggers_are_created(
    answers: dict[int, Answer],
) -> None:
    states = [answers[line].content["Status"] for line in (44, 46)]

    assert states == ["Creating", "Active"]


def test_changed_function_is_updating_until_it_is_polled(answers: dict[int, Answer]) -> None:
    states = [answers[line].content["Status"] for line in (273, 274)]

    assert states == ["Updating", "Active"]


def test_plan_without_changes_finds_what_was_created(answers: dict[int, Answer]) -> None:
    function = answers[83].content
    [logset] = answers[64].content["Logsets"]
    [topic] = answers[72].content["Topics"]
    tags = answers[66].content["Tags"]

    assert topic["LogsetId"] == logset["LogsetId"] == function["ClsLogsetId"]
    assert function["Environment"]["Variables"] == [{"Key": "A", "Value": "1"}]
    assert function["ClsTopicId"] == topic["TopicId"]
    assert topic["Period"] == 30
    assert [(tag["TagKey"], tag["TagValue"]) for tag in tags] == [("a", "b")]
    assert {trigger["Type"] for trigger in function["Triggers"]} == {"cos", "http"}


def test_update_of_the_environment_can_empty_it(answers: dict[int, Answer]) -> None:
    changed, emptied = (answers[line].content["Environment"]["Variables"] for line in (275, 309))

    assert changed == [{"Key": "A", "Value": "2"}, {"Key": "B", "Value": "x"}]
    assert emptied == []


def test_renamed_application_is_not_found_by_its_old_name(answers: dict[int, Answer]) -> None:
    before, after = (answers[line].content["SubAppIdInfoSet"] for line in (310, 341))

    assert [application["Name"] for application in before] == ["mps-demo"]
    assert after == []


def test_cos_answers_every_request_as_the_provider_expects(answers: dict[int, Answer]) -> None:
    wrong = []
    there: set[tuple[str, str, str]] = set()

    for entry in lines().values():
        if entry.is_cos:
            expected = expected_of_cos(entry.content, there)
            answer = answers[entry.line]
            if (answer.status, answer.code) != expected:
                wrong.append(f"line {entry.line}: {entry.name} {answer.status} {answer.code}")

    assert not wrong


def expected_of_cos(content: dict[str, Any], there: set[tuple[str, str, str]]) -> tuple[int, str]:
    """Return the expected status and code of an answer, from earlier puts and deletes."""
    setting = content["q"].rstrip("=")
    key = "" if content["path"] == "/" else content["path"].replace("%2F", "/")
    thing = (content["host"], key, setting)
    if content["m"] == "PUT":
        there.add(thing)
        return 200, ""
    if content["m"] == "DELETE":
        there.discard(thing)
        return 204, ""
    if content["m"] == "HEAD":
        return (200, "") if thing in there else (404, "")
    if setting in ABSENT and thing not in there and not key:
        return 404, ABSENT[setting]
    return 200, ""


def test_object_has_its_access_list_in_a_header(answers: dict[int, Answer]) -> None:
    access = answers[38].headers["x-cos-acl"]

    assert access == "private"
    assert "ETag" in answers[37].headers
