"""The role by which MPS writes its pictures into our bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
from tencentcloud_iac_pulumi import cam

from infra.permissions import trust

NAME = "MPS_QcsRole"
PRESETS = ("QcloudAccessForMPSRole", "QcloudAccessForMPSRoleInDeliverToSCF")


@dataclass(frozen=True, kw_only=True)
class MpsRoleArgs:
    """Whose business the role is.

    `existing` only checks that it is there; `create` makes it, or takes it over where it is;
    `import` takes it over; `skip` does not look.
    """

    mode: Literal["existing", "create", "import", "skip"]


class MpsRole(pulumi.ComponentResource):
    """`MPS_QcsRole`, of which an account has one, whoever made it.

    It is never deleted: all of MPS in the account works through it. It is imported where it is
    there, because a program that leaves out what it finds would have Pulumi delete what it made.
    """

    def __init__(
        self, name: str, args: MpsRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:mps:MpsRole", name, None, opts)
        found = None if args.mode == "skip" else _existing_id()
        if args.mode in {"existing", "import"} and found is None:
            raise pulumi.RunError(
                f"mpsRole is {args.mode}, but the account has no role {NAME}; allowed: authorise"
                " COS in the MPS console first, or set mpsRole to create"
            )
        if args.mode in {"create", "import"}:
            self._own(name, found)
        self.register_outputs({})

    def _own(self, name: str, found: str | None) -> None:
        role = cam.Role(
            f"{name}-role",
            name=NAME,
            document=trust("mps.cloud.tencent.com"),
            description="What MPS may do in COS on this account's behalf",
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                retain_on_delete=True,
                import_=found,
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


def _existing_id() -> str | None:
    roles = cam.get_roles(name=NAME).role_lists
    return roles[0].role_id if roles else None
