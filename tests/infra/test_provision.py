"""The program deployed into a local cloud, over real HTTP, through the provider's twin."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from localcloud.cam import Cam, Tags
from localcloud.cloud import LocalCloud
from localcloud.core import Caller
from localcloud.provider import Cloud
from localcloud.provision import Outputs, ProvisioningError, provision
from localcloud.scf.service import Scf
from ops.package import build_package

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "a key for the tests"


@dataclass
class Provisioned:
    cloud: LocalCloud
    config: dict[str, str]
    outputs: Outputs

    def call(self, service: str, action: str, **params: Any) -> dict[str, Any]:
        return self.cloud.services[service].call(action, params, Caller("owner"))

    def control(self, path: str) -> Any:
        return requests.get(f"{self.cloud.url}/_localcloud/{path}", timeout=5).json()


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    with LocalCloud(speed=50) as cloud:
        scf = Scf(cloud)
        for service in (Cam(cloud), Tags(), scf):
            cloud.register(service)
        config = {
            "packagePath": str(build_package(tmp_path_factory.mktemp("dist"))),
            "apiKeys": json.dumps({"test": hashlib.sha256(KEY.encode()).hexdigest()}),
            "callbackKey": "c" * 20,
            "mpsRole": "create",
        }
        try:
            yield Provisioned(cloud, config, provision(cloud, config))
        finally:
            scf.stop()


def test_functions_are_active_and_the_gateway_has_a_url(provisioned: Provisioned) -> None:
    for name in ("gateway", "upload", "sweep"):
        assert provisioned.outputs.functions[name] == name
        told = provisioned.call("scf", "GetFunction", FunctionName=name)
        assert (told["Status"], told["Role"]) == ("Active", name)
    assert provisioned.outputs.endpoint.startswith("http://127.0.0.1:")


def test_gateway_answers(provisioned: Provisioned) -> None:
    answer = requests.get(f"{provisioned.outputs.endpoint}/health", timeout=20)

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
    told = client.get_bucket_lifecycle(Bucket=provisioned.outputs.buckets["ledger"])
    [rule] = told["Rule"]
    assert (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) == ("claims/", "7")


def test_vod_reports_to_the_gateway(provisioned: Provisioned) -> None:
    told = provisioned.call("vod", "DescribeEventConfig", SubAppId=provisioned.outputs.sub_app_id)

    assert told["Mode"] == "PUSH"
    assert told["NotificationUrl"] == f"{provisioned.outputs.endpoint}/vod/events/{'c' * 20}"


def test_each_role_has_its_policy(provisioned: Provisioned) -> None:
    for role, policy in (("gateway", "gateway"), ("MPS_QcsRole", "QcloudAccessForMPSRole")):
        told = provisioned.call("cam", "ListAttachedRolePolicies", Page=1, Rp=200, RoleName=role)
        assert policy in {one["PolicyName"] for one in told["List"]}


def test_failing_program_tells_why(provisioned: Provisioned) -> None:
    with pytest.raises(ProvisioningError, match="memory is '200'; allowed"):
        provision(provisioned.cloud, {**provisioned.config, "memory": "200"})
