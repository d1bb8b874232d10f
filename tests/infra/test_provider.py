"""The provider's twin: its calls, their order and their bodies."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs

from localcloud.provider import ProviderTwin
from localcloud.provider_inputs import Cloud, unwrapped

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS: dict[str, dict[str, Any]] = {
    "GetUserAppId": {"Uin": "100", "OwnerUin": "100", "AppId": 1250000000},
    "DescribeSubAccounts": {"SubAccounts": [{"Name": "local"}]},
    "DescribeRoleList": {"List": [{"RoleName": "worker", "RoleId": "46", "RoleArn": "qcs::"}]},
    "CreatePolicy": {"PolicyId": 427},
    "CreateLogset": {"LogsetId": "e2b4"},
    "CreateTopic": {"TopicId": "b968"},
    "GetPolicy": {"Type": 1, "AddTime": "now"},
    "CreateSubAppId": {"SubAppId": 15},
    "DescribeSubAppIds": {
        "SubAppIdInfoSet": [{"Name": "images", "SubAppId": 15, "CreateTime": "now"}]
    },
    "GetFunction": {
        "FunctionId": "lam-1",
        "Status": "Active",
        "ModTime": "now",
        "CodeSize": 3,
        "Triggers": [
            {
                "TriggerName": "tick",
                "Type": "timer",
                "TriggerDesc": '{"cron": "0 * * * * * *"}',
                "Enable": 1,
                "AddTime": "now",
                "ModTime": "now",
                "CustomArgument": "",
            }
        ],
    },
}


class RecordingCloud(Cloud):
    """Answers from a table, and records every call."""

    def __init__(self) -> None:
        credentials = {"secret_id": "id", "secret_key": "key"}
        super().__init__("http://127.0.0.1:9", **credentials, region="ap-guangzhou")
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, action: str, **params: Any) -> dict[str, Any]:
        self.calls.append((f"{service}.{action}", params))
        return ANSWERS.get(action, {})


def create(cloud: RecordingCloud, typ: str, **inputs: Any) -> tuple[str, dict[str, Any]]:
    resource = MockResourceArgs(f"tencentcloud:{typ}", "name", inputs, custom=True)
    return ProviderTwin(cloud).new_resource(resource)


def test_function_is_created_with_the_calls_of_the_provider(tmp_path: Path) -> None:
    cloud = RecordingCloud()
    (tmp_path / "code.zip").write_bytes(b"zip")

    id_, outputs = create(
        cloud,
        "Scf/function:Function",
        name="mps-ingest",
        handler="index.main_handler",
        runtime="Python3.10",
        memSize=256.0,
        timeout=60.0,
        role="worker",
        zipFile=str(tmp_path / "code.zip"),
        environment={"A": "1"},
        enablePublicNet=True,
        triggers=[
            {"name": "url", "type": "http", "triggerDesc": "{}"},
            {
                "name": "in-1250000000",
                "type": "cos",
                "triggerDesc": '{"event":"cos:ObjectCreated:*"}',
                "cosRegion": "ap-guangzhou",
            },
        ],
    )

    name = {"FunctionName": "mps-ingest", "Namespace": "default"}
    assert cloud.calls == [
        (
            "scf.CreateFunction",
            {
                **name,
                "Code": {"ZipFile": base64.b64encode(b"zip").decode()},
                "Handler": "index.main_handler",
                "Description": "",
                "MemorySize": 256,
                "Timeout": 60,
                "Environment": {"Variables": [{"Key": "A", "Value": "1"}]},
                "Runtime": "Python3.10",
                "Role": "worker",
                "Type": "Event",
                "PublicNetConfig": {
                    "PublicNetStatus": "ENABLE",
                    "EipConfig": {"EipStatus": "DISABLE"},
                },
            },
        ),
        ("scf.GetFunction", name),
        (
            "scf.CreateTrigger",
            {**name, "TriggerName": "url", "Type": "http", "TriggerDesc": "{}", "Enable": "OPEN"},
        ),
        (
            "scf.CreateTrigger",
            {
                **name,
                "TriggerName": "in-1250000000.cos.ap-guangzhou.myqcloud.com",
                "Type": "cos",
                "TriggerDesc": '{"event":"cos:ObjectCreated:*"}',
                "Enable": "OPEN",
            },
        ),
        ("scf.GetFunction", name),
        ("scf.GetFunction", name),
    ]
    assert id_ == "default+mps-ingest"
    assert outputs["triggerInfos"][0]["triggerDesc"] == "0 * * * * * *"


def test_function_without_public_net_is_created_like_the_provider_does(tmp_path: Path) -> None:
    cloud = RecordingCloud()
    (tmp_path / "code.zip").write_bytes(b"zip")

    create(
        cloud,
        "Scf/function:Function",
        name="quiet",
        handler="index.main_handler",
        runtime="Python3.10",
        zipFile=str(tmp_path / "code.zip"),
    )

    assert cloud.calls[0][1]["PublicNetConfig"]["PublicNetStatus"] == "DISABLE"
    assert (cloud.calls[0][1]["MemorySize"], cloud.calls[0][1]["Timeout"]) == (128, 3)


def test_unknown_resource_and_data_source_are_refused() -> None:
    twin = ProviderTwin(RecordingCloud())

    with pytest.raises(NotImplementedError, match="tencentcloud:Cvm/image:Image"):
        twin.new_resource(MockResourceArgs("tencentcloud:Cvm/image:Image", "x", {}, custom=True))
    with pytest.raises(NotImplementedError, match="getZones"):
        twin.call(MockCallArgs("tencentcloud:Cvm/getZones:getZones", {}, ""))


def test_components_exist_in_the_program_only() -> None:
    cloud = RecordingCloud()

    id_, _ = ProviderTwin(cloud).new_resource(
        MockResourceArgs("aigc:vod:VodApplication", "vod", {}, custom=False)
    )

    assert id_ == ""
    assert cloud.calls == []


def test_secrets_are_unwrapped() -> None:
    mark = "4dabf18193072939515e22adb298388d"
    secret = {mark: "1b47061264138c4ac30d75fd1eb44270", "value": {"KEY": "plain"}}

    assert unwrapped({"environment": secret, "list": [secret]}) == {
        "environment": {"KEY": "plain"},
        "list": [{"KEY": "plain"}],
    }
