"""The triggers of functions, described as the provider and SCF want them.

Always inline in the function: the provider's TriggerConfig creates nothing
(tencentcloud_iac_pulumi 0.2.3). Whoever edits one trigger of a function has all of them deleted
and created anew, events in between are lost and a Function URL changes: hence one function for
HTTP, and COS rules that seldom change.
"""

from __future__ import annotations

import json
import os.path
from typing import TYPE_CHECKING

from tencentcloud_iac_pulumi import scf

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from aigc.rules import Rules

CORS_HEADERS = (
    *("authorization", "content-type", "idempotency-key", "last-event-id", "prefer"),
    *("x-fal-queue-priority", "x-fal-request-timeout", "x-fal-runner-hint"),
)
"""What browsers may send; for Authorization `*` would not do."""


def http_trigger(origins: Sequence[str]) -> scf.FunctionTriggerArgs:
    """Open a Function URL to everybody: the API checks its keys itself, and VOD has none.

    Browsers are let in from these origins; from none where there are none.
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
    """Tell a function of every object created in a bucket, under a prefix.

    The name is the bucket's, bare: the provider makes a domain of it.
    """
    desc: dict[str, object] = {"event": "cos:ObjectCreated:*"}
    if prefix:
        desc["filter"] = {"Prefix": prefix}
    return scf.FunctionTriggerArgs(
        name=bucket, type="cos", trigger_desc=json.dumps(desc), cos_region=region
    )


def timer_trigger(name: str, cron: str) -> scf.FunctionTriggerArgs:
    """Invoke a function at each moment of a cron expression."""
    return scf.FunctionTriggerArgs(name=name, type="timer", trigger_desc=cron)


def inbox_triggers(
    rules: Rules, bucket: pulumi.Input[str], region: str
) -> Sequence[scf.FunctionTriggerArgs]:
    """Listen on the inbox, once, for whatever any rule may want.

    One trigger and not one a rule. SCF refuses rules of a bucket that overlap, while ours may:
    the first that fits wins. It compares suffixes by case, ours do not. It allows ten triggers.
    And one trigger stays as it is when a rule is edited under the same prefix.
    """
    prefix = inbox_prefix(rules)
    return [] if prefix is None else [cos_trigger(bucket, region, prefix)]


def inbox_prefix(rules: Rules) -> str | None:
    """Return what the prefixes of all rules have in common; None without rules."""
    if not rules.rule:
        return None
    # Prefixes of keys are strings and no paths: character by character is right.
    return os.path.commonprefix([rule.prefix for rule in rules.rule])  # noqa: RUF071
