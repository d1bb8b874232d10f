"""The stack: buckets, a VOD application, three functions, their roles, logs and alarms."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pulumi

from aigc.jobs.buckets import STAGING
from aigc.uploads.rules import Rules
from infra.components.alarms import Alarms, AlarmsArgs
from infra.components.api_gateway import ApiGateway, ApiGatewayArgs
from infra.components.function import EventFunction, EventFunctionArgs
from infra.components.logs import FunctionLogs, FunctionLogsArgs
from infra.components.mps_role import MpsRole, MpsRoleArgs
from infra.components.roles import ExecutionRole, ExecutionRoleArgs
from infra.components.storage import Storage, StorageArgs
from infra.components.vod import VodApplication, VodApplicationArgs
from infra.deployed import Deployed
from infra.environment import check_environment, environment
from infra.identity import check_identity
from infra.lookups import account_id, check_existing
from infra.lost_triggers import lost_triggers
from infra.outputs import console_links, console_url, query_links, upload_command
from infra.overlaps import check_overlaps
from infra.permissions import POLICIES, Reach, upload_prefixes
from infra.triggers import (
    cos_trigger,
    http_trigger,
    inbox_prefix,
    inbox_triggers,
    timer_trigger,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tencentcloud_iac_pulumi import scf

    from infra.config import StackConfig
    from infra.deployed import Outputs


def deploy(config: StackConfig) -> None:
    """Check the configuration against account and state, then declare resources and outputs."""
    deployed = Deployed.read()
    app_id = config.app_id or account_id()
    rules = _checked_rules(config, app_id, deployed)
    storage = _storage(config, app_id, deployed)
    _mps_role(config, deployed)
    vod = _vod(config, deployed)
    logs = _logs(config)
    functions = _Functions(config, rules, storage, vod, app_id, logs, deployed)
    endpoint = _declare_gateway(config, functions)
    _declare_event_functions(config, functions, storage, rules)
    if config.callback_mode == "push":
        vod.report_to(callback_url(endpoint, config.callback_key.get_secret_value()))
    if config.alarm_receivers or config.alarm_robots:
        _alarms(config, functions, logs)
    exports = {
        "console": console_url(config, endpoint) if config.console else "",
        "endpoint": endpoint,
        "appId": app_id,
        "region": config.region,
        "site": config.site,
        "subAppId": vod.sub_app_id,
        "inboxBucket": storage.inbox,
        "resultsBucket": storage.results,
        "resultsPrefix": config.results_prefix,
        "ledgerBucket": storage.ledger,
        "uploadPrefixes": list(upload_prefixes(rules)),
        "keyNames": sorted(config.api_keys),
        **{f"{name}Function": physical for name, physical in functions.names.items()},
        "links": console_links(config, storage, logs),
        "queries": query_links(config, logs),
        "upload": upload_command(rules, storage.inbox, config.region),
    }
    for name, value in exports.items():
        pulumi.export(name, value)


def _checked_rules(config: StackConfig, app_id: str, deployed: Deployed) -> Rules:
    """Check the configuration against the account and the state; return the package's rules.

    Raises:
        StackConfigError: A value does not fit.
        RulesError: A rule is wrong.
    """
    config.check_buckets(app_id)
    check_identity(config, app_id, deployed)
    check_existing(config)
    rules = packaged_rules(config.package)
    rules.check_inputs(
        {config.inbox_bucket or config.bucket("inbox", app_id), *config.input_buckets}
    )
    check_environment(config, app_id, deployed)
    check_overlaps(config, _trigger_prefixes(config, rules), deployed)
    return rules


def _trigger_prefixes(config: StackConfig, rules: Rules) -> dict[str, str]:
    inbox = inbox_prefix(rules)
    own = {"inboxBucket": inbox, "resultsBucket": config.results_prefix + STAGING}
    return {key: prefix for key, prefix in own.items() if prefix is not None}


def _storage(config: StackConfig, app_id: str, deployed: Deployed) -> Storage:
    args = StorageArgs(
        name_of=lambda role: config.bucket(role, app_id),
        tags=config.tags,
        inbox=config.inbox_bucket,
        results=config.results_bucket,
        results_prefix=config.results_prefix,
        deployed=deployed.resources.keys(),
        origins=config.bucket_origins,
    )
    return Storage("storage", args)


def _mps_role(config: StackConfig, deployed: Deployed) -> None:
    maker = f"{pulumi.get_project()}/{config.stack}"
    args = MpsRoleArgs(mode=config.mps_role, maker=maker, is_deployed="mps-role" in deployed)
    MpsRole("mps", args)


def _vod(config: StackConfig, deployed: Deployed) -> VodApplication:
    args = VodApplicationArgs(
        application_name=f"{config.name_prefix}images",
        existing=config.sub_app_id,
        is_deployed="vod-application" in deployed,
    )
    return VodApplication("vod", args)


def _logs(config: StackConfig) -> FunctionLogs | None:
    if not config.logs:
        return None
    args = FunctionLogsArgs(
        name=f"{config.name_prefix}functions", retention_days=config.log_retention, tags=config.tags
    )
    return FunctionLogs("logs", args)


def _declare_gateway(config: StackConfig, functions: _Functions) -> pulumi.Output[str | None]:
    """Declare the gateway with the configured endpoint, and return its URL."""
    description = "HTTP API and callbacks of VOD."
    if config.endpoint == "function-url":
        trigger = http_trigger(config.cors_origins)
        return functions.add("gateway", description, [trigger]).url
    service = ApiGateway(
        "api",
        ApiGatewayArgs(
            service_name=f"{config.name_prefix}gateway", protocol=config.protocol, tags=config.tags
        ),
    )
    gateway = functions.add("gateway", description, [])
    service.expose(gateway.function_name, timeout_s=config.timeout, cors=bool(config.cors_origins))
    return service.url


def _declare_event_functions(
    config: StackConfig, functions: _Functions, storage: Storage, rules: Rules
) -> None:
    """Declare the functions with COS triggers and with the timer."""
    description = "Turns uploads into jobs, and settles jobs whose images MPS has stored."
    inbox = inbox_triggers(rules, storage.inbox, config.region)
    staging = cos_trigger(storage.results, config.region, config.results_prefix + STAGING)
    functions.add("upload", description, [*inbox, staging])
    # A failed sweep is not repeated: the next sweep starts within a minute.
    timer = timer_trigger("sweep", config.sweep_schedule)
    functions.add("sweep", "Settles and starts jobs that no event reported.", [timer], retries=0)


def _alarms(config: StackConfig, functions: _Functions, logs: FunctionLogs | None) -> None:
    Alarms(
        "alarms",
        AlarmsArgs(
            prefix=config.name_prefix,
            region=config.region,
            receivers=config.alarm_receivers,
            robots=config.alarm_robots,
            functions=list(functions.names.values()),
            timeout_s=config.timeout,
            retries=config.async_retries,
            logs=logs,
            language="zh-CN" if config.site == "cn" else "en-US",
            tags=config.tags,
        ),
    )


class _Functions:
    """The functions of a stack: the same code and settings, different triggers and roles."""

    def __init__(  # noqa: PLR0913, PLR0917  what functions are made from
        self,
        config: StackConfig,
        rules: Rules,
        storage: Storage,
        vod: VodApplication,
        app_id: str,
        logs: FunctionLogs | None,
        deployed: Deployed,
    ) -> None:
        self._deployed = deployed
        self.names: dict[str, pulumi.Output[str]] = {}
        self._config = config
        self._logs = logs
        self._environment = environment(config, app_id, storage, vod.sub_app_id, deployed)
        self._reach = pulumi.Output.all(
            region=config.region,
            app_id=app_id,
            sub_app_id=vod.sub_app_id,
            inbox=storage.inbox,
            results=storage.results,
            ledger=storage.ledger,
        ).apply(
            lambda known: Reach(
                **known,
                results_prefix=config.results_prefix,
                input_buckets=config.input_buckets,
                upload_prefixes=upload_prefixes(rules),
            )
        )

    def add(
        self,
        name: str,
        description: str,
        triggers: Sequence[scf.FunctionTriggerArgs],
        *,
        retries: int | None = None,
    ) -> EventFunction:
        config = self._config
        physical = f"{config.name_prefix}{name}"
        deployed = self._deployed.outputs(f"{name}-function")
        role = ExecutionRole(
            name,
            ExecutionRoleArgs(
                role_name=physical, policy=self._reach.apply(POLICIES[name]), tags=config.tags
            ),
        )
        function = EventFunction(
            name,
            EventFunctionArgs(
                function_name=physical,
                handler=f"{name}.main_handler",
                description=description,
                deployed=deployed,
                replace=self._must_be_replaced(physical, deployed),
                package=config.package,
                role=role,
                environment=self._environment,
                memory_mb=config.memory,
                timeout_s=config.timeout,
                triggers=triggers,
                retries=config.async_retries if retries is None else retries,
                event_age_s=config.event_age,
                reserved_mb=config.reservation(name),
                logs=self._logs,
                tags=config.tags,
            ),
        )
        self.names[name] = function.function_name
        return function

    def _must_be_replaced(self, name: str, deployed: Outputs) -> bool:
        """Whether the provider cannot update a deployed function as configured."""
        reasons = [f"SCF has lost its trigger {trigger}" for trigger in lost_triggers(deployed)]
        if deployed.get("clsTopicId") and self._logs is None:
            reasons.append("the provider cannot take the log topic away from it")
        if reasons:
            pulumi.warn(f"The function {name} is replaced: {'; '.join(reasons)}.")
        return bool(reasons)


def packaged_rules(package: Path) -> Rules:
    """Read the upload rules in the zip, and check them.

    Raises:
        RulesError: A rule is wrong.
    """
    with zipfile.ZipFile(package) as archive:
        return Rules.parse(json.loads(archive.read("rules.json")))


def callback_url(url: pulumi.Output[str | None], key: str) -> pulumi.Output[str]:
    """Return the URL for VOD's callbacks; it contains the key, so it is a secret."""

    def build(known: str | None) -> str:
        if known is None:
            raise pulumi.RunError("SCF does not report the Function URL yet: run `pulumi up` again")
        return f"{known.rstrip('/')}/vod/events/{key}"

    return pulumi.Output.secret(url.apply(build))
