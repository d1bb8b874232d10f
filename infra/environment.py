"""The functions' environment: exactly the fields of `aigc.settings.Settings`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi

from aigc.settings import PREFIX
from infra.config import EMPTY, StackConfigError

if TYPE_CHECKING:
    from infra.components.storage import Storage
    from infra.config import StackConfig
    from infra.deployed import Deployed


FUNCTIONS = ("gateway", "upload", "sweep")
LEASE_MARGIN_S = 15
"""Seconds by which a lease is longer than an invocation: a write without an answer may take effect
within 10 s, and the uncertainty of the time is up to 1 s and one round trip."""

MAX_BYTES = 4096
"""The most bytes of names and values together (https://cloud.tencent.com/document/product/583/11637)."""
LARGEST_NUMBER = "4294967295"
"""Stands for the number of a VOD application that is not created yet."""

SECRETS = ("api_keys", "callback_key", "webhook_secrets", "robots")
SHORTER = {
    "api_keys": "make keys with `aigc keys new`, which are kept in the ledger, and remove them"
    " from apiKeys",
    "robots": "name fewer robots",
    "webhook_secrets": "remove old secrets from webhookSecrets",
    "input_buckets": "name fewer buckets in inputBuckets",
    "result_hosts": "in resultHosts, write .example.com for all hosts below it",
    "webhook_networks": "in webhookNetworks, write one larger network for several",
    "content_producer": "shorten contentProducer; a character of Chinese takes 6 bytes",
    "public_url": "shorten publicUrl",
    "results_url": "shorten resultsUrl",
    "inbox_url": "shorten inboxUrl",
}
"""Settings whose values can be long, and how to shorten them."""


def environment(
    config: StackConfig,
    app_id: str,
    storage: Storage,
    sub_app_id: pulumi.Input[int],
    deployed: Deployed,
) -> dict[str, pulumi.Input[str]]:
    """Return the variable of every setting; keys and secrets stay encrypted in Pulumi's state."""
    known = _settings(config, app_id, deployed)
    outputs: dict[str, pulumi.Input[str]] = {
        "sub_app_id": pulumi.Output.from_input(sub_app_id).apply(str),
        "inbox_bucket": storage.inbox,
        "results_bucket": storage.results,
        "ledger_bucket": storage.ledger,
        **{name: pulumi.Output.secret(known[name]) for name in SECRETS},
    }
    return {_variable(name): value for name, value in {**known, **outputs}.items()}


def check_environment(config: StackConfig, app_id: str, deployed: Deployed) -> int:
    """Return how many bytes the variables of a function have.

    Raises:
        StackConfigError: SCF refuses so many; the message names the largest that can be shortened.
    """
    known = _settings(config, app_id, deployed)
    sizes = {
        name: len(_variable(name).encode()) + len(value.encode()) for name, value in known.items()
    }
    total = sum(sizes.values())
    if total <= MAX_BYTES:
        return total
    can_be_shorter = [name for name in SHORTER if known[name] not in EMPTY | {'""'}]
    largest = sorted(can_be_shorter, key=sizes.__getitem__, reverse=True)[:3]
    listed = ", ".join(f"{_variable(name)} {sizes[name]}" for name in largest)
    advice = "; ".join(SHORTER[name] for name in largest)
    raise StackConfigError(
        f"the environment of each function has {total} bytes; allowed: {MAX_BYTES} bytes, SCF's"
        f" limit for all names and values together. The largest are {listed}."
        f" Save {total - MAX_BYTES} bytes: {advice}."
    )


def _variable(setting: str) -> str:
    return PREFIX + setting.upper()


def _settings(config: StackConfig, app_id: str, deployed: Deployed) -> dict[str, str]:
    """Return the value of every setting as it is known before anything is created."""
    return {
        "region": config.region,
        "site": config.site,
        "protocol": config.protocol,
        "sub_app_id": str(config.sub_app_id or LARGEST_NUMBER),
        "inbox_bucket": config.inbox_bucket or config.bucket("inbox", app_id),
        "results_bucket": config.results_bucket or config.bucket("results", app_id),
        "results_prefix": config.results_prefix,
        "ledger_bucket": config.bucket("ledger", app_id),
        "input_buckets": json.dumps(config.input_buckets),
        "inbox_since": config.inbox_since.isoformat() if config.inbox_since else "",
        "result_hosts": json.dumps(config.result_hosts),
        "results_url": config.results_url,
        "previews": config.previews,
        "inbox_url": config.inbox_url,
        "public_docs": json.dumps(config.public_docs),
        "console": json.dumps(config.console),
        "public_url": config.public_url,
        "api_keys": json.dumps(config.api_keys),
        "callback_key": config.callback_key.get_secret_value(),
        "lanes": json.dumps(config.lanes),
        "lease_s": str(_longest_timeout(config, deployed) + LEASE_MARGIN_S),
        "retry_base_s": f"{config.retry_base:g}",
        "unknown_after_s": f"{config.unknown_after:g}",
        "reconcile_after_s": f"{config.reconcile_after:g}",
        "overdue_after_s": json.dumps(config.overdue_after),
        "poll_interval_s": f"{config.poll_interval:g}",
        "labels": config.labels,
        "content_producer": json.dumps(config.content_producer),
        "webhook_secrets": json.dumps(config.webhook_secrets),
        "robots": json.dumps([robot.plain() for robot in config.robots]),
        "webhook_http": json.dumps(config.webhook_http),
        "webhook_networks": json.dumps([str(network) for network in config.webhook_networks]),
    }


def _longest_timeout(config: StackConfig, deployed: Deployed) -> int:
    """Return how long an invocation may run, also one that began before this update."""
    functions = (deployed.outputs(f"{name}-function") for name in FUNCTIONS)
    return max(config.timeout, *(int(outputs.get("timeout") or 0) for outputs in functions))
