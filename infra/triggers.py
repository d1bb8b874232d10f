"""The triggers of functions, in the form that the provider and SCF require.

They are always inline in the function: the provider's TriggerConfig creates nothing
(tencentcloud_iac_pulumi 0.2.3). A change of one trigger deletes and creates all triggers of its
function. Events during the change are lost, and a Function URL changes. Therefore HTTP has its
own function, and the COS triggers seldom change.
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
    """Return the trigger of a public Function URL: the API checks keys, and VOD has no key.

    Browsers may send requests from these origins; an empty list allows none.
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
    """Return a trigger for all objects that are created in a bucket below a prefix.

    It has the name of the bucket; the provider appends the domain.
    """
    desc: dict[str, object] = {"event": "cos:ObjectCreated:*"}
    if prefix:
        desc["filter"] = {"Prefix": prefix}
    return scf.FunctionTriggerArgs(
        name=bucket, type="cos", trigger_desc=json.dumps(desc), cos_region=region
    )


def timer_trigger(name: str, cron: str) -> scf.FunctionTriggerArgs:
    """Return a trigger for a cron expression."""
    return scf.FunctionTriggerArgs(name=name, type="timer", trigger_desc=cron)


def inbox_triggers(
    rules: Rules, bucket: pulumi.Input[str], region: str
) -> Sequence[scf.FunctionTriggerArgs]:
    """Return the trigger of the inbox, for the common prefix of all rules.

    SCF refuses overlapping rules of a bucket, while upload rules may overlap: the first match
    wins. SCF compares suffixes with case, upload rules do not. SCF allows ten triggers. A single
    trigger also stays the same when a rule below the shared prefix changes.
    """
    prefix = inbox_prefix(rules)
    return [] if prefix is None else [cos_trigger(bucket, region, prefix)]


def inbox_prefix(rules: Rules) -> str | None:
    """Return the common prefix of all rules; None if there are no rules."""
    if not rules.rule:
        return None
    # Prefixes of keys are strings, not paths, so they are compared by characters.
    return os.path.commonprefix([rule.listens_on for rule in rules.rule])  # noqa: RUF071
