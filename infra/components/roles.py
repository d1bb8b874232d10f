"""The execution role of a function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import cam

from infra.permissions import trust

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ExecutionRoleArgs:
    """The name and the policy of a role."""

    role_name: str
    policy: pulumi.Input[str]
    tags: Mapping[str, str]


class ExecutionRole(pulumi.ComponentResource):
    """A role that SCF may assume, with its own policy.

    A user who deploys a function with this role needs `cam:PassRole` on it
    (https://cloud.tencent.com/document/product/583/32389).
    """

    role_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: ExecutionRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:roles:ExecutionRole", name, None, opts)
        # Both names are fixed, unique and cannot change in place: the old role is deleted first.
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        role = cam.Role(
            f"{name}-role",
            name=args.role_name,
            document=trust("scf.qcloud.com"),
            description="What an AIGC function runs as",
            tags=args.tags,
            opts=child,
        )
        policy = cam.Policy(
            f"{name}-policy",
            name=args.role_name,
            document=args.policy,
            description="What an AIGC function may do",
            opts=child,
        )
        cam.RolePolicyAttachment(
            f"{name}-attachment", role_id=role.id, policy_id=policy.id, opts=child
        )
        self.role_name = role.name
        self.register_outputs({"role_name": self.role_name})
