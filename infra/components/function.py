"""An event function with its triggers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from tencentcloud_iac_pulumi import scf

from infra.lost_triggers import check_created

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.components.logs import FunctionLogs
    from infra.components.roles import ExecutionRole

RUNTIME = "Python3.10"
PROGRAM = Path(__file__).parents[1]
"""`main` of Pulumi.yaml, the folder in which Pulumi starts the program and the provider."""


@dataclass(frozen=True, kw_only=True)
class EventFunctionArgs:
    """Code, role, triggers and settings of a function."""

    function_name: str
    handler: str
    description: str
    deployed: Mapping[str, Any]
    """The outputs of the function in Pulumi's state; empty before the first `pulumi up`."""
    replace: bool
    """Whether to delete the deployed function and create it again."""
    package: Path
    """A zip whose name contains the hash of its content: the provider compares only the path."""
    role: ExecutionRole
    environment: Mapping[str, pulumi.Input[str]]
    memory_mb: int
    timeout_s: int
    triggers: Sequence[scf.FunctionTriggerArgs]
    retries: int
    """How often SCF repeats an asynchronous event whose invocation failed."""
    event_age_s: int
    """How long SCF keeps an event that it cannot deliver."""
    reserved_mb: int | None
    """Reserved memory of all instances; None: the quota of the account is shared."""
    logs: FunctionLogs | None
    tags: Mapping[str, str]


class EventFunction(pulumi.ComponentResource):
    """A function with access to the internet and with inline triggers."""

    function_name: pulumi.Output[str]
    url: pulumi.Output[str | None]
    """Its Function URL; None without an `http` trigger, or while SCF does not report it."""

    def __init__(
        self, name: str, args: EventFunctionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aigc:function:EventFunction", name, None, opts)
        function = self._function(name, args)
        check_created(function)
        self._set_retries(name, args, function)
        if args.reserved_mb is not None:
            self._reserve(name, args.reserved_mb, function)
        self.function_name = function.name
        self.url = function.trigger_infos.apply(function_url)
        self.register_outputs({"function_name": self.function_name, "url": self.url})

    def _set_retries(self, name: str, args: EventFunctionArgs, function: scf.Function) -> None:
        # `namespace` has no default here and would be sent empty.
        scf.FunctionEventInvokeConfig(
            f"{name}-retries",
            function_name=function.name,
            namespace="default",
            async_trigger_config=scf.FunctionEventInvokeConfigAsyncTriggerConfigArgs(
                retry_configs=[
                    scf.FunctionEventInvokeConfigAsyncTriggerConfigRetryConfigArgs(
                        retry_num=args.retries
                    )
                ],
                msg_ttl=args.event_age_s,
            ),
            # A new function has SCF's default settings, even under the same name. For a renamed
            # function the provider reads the settings under the old name.
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_with=[function],
                replace_on_changes=["functionName"],
                delete_before_replace=True,
            ),
        )

    def _reserve(self, name: str, reserved_mb: int, function: scf.Function) -> None:
        # A function has one reservation, which cannot be changed in place.
        scf.ReservedConcurrencyConfig(
            f"{name}-reservation",
            function_name=function.name,
            namespace="default",
            reserved_concurrency_mem=reserved_mb,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _function(self, name: str, args: EventFunctionArgs) -> scf.Function:
        return scf.Function(
            f"{name}-function",
            name=args.function_name,
            description=description_for(
                args.description, args.deployed.get("description"), change=args.replace
            ),
            handler=args.handler,
            runtime=RUNTIME,
            func_type="Event",
            mem_size=args.memory_mb,
            timeout=args.timeout_s,
            role=args.role.role_name,
            # An absolute path would be a change on every other machine.
            zip_file=os.path.relpath(args.package, PROGRAM),
            environment=args.environment,
            # Without it the function cannot reach VOD, MPS and the vendor's downloads.
            enable_public_net=True,
            triggers=args.triggers,
            cls_logset_id=args.logs.logset_id if args.logs else None,
            cls_topic_id=args.logs.topic_id if args.logs else None,
            tags=args.tags,
            # The name is fixed and unique. A function must not run before its role has permissions.
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                depends_on=[args.role],
                replace_on_changes=["description"] if args.replace else None,
            ),
        )


def description_for(description: str, deployed: str | None, *, change: bool) -> str:
    """Return the description of a function; with `change`, the variant that is not deployed.

    Pulumi replaces a resource only for a change, so a change between two variants of the
    description replaces the function.
    """
    variants = (description, f"{description} Created again.")
    if deployed not in variants:
        return description
    return variants[(variants.index(deployed) + change) % 2]


def function_url(triggers: Sequence[scf.outputs.FunctionTriggerInfo] | None) -> str | None:
    """Return the public URL in the triggers that SCF reports; None if there is none."""
    for trigger in triggers or []:
        if trigger.type == "http" and trigger.trigger_desc:
            net = json.loads(trigger.trigger_desc).get("NetConfig", {})
            return str(net["ExtranetUrl"]) if net.get("ExtranetUrl") else None
    return None
