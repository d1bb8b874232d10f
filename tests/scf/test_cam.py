"""CAM's roles and policies, as the provider uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.cam import Cam
from localcloud.cloud import LocalCloud
from localcloud.core import ApiError, Caller
from localcloud.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[..., dict[str, Any]]

TRUST = json.dumps(
    {
        "version": "2.0",
        "statement": [
            {
                "action": ["name/sts:AssumeRole"],
                "effect": "allow",
                "principal": {"service": ["scf.qcloud.com"]},
            }
        ],
    }
)
READ = json.dumps(
    {
        "version": "2.0",
        "statement": [
            {"effect": "allow", "action": ["name/cos:GetObject"], "resource": ["qcs::cos:::x/*"]}
        ],
    }
)


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture
def cam(cloud: LocalCloud) -> Cam:
    return Cam(cloud)


@pytest.fixture
def call(cam: Cam) -> Call:
    return lambda action, **params: cam.call(action, params, Caller("owner"))


def refusal(call: Call, action: str, **params: Any) -> str:
    with pytest.raises(ApiError) as caught:
        call(action, **params)
    return caught.value.code


def test_created_role_is_listed_and_known_to_the_cloud(cloud: LocalCloud, call: Call) -> None:
    role_id = call("CreateRole", RoleName="worker", PolicyDocument=TRUST)["RoleId"]

    [listed] = call("DescribeRoleList", Page=1, Rp=200)["List"]
    assert (listed["RoleId"], listed["RoleName"], listed["ConsoleLogin"]) == (role_id, "worker", 0)
    assert call("GetRole", RoleName="worker")["RoleInfo"] == listed
    assert cloud.role_trusts("worker", "scf.qcloud.com")
    assert not cloud.role_trusts("worker", "mps.cloud.tencent.com")
    assert not cloud.role_trusts("missing", "scf.qcloud.com")


def test_role_can_be_changed_and_deleted(cloud: LocalCloud, call: Call) -> None:
    role_id = call("CreateRole", RoleName="worker", PolicyDocument=TRUST)["RoleId"]

    call("UpdateRoleDescription", RoleId=role_id, Description="new")
    changed = TRUST.replace("scf.qcloud.com", "mps.cloud.tencent.com")
    call("UpdateAssumeRolePolicy", RoleId=role_id, PolicyDocument=changed)
    role = call("GetRole", RoleId=role_id)["RoleInfo"]
    call("DeleteRole", RoleId=role_id)

    assert (role["Description"], role["PolicyDocument"]) == ("new", changed)
    assert refusal(call, "GetRole", RoleName="worker") == "InvalidParameter.RoleNotExist"
    assert not cloud.role_trusts("worker", "mps.cloud.tencent.com")


def test_policy_is_attached_by_number_and_by_name(cam: Cam, call: Call) -> None:
    role_id = call("CreateRole", RoleName="worker", PolicyDocument=TRUST)["RoleId"]
    policy_id = call("CreatePolicy", PolicyName="read", PolicyDocument=READ)["PolicyId"]

    call("AttachRolePolicy", AttachRoleId=role_id, PolicyId=policy_id)
    call("AttachRolePolicy", AttachRoleName="worker", PolicyName="QcloudVODFullAccess")

    listed = call("ListAttachedRolePolicies", RoleName="worker", Page=1, Rp=200)["List"]
    assert {policy["PolicyName"]: policy["PolicyType"] for policy in listed} == {
        "read": "User",
        "QcloudVODFullAccess": "QCS",
    }
    assert READ in cam.policies_of("worker")


def test_detached_and_deleted_policies_are_gone(cam: Cam, call: Call) -> None:
    call("CreateRole", RoleName="worker", PolicyDocument=TRUST)
    kept, deleted = (
        call("CreatePolicy", PolicyName=name, PolicyDocument=READ)["PolicyId"]
        for name in ("kept", "deleted")
    )
    for policy_id in (kept, deleted):
        call("AttachRolePolicy", AttachRoleName="worker", PolicyId=policy_id)

    call("DetachRolePolicy", DetachRoleName="worker", PolicyId=kept)
    call("DeletePolicy", PolicyId=[deleted])

    assert cam.policies_of("worker") == []
    assert call("GetPolicy", PolicyId=kept)["PolicyName"] == "kept"
    assert refusal(call, "GetPolicy", PolicyId=deleted) == "ResourceNotFound.PolicyIdNotFound"


def test_policy_can_be_changed(call: Call) -> None:
    policy_id = call("CreatePolicy", PolicyName="read", PolicyDocument=READ)["PolicyId"]
    changed = READ.replace("GetObject", "HeadObject")

    call("UpdatePolicy", PolicyId=policy_id, PolicyDocument=changed)

    policy = call("GetPolicy", PolicyId=policy_id)
    assert (policy["PolicyDocument"], policy["Type"]) == (changed, 1)


def test_invalid_document_is_refused(call: Call) -> None:
    misspelt = TRUST.replace("effect", "efect")
    for document in ("no json", "[]", '{"version": "1.0", "statement": []}', misspelt):
        code = refusal(call, "CreateRole", RoleName="worker", PolicyDocument=document)
        assert code == "InvalidParameter.PolicyDocumentError", document


def test_names_are_unique(call: Call) -> None:
    call("CreateRole", RoleName="worker", PolicyDocument=TRUST)
    call("CreatePolicy", PolicyName="read", PolicyDocument=READ)

    role = refusal(call, "CreateRole", RoleName="worker", PolicyDocument=TRUST)
    policy = refusal(call, "CreatePolicy", PolicyName="read", PolicyDocument=READ)

    assert role == "InvalidParameter.RoleNameInUse"
    assert policy == "FailedOperation.PolicyNameInUse"


def test_account_has_its_ids(call: Call) -> None:
    info = call("GetUserAppId")

    assert info == {"Uin": "100000000001", "OwnerUin": "100000000001", "AppId": 1250000000}
    [own] = call("DescribeSubAccounts", FilterSubAccountUin=[100000000001])["SubAccounts"]
    assert own["Uin"] == 100000000001


def test_tags_are_kept_by_resource() -> None:
    tags = Tags()
    caller = Caller("owner")
    tag = {"TagKey": "team", "TagValue": "images"}
    query = {"ServiceType": "cam", "ResourcePrefix": "role", "ResourceIds": ["46", "47"]}

    tags.call(
        "ModifyResourceTags", {"Resource": "qcs::cam::uin/:role/46", "ReplaceTags": [tag]}, caller
    )

    answer = tags.call("DescribeResourceTagsByResourceIds", query, caller)
    assert answer["Tags"] == [{**tag, "ResourceId": "46", "ServiceType": "cam"}]


def test_deleted_role_leaves_no_tags_behind(cloud: LocalCloud) -> None:
    tags = Tags()
    cam = Cam(cloud, tags)
    params = {"RoleName": "worker", "PolicyDocument": TRUST, "Tags": [{"Key": "a", "Value": "b"}]}
    role = cam.call("CreateRole", params, Caller("owner"))["RoleId"]
    before = tags.of("cam", f"role/{role}")

    cam.call("DeleteRole", {"RoleId": role}, Caller("owner"))

    assert before == [{"Key": "a", "Value": "b"}]
    assert tags.of("cam", f"role/{role}") == []


def test_service_linked_role_has_its_trust_and_its_policy(call: Call) -> None:
    service = "getvod.mps.cloud.tencent.com"

    role_id = call("CreateServiceLinkedRole", QCSServiceName=[service])["RoleId"]

    role = call("GetRole", RoleId=role_id)["RoleInfo"]
    assert (role["RoleName"], role["RoleType"]) == ("MPS_QCSLinkedRoleInVOD", "service_linked")
    assert json.loads(role["PolicyDocument"])["statement"][0]["principal"]["service"] == [service]
    [attached] = call("ListAttachedRolePolicies", RoleId=role_id, Page=1, Rp=200)["List"]
    assert attached["PolicyName"] == "QcloudAccessForMPSRoleInVOD"


def test_service_linked_role_is_deleted_by_its_own_action_only(call: Call) -> None:
    call("CreateRole", RoleName="worker", PolicyDocument=TRUST)
    call("CreateServiceLinkedRole", QCSServiceName=["getvod.mps.cloud.tencent.com"])

    task = call("DeleteServiceLinkedRole", RoleName="MPS_QCSLinkedRoleInVOD")["DeletionTaskId"]

    deletion = call("GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert deletion["Status"] == "SUCCEEDED"
    assert refusal(call, "GetRole", RoleName="MPS_QCSLinkedRoleInVOD") == (
        "InvalidParameter.RoleNotExist"
    )
    assert refusal(call, "DeleteServiceLinkedRole", RoleName="worker") == (
        "InvalidParameter.RoleNotExist"
    )
