"""The functions' environment: exactly the fields of `aigc.settings.Settings`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi

from aigc.settings import PREFIX

if TYPE_CHECKING:
    from infra.components.storage import Storage
    from infra.config import StackConfig
    from infra.deployed import Deployed


FUNCTIONS = ("gateway", "upload", "sweep")
LEASE_MARGIN_S = 15
"""Seconds by which a lease is longer than an invocation: a write without an answer may take effect
within 10 s, and what is not known of the time is up to 1 s and one round trip."""


def environment(
    config: StackConfig, storage: Storage, sub_app_id: pulumi.Input[int], deployed: Deployed
) -> dict[str, pulumi.Input[str]]:
    """Return the variable of every setting; keys and secrets stay encrypted in Pulumi's state."""
    settings: dict[str, pulumi.Input[str]] = {
        "region": config.region,
        "site": config.site,
        "protocol": config.protocol,
        "sub_app_id": pulumi.Output.from_input(sub_app_id).apply(str),
        "inbox_bucket": storage.inbox,
        "results_bucket": storage.results,
        "results_prefix": config.results_prefix,
        "ledger_bucket": storage.ledger,
        "input_buckets": json.dumps(config.input_buckets),
        "inbox_since": config.inbox_since.isoformat() if config.inbox_since else "",
        "result_hosts": json.dumps(config.result_hosts),
        "results_url": config.results_url,
        "previews": config.previews,
        "inbox_url": config.inbox_url,
        "public_docs": json.dumps(config.public_docs),
        "console": json.dumps(config.console),
        "public_url": config.public_url,
        "api_keys": pulumi.Output.secret(json.dumps(config.api_keys)),
        "callback_key": pulumi.Output.secret(config.callback_key.get_secret_value()),
        "lanes": json.dumps(config.lanes),
        "lease_s": str(_longest_timeout(config, deployed) + LEASE_MARGIN_S),
        "retry_base_s": f"{config.retry_base:g}",
        "unknown_after_s": f"{config.unknown_after:g}",
        "reconcile_after_s": f"{config.reconcile_after:g}",
        "overdue_after_s": json.dumps(config.overdue_after),
        "poll_interval_s": f"{config.poll_interval:g}",
        "labels": config.labels,
        "content_producer": json.dumps(config.content_producer),
        "webhook_secrets": pulumi.Output.secret(json.dumps(config.webhook_secrets)),
        "robots": pulumi.Output.secret(json.dumps([robot.plain() for robot in config.robots])),
        "webhook_http": json.dumps(config.webhook_http),
        "webhook_networks": json.dumps([str(network) for network in config.webhook_networks]),
    }
    return {PREFIX + name.upper(): value for name, value in settings.items()}


def _longest_timeout(config: StackConfig, deployed: Deployed) -> int:
    """Return how long an invocation may run, also one that began before this update."""
    functions = (deployed.outputs(f"{name}-function") for name in FUNCTIONS)
    return max(config.timeout, *(int(outputs.get("timeout") or 0) for outputs in functions))
