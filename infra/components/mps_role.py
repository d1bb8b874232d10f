"""The role with which MPS writes images into the results bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
from tencentcloud_iac_pulumi import cam

from infra.lookups import ask
from infra.permissions import trust

NAME = "MPS_QcsRole"
PRESETS = ("QcloudAccessForMPSRole", "QcloudAccessForMPSRoleInDeliverToSCF")


@dataclass(frozen=True, kw_only=True)
class MpsRoleArgs:
    """How the stack uses the role.

    `existing` only checks that it exists. `create` creates it, and refuses a role from another
    source. `import` takes an existing role into the stack. `skip` checks nothing.
    """

    mode: Literal["existing", "create", "import", "skip"]
    is_deployed: bool
    """Whether the stack has the role already."""
    maker: str
    """Name of the stack, by which a role that it created is recognised."""


class MpsRole(pulumi.ComponentResource):
    """`MPS_QcsRole`, of which an account has one.

    It is never deleted, since all of MPS uses it. Once the stack manages it, every run
    declares and imports it again, which changes nothing. Pulumi would delete it if a later run
    left it out (https://github.com/pulumi/pulumi/issues/17908).
    """

    def __init__(
        self, name: str, args: MpsRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:mps:MpsRole", name, None, opts)
        description = f"What MPS may do in COS on this account's behalf; made by {args.maker}"
        role = None if args.mode == "skip" and not args.is_deployed else _existing()
        _check(args.mode, role, description)
        if args.mode in {"create", "import"} or args.is_deployed:
            self._own(name, description, role.role_id if role else None)
        self.register_outputs({})

    def _own(self, name: str, description: str, role_id: str | None) -> None:
        role = cam.Role(
            f"{name}-role",
            name=NAME,
            document=trust("mps.cloud.tencent.com"),
            description=description,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                retain_on_delete=True,
                import_=role_id,
                ignore_changes=[
                    *("document", "description", "tags", "sessionDuration", "consoleLogin")
                ],
            ),
        )
        for preset in PRESETS:
            cam.RolePolicyAttachmentByName(
                f"{name}-{preset}",
                role_name=role.name,
                policy_name=preset,
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
            )


def _existing() -> cam.outputs.GetRolesRoleListResult | None:
    roles = ask(f"The role {NAME}", lambda: cam.get_roles(name=NAME)).role_lists
    return roles[0] if roles else None


def _check(mode: str, role: cam.outputs.GetRolesRoleListResult | None, description: str) -> None:
    """Refuse a missing role, and a role of another source unless `import` is configured."""
    if mode in {"existing", "import"} and role is None:
        raise pulumi.RunError(
            f"mpsRole is {mode}, but the account has no role {NAME}; allowed: authorise"
            " COS in the MPS console first, or set mpsRole to create"
        )
    if mode == "create" and role is not None and role.description != description:
        raise pulumi.RunError(
            f"mpsRole is create, but the account has a role {NAME} that this stack did not make;"
            " allowed: existing, which uses it, or import, which adds it to the stack"
        )
