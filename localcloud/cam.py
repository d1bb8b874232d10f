"""Access management (CAM): roles, policies, their attachments, and their enforcement."""

from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localcloud import schema
from localcloud.actions import ActionService, now_text
from localcloud.core import ApiError
from localcloud.policies import Guard, trusts
from localcloud.server import Response
from localcloud.tags import Tags

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud
    from localcloud.core import Account

CUSTOM, PRESET = 1, 2

# The preset policies that this project and the roles of MPS use.
PRESETS = (
    "QcloudAccessForMPSRole",
    "QcloudAccessForMPSRoleInDeliverToSCF",
    "QcloudAccessForMPSRoleInVOD",
    "QcloudAccessForScfRole",
    "QcloudCLSReadOnlyAccess",
    "QcloudCOSFullAccess",
    "QcloudMPSFullAccess",
    "QcloudVODFullAccess",
    "QcloudVODReadonlyAccess",
)


# The name and the preset policy of each service-linked role, by the service that assumes it.
# https://www.tencentcloud.com/document/product/598/72114
LINKED_ROLES = {
    "getvod.mps.cloud.tencent.com": ("MPS_QCSLinkedRoleInVOD", "QcloudAccessForMPSRoleInVOD"),
}


@dataclass(slots=True, kw_only=True)
class Policy:
    """A policy: custom, or preset by the cloud."""

    id: int
    name: str
    document: str
    description: str = ""
    type: int = CUSTOM
    created: str = field(default_factory=now_text)
    updated: str = field(default_factory=now_text)

    def describe(self) -> dict[str, Any]:
        """Return the fields of GetPolicy."""
        return {
            "PolicyName": self.name,
            "PolicyDocument": self.document,
            "Description": self.description,
            "Type": self.type,
            "AddTime": self.created,
            "UpdateTime": self.updated,
        }

    def describe_attached(self) -> dict[str, Any]:
        """Return the fields of ListAttachedRolePolicies."""
        return {
            "PolicyId": self.id,
            "PolicyName": self.name,
            "Description": self.description,
            "AddTime": self.created,
            "PolicyType": "QCS" if self.type == PRESET else "User",
            "CreateMode": 2,
        }


@dataclass(slots=True, kw_only=True)
class Role:
    """A role: the services that may assume it, and its policies."""

    id: str
    name: str
    document: str
    description: str = ""
    console_login: int = 0
    session_duration: int = 7200
    created: str = field(default_factory=now_text)
    updated: str = field(default_factory=now_text)
    type: str = "user"
    policies: dict[int, Policy] = field(default_factory=dict)

    def describe(self, account: Account) -> dict[str, Any]:
        """Return the fields of a RoleInfo."""
        return {
            "RoleId": self.id,
            "RoleName": self.name,
            "PolicyDocument": self.document,
            "Description": self.description,
            "AddTime": self.created,
            "UpdateTime": self.updated,
            "ConsoleLogin": self.console_login,
            "RoleType": self.type,
            "SessionDuration": self.session_duration,
            "RoleArn": f"qcs::cam::uin/{account.uin}:roleName/{self.name}",
        }


class Cam(ActionService):
    """CAM 2019-01-16, for roles only; it enforces the policies of every role of the cloud."""

    name = "cam"
    version = "2019-01-16"

    def __init__(self, cloud: LocalCloud, tags: Tags | None = None) -> None:
        self._account = cloud.account
        self._tags = tags or Tags()
        self._roles: dict[str, Role] = {}
        self._role_ids = itertools.count(4611686018427900001)
        self._policy_ids = itertools.count(427900001)
        self._policies = {
            policy.id: policy
            for number, name in enumerate(PRESETS, 1)
            for policy in [Policy(id=number, name=name, document="{}", type=PRESET)]
        }
        super().__init__(
            {
                "GetUserAppId": self._get_user_app_id,
                "DescribeSubAccounts": self._describe_sub_accounts,
                "CreateRole": self._create_role,
                "DescribeRoleList": self._describe_role_list,
                "GetRole": self._get_role,
                "DeleteRole": self._delete_role,
                "UpdateRoleDescription": self._update_role_description,
                "UpdateAssumeRolePolicy": self._update_assume_role_policy,
                "UpdateRoleConsoleLogin": self._update_role_console_login,
                "UpdateRoleSessionDuration": self._update_role_session_duration,
                "CreateServiceLinkedRole": self._create_linked_role,
                "DeleteServiceLinkedRole": self._delete_linked_role,
                "GetServiceLinkedRoleDeletionStatus": lambda _: {"Status": "SUCCEEDED"},
                "CreatePolicy": self._create_policy,
                "GetPolicy": self._get_policy,
                "ListPolicies": self._list_policies,
                "UpdatePolicy": self._update_policy,
                "DeletePolicy": self._delete_policy,
                "AttachRolePolicy": self._attach,
                "DetachRolePolicy": self._detach,
                "ListAttachedRolePolicies": self._list_attached,
            }
        )
        guard = Guard(self.policies_of)
        cloud.authorize = guard.authorize
        cloud.role_trusts = self.role_trusts
        cloud.control_routes["/_localcloud/permissions"] = lambda _: Response.of_json(guard.usage())

    def role_trusts(self, role_name: str, service: str) -> bool:
        """Whether a role of this name exists and the service may assume it."""
        role = self._roles.get(role_name)
        return role is not None and trusts(role.document, service)

    def policies_of(self, role_name: str) -> list[str]:
        """Return the documents of a role's policies."""
        role = self._roles.get(role_name)
        return [policy.document for policy in role.policies.values()] if role else []

    # The account

    def _get_user_app_id(self, _params: dict[str, Any]) -> dict[str, Any]:
        uin = self._account.uin
        return {"Uin": uin, "OwnerUin": uin, "AppId": self._account.app_id}

    def _describe_sub_accounts(self, params: dict[str, Any]) -> dict[str, Any]:
        uin = int(self._account.uin)
        user = {"Uin": uin, "Name": "local", "UserType": 2}
        account = schema.with_all_fields(self.name, self.version, "SubAccountUser", user)
        return {"SubAccounts": [account] if uin in params.get("FilterSubAccountUin", [uin]) else []}

    # Roles

    def _create_role(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["RoleName"]
        if name in self._roles:
            raise ApiError("InvalidParameter.RoleNameInUse", f"role {name} exists already")
        role = Role(
            id=str(next(self._role_ids)),
            name=name,
            document=_checked_document(params["PolicyDocument"], "principal"),
            description=params.get("Description", ""),
            console_login=params.get("ConsoleLogin", 0),
            session_duration=params.get("SessionDuration", 7200),
        )
        self._roles[name] = role
        self._tags.put("cam", f"role/{role.id}", params.get("Tags"))
        return {"RoleId": role.id}

    def _describe_role_list(self, params: dict[str, Any]) -> dict[str, Any]:
        page = _page(list(self._roles.values()), params)
        return {
            "List": [role.describe(self._account) for role in page],
            "TotalNum": len(self._roles),
        }

    def _get_role(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"RoleInfo": self._role(params).describe(self._account)}

    def _delete_role(self, params: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params)
        del self._roles[role.name]
        self._tags.remove("cam", f"role/{role.id}")
        return {}

    def _update_role_description(self, params: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params)
        role.description, role.updated = params["Description"], now_text()
        return {}

    def _update_assume_role_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params)
        role.document, role.updated = (
            _checked_document(params["PolicyDocument"], "principal"),
            now_text(),
        )
        return {}

    def _update_role_console_login(self, params: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params)
        role.console_login, role.updated = params["ConsoleLogin"], now_text()
        return {}

    def _update_role_session_duration(self, params: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params)
        role.session_duration, role.updated = params["SessionDuration"], now_text()
        return {}

    # Service-linked roles

    def _create_linked_role(self, params: dict[str, Any]) -> dict[str, Any]:
        services = params["QCSServiceName"]
        if services[1:] or services[0] not in LINKED_ROLES:
            raise ApiError(
                "InvalidParameter.PrincipalServiceNotExist",
                f"QCSServiceName is {services}; allowed: one of {', '.join(LINKED_ROLES)}",
            )
        name, preset = LINKED_ROLES[services[0]]
        suffix = f"_{params['CustomSuffix']}" if params.get("CustomSuffix") else ""
        trust = {
            "action": ["name/sts:AssumeRole"],
            "effect": "allow",
            "principal": {"service": services},
        }
        response = self._create_role(
            {
                **params,
                "RoleName": name + suffix,
                "PolicyDocument": json.dumps({"version": "2.0", "statement": [trust]}),
            }
        )
        self._roles[name + suffix].type = "service_linked"
        self._attach({"AttachRoleName": name + suffix, "PolicyName": preset})
        return response

    def _delete_linked_role(self, params: dict[str, Any]) -> dict[str, Any]:
        if self._role(params).type != "service_linked":
            raise ApiError("InvalidParameter.RoleNotExist", "the role is not service-linked")
        self._delete_role(params)
        return {"DeletionTaskId": str(uuid.uuid4())}

    # Policies

    def _create_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        if self._find_policy(params["PolicyName"]) is not None:
            raise ApiError(
                "FailedOperation.PolicyNameInUse", f"policy {params['PolicyName']} exists already"
            )
        policy = Policy(
            id=next(self._policy_ids),
            name=params["PolicyName"],
            document=_checked_document(params["PolicyDocument"], "action", "resource"),
            description=params.get("Description", ""),
        )
        self._policies[policy.id] = policy
        return {"PolicyId": policy.id}

    def _get_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        policy = self._policy(params).describe()
        return schema.with_all_fields(self.name, self.version, "GetPolicyResponse", policy)

    def _list_policies(self, params: dict[str, Any]) -> dict[str, Any]:
        policies = [
            {"PolicyId": policy.id, "PolicyName": policy.name, "AddTime": policy.created}
            for policy in self._policies.values()
            if params.get("Keyword", "") in policy.name
            and (params.get("Scope", "All") == "All" or policy.type == CUSTOM)
        ]
        return {"List": _page(policies, params), "TotalNum": len(policies), "ServiceTypeList": []}

    def _update_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        policy = self._policy(params)
        if "PolicyDocument" in params:
            policy.document = _checked_document(params["PolicyDocument"], "action", "resource")
        policy.description = params.get("Description", policy.description)
        policy.updated = now_text()
        return {"PolicyId": policy.id}

    def _delete_policy(self, params: dict[str, Any]) -> dict[str, Any]:
        for policy_id in params["PolicyId"]:
            policy = self._policy({"PolicyId": policy_id})
            del self._policies[policy.id]
            for role in self._roles.values():
                role.policies.pop(policy.id, None)
        return {}

    # Policies that are attached to roles

    def _attach(self, params: dict[str, Any]) -> dict[str, Any]:
        role, policy = self._role(params, "AttachRole"), self._policy(params)
        role.policies[policy.id] = policy
        return {}

    def _detach(self, params: dict[str, Any]) -> dict[str, Any]:
        role, policy = self._role(params, "DetachRole"), self._policy(params)
        role.policies.pop(policy.id, None)
        return {}

    def _list_attached(self, params: dict[str, Any]) -> dict[str, Any]:
        policies = list(self._role(params).policies.values())
        page = [
            schema.with_all_fields(
                self.name, self.version, "AttachedPolicyOfRole", policy.describe_attached()
            )
            for policy in _page(policies, params)
        ]
        return {"List": page, "TotalNum": len(policies)}

    # Shared by the actions

    def _role(self, params: dict[str, Any], prefix: str = "Role") -> Role:
        role_id, name = params.get(f"{prefix}Id"), params.get(f"{prefix}Name")
        for role in self._roles.values():
            if role_id == role.id or (not role_id and name == role.name):
                return role
        raise ApiError("InvalidParameter.RoleNotExist", f"there is no role {role_id or name}")

    def _policy(self, params: dict[str, Any]) -> Policy:
        policy_id, name = params.get("PolicyId"), params.get("PolicyName")
        policy = self._policies.get(policy_id) if policy_id else self._find_policy(name)
        if policy is None:
            raise ApiError(
                "ResourceNotFound.PolicyIdNotFound", f"there is no policy {policy_id or name}"
            )
        return policy

    def _find_policy(self, name: str | None) -> Policy | None:
        matching = (policy for policy in self._policies.values() if policy.name == name)
        return next(matching, None)


def _checked_document(text: str, *required: str) -> str:
    """Check a policy document and return it; each statement needs an effect and these keys."""
    keys = {"effect", *required}
    try:
        document = json.loads(text)
        statements = document["statement"]
        is_valid = (
            document["version"] == "2.0" and isinstance(statements, list) and bool(statements)
        )
        is_valid = is_valid and all(keys <= statement.keys() for statement in statements)
    except (ValueError, KeyError, TypeError, AttributeError):
        is_valid = False
    if not is_valid:
        raise ApiError(
            "InvalidParameter.PolicyDocumentError",
            "PolicyDocument must be JSON of version 2.0; each statement needs "
            f"{', '.join(sorted(keys))}",
        )
    return text


def _page(items: list[Any], params: dict[str, Any]) -> list[Any]:
    size = params.get("Rp", 20)
    start = (params.get("Page", 1) - 1) * size
    return items[start : start + size]
