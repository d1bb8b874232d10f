"""Policies as CAM evaluates them: wildcards, segments, deny over allow, and trust in services."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.core import ApiError, Caller
from localcloud.policies import Guard, trusts

WORKER = Caller("AKIDx", role="worker")
OBJECT = "qcs::cos:ap-guangzhou:uid/1250000000:inbox-1250000000/in/a:b.jpg"
APPLICATION = "qcs::vod::uin/100000000001:subAppId/15"


def document(*statements: tuple[str, Any, Any]) -> str:
    listed = [
        {"effect": effect, "action": action, "resource": resource}
        for effect, action, resource in statements
    ]
    return json.dumps({"version": "2.0", "statement": listed})


def guard(*statements: tuple[str, Any, Any]) -> Guard:
    documents = [document(*statements)] if statements else []
    return Guard({"worker": documents}.__getitem__)


@pytest.mark.parametrize(
    ("action", "pattern"),
    [
        ("name/cos:GetObject", OBJECT),
        ("name/cos:Get*", "qcs::cos:ap-guangzhou:uid/1250000000:inbox-1250000000/*"),
        ("name/cos:*", "qcs::cos:*:uid/1250000000:inbox-1250000000/in/*.jpg"),
        ("*", "*"),
        (["name/cos:PutObject", "name/cos:GetObject"], ["qcs::cos:::other/*", "qcs::cos:::*"]),
    ],
)
def test_statement_that_covers_action_and_resource_allows(action: Any, pattern: Any) -> None:
    guard(("allow", action, pattern)).authorize(WORKER, "name/cos:GetObject", OBJECT)


@pytest.mark.parametrize(
    ("action", "pattern"),
    [
        ("name/cos:PutObject", "*"),
        ("name/cos:GetObjectACL", "*"),
        ("name/cos:GetObject", "qcs::cos:ap-beijing:uid/1250000000:inbox-1250000000/*"),
        ("name/cos:GetObject", "qcs::cos:ap-guangzhou:uid/1259999999:inbox-1250000000/*"),
        ("name/cos:GetObject", "qcs::cos:ap-guangzhou:uid/1250000000:inbox-1250000000/out/*"),
        ("name/cos:GetObject", "qcs::cos:ap-guangzhou:uid/1250000000:inbox-1250000000/in/a"),
        ("name/cos:GetObject", "inbox-1250000000/*"),
    ],
)
def test_statement_about_anything_else_does_not_allow(action: str, pattern: str) -> None:
    with pytest.raises(ApiError) as caught:
        guard(("allow", action, pattern)).authorize(WORKER, "name/cos:GetObject", OBJECT)

    assert caught.value.code == "AuthFailure.UnauthorizedOperation"


def test_missing_account_is_that_of_the_policy() -> None:
    allowed = guard(("allow", "vod:DescribeTasks", "qcs::vod::uin/:subAppId/15"))

    allowed.authorize(WORKER, "vod:DescribeTasks", APPLICATION)
    with pytest.raises(ApiError):
        allowed.authorize(WORKER, "vod:DescribeTasks", APPLICATION.replace("15", "16"))


def test_deny_overrides_allow() -> None:
    denied = guard(("allow", "*", "*"), ("deny", "name/cos:GetObject", "qcs::cos:::*/in/*"))

    denied.authorize(WORKER, "name/cos:PutObject", OBJECT)
    with pytest.raises(ApiError):
        denied.authorize(WORKER, "name/cos:GetObject", OBJECT)


def test_action_without_resources_is_not_allowed_by_a_named_resource() -> None:
    named = guard(("allow", "mps:*", "qcs::mps:ap-guangzhou:uin/100000000001:x"))

    with pytest.raises(ApiError):
        named.authorize(WORKER, "mps:DescribeAigcImageTask", "*")


def test_mps_requires_request_from_sdk() -> None:
    alone = guard(("allow", "mps:DescribeAigcImageTask", "*"))

    with pytest.raises(ApiError, match="mps:RequestFromSdk"):
        alone.authorize(WORKER, "mps:DescribeAigcImageTask", "*")


def test_role_without_policies_may_do_nothing_and_the_owner_everything() -> None:
    with pytest.raises(ApiError):
        guard().authorize(WORKER, "name/cos:GetObject", OBJECT)
    guard().authorize(Caller("owner"), "name/cos:GetObject", OBJECT)


def test_used_and_denied_permissions_are_recorded() -> None:
    watched = guard(("allow", "name/cos:GetObject", ["qcs::cos:::*", "*"]))

    watched.authorize(WORKER, "name/cos:GetObject", OBJECT)
    with pytest.raises(ApiError):
        watched.authorize(WORKER, "name/cos:PutObject", OBJECT)

    assert watched.usage() == {
        "worker": {
            "used": [("name/cos:GetObject", "*"), ("name/cos:GetObject", "qcs::cos:::*")],
            "denied": [("name/cos:PutObject", OBJECT)],
        }
    }


@pytest.mark.parametrize("service", ["scf.qcloud.com", ["mps.cloud.tencent.com", "scf.qcloud.com"]])
def test_role_trusts_the_services_of_its_document(service: Any) -> None:
    statement = {"effect": "allow", "principal": {"service": service}, "action": []}
    text = json.dumps({"version": "2.0", "statement": [statement]})

    assert trusts(text, "scf.qcloud.com")
    assert not trusts(text, "cvm.qcloud.com")


def test_role_that_denies_or_names_a_user_trusts_no_service() -> None:
    denying = {"effect": "deny", "principal": {"service": "scf.qcloud.com"}, "action": []}
    user = {"effect": "allow", "principal": {"qcs": ["qcs::cam::uin/1:uin/1"]}, "action": []}
    text = json.dumps({"version": "2.0", "statement": [denying, user]})

    assert not trusts(text, "scf.qcloud.com")
