"""The program deployed into a local cloud, over real HTTP, through the provider's twin."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from aigc_cli.package import local_package
from infra.components.alarms import LOG_ALARMS
from infra.components.storage import LEDGER_DAYS
from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.core import Caller
from localcloud.provider_inputs import Cloud
from localcloud.provision import Outputs, ProvisioningError, provision

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "a key for the tests"
PAGE = {"Module": "monitor", "PageNumber": 1, "PageSize": 20, "Order": "ASC"}


@dataclass
class Provisioned:
    cloud: LocalCloud
    config: dict[str, str]
    outputs: Outputs

    def call(self, service: str, action: str, **params: Any) -> dict[str, Any]:
        return self.cloud.services[service].call(action, params, Caller("owner"))

    def control(self, path: str) -> Any:
        return requests.get(f"{self.cloud.url}/_localcloud/{path}", timeout=60).json()


def required() -> dict[str, str]:
    """Return the configuration of the keys without a default."""
    return {
        "packagePath": str(local_package()),
        "apiKeys": json.dumps({"test": hashlib.sha256(KEY.encode()).hexdigest()}),
        "callbackKey": "c" * 20,
        "mpsRole": "create",
    }


@pytest.fixture(scope="module")
def provisioned() -> Iterator[Provisioned]:
    with LocalCloud(speed=50) as cloud, control_plane(cloud):
        config = required()
        yield Provisioned(cloud, config, provision(cloud, config))


def test_functions_are_active_and_the_gateway_has_a_url(provisioned: Provisioned) -> None:
    for name in ("gateway", "upload", "sweep"):
        assert provisioned.outputs.functions[name] == name
        function = provisioned.call("scf", "GetFunction", FunctionName=name)
        assert (function["Status"], function["Role"]) == ("Active", name)
    assert provisioned.outputs.endpoint.startswith("http://127.0.0.1:")


def test_gateway_answers(provisioned: Provisioned) -> None:
    answer = requests.get(f"{provisioned.outputs.endpoint}/health", timeout=60)

    assert answer.status_code == 200
    assert provisioned.control("scf")["gateway"]["errors"] == 0


def test_buckets_exist_and_old_claims_expire(provisioned: Provisioned) -> None:
    owner = provisioned.cloud.keys.owner
    client = Cloud(
        provisioned.cloud.url,
        secret_id=owner.secret_id,
        secret_key=owner.secret_key,
        region="ap-guangzhou",
    ).buckets

    for bucket in provisioned.outputs.buckets.values():
        client.head_bucket(Bucket=bucket)
    lifecycle = client.get_bucket_lifecycle(Bucket=provisioned.outputs.buckets["ledger"])
    days = {rule["Filter"]["Prefix"]: int(rule["Expiration"]["Days"]) for rule in lifecycle["Rule"]}
    assert days == LEDGER_DAYS


def test_vod_reports_to_the_gateway(provisioned: Provisioned) -> None:
    event_config = provisioned.call(
        "vod", "DescribeEventConfig", SubAppId=provisioned.outputs.sub_app_id
    )

    assert event_config["Mode"] == "PUSH"
    assert (
        event_config["NotificationUrl"] == f"{provisioned.outputs.endpoint}/vod/events/{'c' * 20}"
    )


def test_each_role_has_its_policy(provisioned: Provisioned) -> None:
    for role, policy in (("gateway", "gateway"), ("MPS_QcsRole", "QcloudAccessForMPSRole")):
        attached = provisioned.call(
            "cam", "ListAttachedRolePolicies", Page=1, Rp=200, RoleName=role
        )
        assert policy in {attachment["PolicyName"] for attachment in attached["List"]}


def test_failing_program_reports_the_reason(provisioned: Provisioned) -> None:
    with pytest.raises(ProvisioningError, match="memory is '200'; allowed"):
        provision(provisioned.cloud, {**provisioned.config, "memory": "200"})


def second_stack(provisioned: Provisioned, **changes: str) -> None:
    """Deploy another stack into the same account."""
    provision(provisioned.cloud, {**provisioned.config, "namePrefix": "second-", **changes})


def test_inbox_of_another_stack_is_refused_by_the_program(provisioned: Provisioned) -> None:
    inbox = provisioned.outputs.buckets["inbox"]

    with pytest.raises(ProvisioningError, match=f"inboxBucket is '{inbox}'.* function upload "):
        second_stack(provisioned, inboxBucket=inbox)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inboxBucket", "nosuch-1250000000", "inboxBucket names 'nosuch-1250000000'"),
        ("subAppId", "1599999999", "InvalidParameterValue.SubAppId"),
    ],
)
def test_missing_resource_is_refused(
    provisioned: Provisioned, key: str, value: str, message: str
) -> None:
    with pytest.raises(ProvisioningError, match=message):
        second_stack(provisioned, **{key: value})


def test_functions_log_to_an_indexed_topic(provisioned: Provisioned) -> None:
    gateway = provisioned.call("scf", "GetFunction", FunctionName="gateway")

    # Refused stacks of other tests may have left topics of their own.
    topics = provisioned.call("cls", "DescribeTopics")["Topics"]
    [topic] = [topic for topic in topics if topic["TopicId"] == gateway["ClsTopicId"]]
    assert topic["LogsetId"] == gateway["ClsLogsetId"]
    assert topic["Index"]


@pytest.fixture(scope="module")
def equipped() -> Iterator[Provisioned]:
    """Deploy with all optional parts."""
    with LocalCloud(speed=50) as cloud, control_plane(cloud):
        config = {
            **required(),
            "endpoint": "api-gateway",
            "alarmReceivers": "[10001]",
            "robots": json.dumps([{"kind": "wecom", "url": "https://example.com/token"}]),
            "reservedConcurrency": "1280",
            "tags": json.dumps({"team": "art"}),
            "asyncRetries": "1",
            "eventAge": "600",
        }
        yield Provisioned(cloud, config, provision(cloud, config))


def test_api_gateway_answers_for_the_function(equipped: Provisioned) -> None:
    endpoint = equipped.outputs.endpoint

    assert endpoint.endswith("/release")
    assert requests.get(f"{endpoint}/health", timeout=60).json() == {"status": "ok"}
    events = equipped.call("vod", "DescribeEventConfig", SubAppId=equipped.outputs.sub_app_id)
    assert events["NotificationUrl"].startswith(f"{endpoint}/vod/events/")


def test_alarms_are_bound_to_the_functions(equipped: Provisioned) -> None:
    notices = equipped.call("monitor", "DescribeAlarmNotices", **PAGE)["Notices"]
    [policy] = equipped.call("monitor", "DescribeAlarmPolicies", **PAGE)["Policies"]
    bound = equipped.call(
        "monitor", "DescribeBindingPolicyObjectList", Module="monitor", PolicyId=policy["PolicyId"]
    )

    assert set(policy["NoticeIds"]) == {notice["Id"] for notice in notices}
    [url] = [item["URL"] for notice in notices for item in notice["URLNotices"]]
    assert url == "https://example.com/token"
    [callback] = equipped.call("cls", "DescribeWebCallbacks")["WebCallbacks"]
    log_notices = equipped.call("cls", "DescribeAlarmNotices")["AlarmNotices"]
    [used] = [item for notice in log_notices for item in notice["WebCallbacks"] or []]
    assert callback["Webhook"] == "https://example.com/token"
    assert used["WebCallbackId"] == callback["WebCallbackId"]
    assert bound["Total"] == 3
    assert equipped.call("cls", "DescribeAlarms")["TotalCount"] == len(LOG_ALARMS)


def test_reservation_and_retries_are_set(equipped: Provisioned) -> None:
    for name in ("gateway", "upload", "sweep"):
        reservation = equipped.call("scf", "GetReservedConcurrencyConfig", FunctionName=name)
        assert reservation["ReservedMem"] == 1280
    invoke_config = equipped.call("scf", "GetFunctionEventInvokeConfig", FunctionName="upload")
    assert invoke_config["AsyncTriggerConfig"] == {"RetryConfig": [{"RetryNum": 1}], "MsgTTL": 600}


def test_functions_and_buckets_have_the_tags(equipped: Provisioned) -> None:
    function = equipped.call("scf", "GetFunction", FunctionName="gateway")

    owner = equipped.cloud.keys.owner
    cos = Cloud(
        equipped.cloud.url,
        secret_id=owner.secret_id,
        secret_key=owner.secret_key,
        region="ap-guangzhou",
    ).buckets
    tags = cos.get_bucket_tagging(Bucket=equipped.outputs.buckets["ledger"])
    assert function["Tags"] == [{"Key": "team", "Value": "art"}]
    assert tags["TagSet"]["Tag"] == [{"Key": "team", "Value": "art"}]
