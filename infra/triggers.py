"""The triggers of functions, in the form that the provider and SCF require.

They are always inline in the function: the provider's TriggerConfig creates nothing
(tencentcloud_iac_pulumi 0.2.3). A change of one trigger deletes and creates all triggers of its
function. Events in between are lost and a Function URL changes. Therefore HTTP has a function of
its own, and the COS rules seldom change.
"""

from __future__ import annotations

import json
import os.path
from typing import TYPE_CHECKING

from tencentcloud_iac_pulumi import scf

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from aigc.uploads.rules import Rules

CORS_HEADERS = (
    *("authorization", "content-type", "idempotency-key", "last-event-id", "prefer"),
    *("mcp-method", "mcp-name", "mcp-protocol-version"),
    *("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference"),
    *("x-fal-queue-priority", "x-fal-request-timeout", "x-fal-runner-hint"),
)
"""Headers that browsers may send. `*` does not include Authorization."""


def http_trigger(origins: Sequence[str]) -> scf.FunctionTriggerArgs:
    """Return the trigger of a public Function URL. The API checks keys itself, and VOD has none.

    Browsers may call from these origins; an empty list allows none.
    """
    desc: dict[str, object] = {
        "AuthType": "NONE",
        "NetConfig": {"EnableIntranet": False, "EnableExtranet": True},
    }
    if origins:
        desc["CorsConfig"] = {
            "Enable": True,
            "Origins": list(origins),
            "Methods": ["GET", "POST", "PUT"],
            "Headers": list(CORS_HEADERS),
            "ExposeHeaders": ["*"],
            "MaxAge": 600,
            "Credentials": False,
        }
    return scf.FunctionTriggerArgs(name="url", type="http", trigger_desc=json.dumps(desc))


def cos_trigger(
    bucket: pulumi.Input[str], region: str, prefix: str = ""
) -> scf.FunctionTriggerArgs:
    """Return a trigger for every object that is created in a bucket, under a prefix.

    Its name is the bucket's: the provider appends the domain.
    """
    desc: dict[str, object] = {"event": "cos:ObjectCreated:*"}
    if prefix:
        desc["filter"] = {"Prefix": prefix}
    return scf.FunctionTriggerArgs(
        name=bucket, type="cos", trigger_desc=json.dumps(desc), cos_region=region
    )


def timer_trigger(name: str, cron: str) -> scf.FunctionTriggerArgs:
    """Return a trigger that fires by a cron expression."""
    return scf.FunctionTriggerArgs(name=name, type="timer", trigger_desc=cron)


def inbox_triggers(
    rules: Rules, bucket: pulumi.Input[str], region: str
) -> Sequence[scf.FunctionTriggerArgs]:
    """Return the trigger of the inbox, for the prefix that all rules share.

    SCF refuses overlapping rules of a bucket, while upload rules may overlap: the first match
    wins. SCF compares suffixes with case, upload rules do not. SCF allows ten triggers. A single
    trigger also stays the same when a rule below the shared prefix changes.
    """
    prefix = inbox_prefix(rules)
    return [] if prefix is None else [cos_trigger(bucket, region, prefix)]


def inbox_prefix(rules: Rules) -> str | None:
    """Return what the prefixes of all rules have in common; None without rules."""
    if not rules.rule:
        return None
    # Prefixes of keys are strings and no paths: character by character is right.
    return os.path.commonprefix([rule.prefix for rule in rules.rule])  # noqa: RUF071
