"""The stack: buckets, a VOD application, three functions and what lets them work."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pulumi
from tencentcloud_iac_pulumi import user

from aigc.rules import Rules
from infra.components.function import EventFunction, EventFunctionArgs
from infra.components.mps_role import MpsRole, MpsRoleArgs
from infra.components.roles import ExecutionRole, ExecutionRoleArgs
from infra.components.storage import Storage, StorageArgs
from infra.components.vod import VodApplication, VodApplicationArgs
from infra.environment import environment
from infra.permissions import STAGING, Reach, pipeline_policy
from infra.triggers import cos_trigger, http_trigger, inbox_triggers, timer_trigger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tencentcloud_iac_pulumi import scf

    from infra.config import StackConfig


def deploy(config: StackConfig) -> None:
    """Declare everything, and export what a caller needs to know."""
    app_id = config.app_id or user.get_info().app_id
    storage = Storage(
        "storage",
        StorageArgs(
            prefix=config.prefix,
            app_id=app_id,
            inbox=config.inbox_bucket,
            results=config.results_bucket,
        ),
    )
    MpsRole("mps", MpsRoleArgs(mode=config.mps_role))
    vod = VodApplication(
        "vod",
        VodApplicationArgs(application_name=f"{config.prefix}images", existing=config.sub_app_id),
    )
    functions = _deploy_functions(config, storage, vod, app_id)
    endpoint = functions["gateway"].url
    vod.report_to(callback_url(endpoint, config.callback_key.get_secret_value()))
    exports = {
        "endpoint": endpoint,
        "appId": app_id,
        "region": config.region,
        "subAppId": vod.sub_app_id,
        "inboxBucket": storage.inbox,
        "resultsBucket": storage.results,
        "ledgerBucket": storage.ledger,
        **{f"{name}Function": function.function_name for name, function in functions.items()},
    }
    for name, value in exports.items():
        pulumi.export(name, value)


def _deploy_functions(
    config: StackConfig, storage: Storage, vod: VodApplication, app_id: str
) -> dict[str, EventFunction]:
    functions = _Functions(config, storage, vod, app_id)
    inbox = inbox_triggers(packaged_rules(config.package), storage.inbox, config.region)
    staging = cos_trigger(storage.results, config.region, STAGING)
    timer = timer_trigger("sweep", config.sweep_schedule)
    upload = "Uploads become jobs; pictures that MPS stored settle theirs"
    return {
        "gateway": functions.add("gateway", "HTTP API and VOD's callbacks", [http_trigger()]),
        "upload": functions.add("upload", upload, [*inbox, staging]),
        # Not repeated when it fails: the next run is a minute away.
        "sweep": functions.add("sweep", "Finds what nobody reported", [timer], retries=0),
    }


class _Functions:
    """The functions of one stack: the same code, settings and permissions, other triggers."""

    def __init__(
        self, config: StackConfig, storage: Storage, vod: VodApplication, app_id: str
    ) -> None:
        self._config = config
        self._environment = environment(config, storage, vod.sub_app_id)
        self._policy = pulumi.Output.all(
            region=config.region,
            app_id=app_id,
            sub_app_id=vod.sub_app_id,
            inbox=storage.inbox,
            results=storage.results,
            ledger=storage.ledger,
        ).apply(lambda known: pipeline_policy(Reach(**known)))

    def add(
        self,
        name: str,
        description: str,
        triggers: Sequence[scf.FunctionTriggerArgs],
        retries: int = 2,
    ) -> EventFunction:
        config = self._config
        physical = f"{config.prefix}{name}"
        role = ExecutionRole(name, ExecutionRoleArgs(role_name=physical, policy=self._policy))
        return EventFunction(
            name,
            EventFunctionArgs(
                function_name=physical,
                handler=f"{name}.main_handler",
                description=description,
                package=config.package,
                role=role,
                environment=self._environment,
                memory_mb=config.memory,
                timeout_s=config.timeout,
                triggers=triggers,
                retries=retries,
            ),
        )


def packaged_rules(package: Path) -> Rules:
    """Read the rules that the functions will follow, and hold them against all that they know.

    Raises:
        RulesError: A rule is wrong: the deployment ends here.
    """
    with zipfile.ZipFile(package) as archive:
        return Rules.parse(json.loads(archive.read("rules.json")))


def callback_url(url: pulumi.Output[str | None], key: str) -> pulumi.Output[str]:
    """Build the address that VOD reports to; it carries the key, so it is a secret."""

    def build(known: str | None) -> str:
        if known is None:
            raise pulumi.RunError("SCF has not told the Function URL yet: run `pulumi up` again")
        return f"{known.rstrip('/')}/vod/events/{key}"

    return pulumi.Output.secret(url.apply(build))
