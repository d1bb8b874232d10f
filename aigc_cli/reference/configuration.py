"""The table of docs/configuration.md: every key of Pulumi.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from aigc_cli.reference.tables import table
from infra.config import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.reference.translation import Translate

PROJECT = Path(__file__).resolve().parents[2] / "Pulumi.yaml"

PROVIDER_KEYS = {
    "tencentcloud:region": (
        "ap-guangzhou",
        "The region of all resources. COS can trigger functions only in its own region.",
    ),
    "tencentcloud:domain": (
        "tencentcloudapi.com",
        "The provider's API domain; `intl.tencentcloudapi.com` for some international accounts.",
    ),
}
"""Keys of the provider → default and description. Its other keys are not for this project."""

SEE = {
    "alarmReceivers": ("Alarms", "alarms.md"),
    "apiKeys": ("Keys in the configuration", "budgets.md#keys-in-the-configuration"),
    "console": ("Console", "console.md"),
    "endpoint": ("Endpoint", "deploy.md#endpoint"),
    "gatewayConcurrency": ("What a flood can cost", "costs.md#what-a-flood-of-calls-can-cost"),
    "inboxSince": ("Uploads", "uploads.md#files-that-were-there-before-their-rule"),
    "inputBuckets": ("Inputs", "api.md#inputs"),
    "labels": ("Labels", "labels.md"),
    "lanes": ("Usual work", "operations.md#usual-work"),
    "mpsRole": ("Once for an account", "deploy.md#once-for-an-account"),
    "overdueAfter": ("Overdue tasks", "how-it-works.md#overdue-tasks"),
    "previews": ("Previews", "console.md#previews"),
    "reconcileAfter": ("When no event arrives", "uploads.md#when-no-event-arrives"),
    "resultHosts": ("Errors", "alarms.md#errors-that-ask-for-an-action"),
    "resultsPrefix": ("A shared results bucket", "deploy.md#a-shared-results-bucket"),
    "robots": ("Chat robots", "alarms.md#chat-robots"),
    "webhookSecrets": ("Webhooks", "webhooks.md"),
}
"""Key → the title and the address of a page with more about it."""


def key_table(translate: Translate) -> str:
    """Return the table of all keys, in the order of Pulumi.yaml."""
    return table(("key", "what it does"), _rows(translate), translate)


def _rows(translate: Translate) -> Iterator[tuple[str, str]]:
    for key, (default, description) in PROVIDER_KEYS.items():
        yield f"`{key}`", f"{translate(description)} {_default_text(default, translate)}"
    for key, declaration in _declarations().items():
        texts = (
            translate(declaration["description"]),
            _default(declaration, translate),
            translate("Secret.") if key in SECRETS else "",
            _see(key, translate),
        )
        yield f"`{key}`", " ".join(filter(None, texts))


def _declarations() -> dict[str, dict[str, Any]]:
    config = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))["config"]
    return {key: value for key, value in config.items() if ":" not in key}


def _default(declaration: dict[str, Any], translate: Translate) -> str:
    """Return the text for the default of a key; empty if the description explains it."""
    value = declaration.get("default")
    if value is None:
        return translate("Required.")
    text = value if isinstance(value, str) else json.dumps(value)
    return _default_text(text, translate) if text else ""


def _default_text(default: str, translate: Translate) -> str:
    return translate("Default: {}.").format(f"`{default}`")


def _see(key: str, translate: Translate) -> str:
    title, address = SEE.get(key, ("", ""))
    return f"→ [{translate(title)}]({address})" if address else ""
