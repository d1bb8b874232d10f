"""The VOD application that runs the tasks, and its callback address."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from tencentcloud_iac_pulumi import vod


@dataclass(frozen=True, kw_only=True)
class VodApplicationArgs:
    """The name of a new application, or the number of an existing one."""

    application_name: str
    existing: int | None
    is_deployed: bool
    """Whether the stack already has its own application."""


class VodApplication(pulumi.ComponentResource):
    """An application of this stack, or an existing one, which is not changed."""

    sub_app_id: pulumi.Output[int]

    def __init__(
        self, name: str, args: VodApplicationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:vod:VodApplication", name, None, opts)
        self._name = name
        self._is_ours = args.existing is None
        # The stack keeps its own application if another one is configured, since it has media.
        if args.existing is None or args.is_deployed:
            self.sub_app_id = self._create(args.application_name)
        if args.existing is not None:
            self.sub_app_id = pulumi.Output.from_input(args.existing)
        self.register_outputs({"sub_app_id": self.sub_app_id})

    def report_to(self, url: pulumi.Input[str]) -> None:
        """Set the URL for finished tasks; an existing application keeps its settings."""
        if self._is_ours:
            vod.EventConfig(
                f"{self._name}-events",
                sub_app_id=self.sub_app_id,
                mode="PUSH",
                notification_url=url,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _create(self, application_name: str) -> pulumi.Output[int]:
        # The provider cannot rename an application: it would read it under the old name.
        application = vod.SubApplication(
            f"{self._name}-application",
            name=application_name,
            status="On",
            description="AIGC Functions",
            opts=pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=["name"]),
        )
        return application.id.apply(lambda id_: int(id_.rpartition("#")[2]))
