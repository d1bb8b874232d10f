"""Finds triggers that are in Pulumi's state but not in SCF.

The provider (tencentcloud_iac_pulumi 0.2.3) records the triggers of a function even if SCF refused
to create them, and never reads them back. Without this check they would stay missing, since a later
`pulumi up` finds no change. The provider cannot create them later either: it deletes all recorded
triggers first, which fails for missing ones. So the function is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from tencentcloud_iac_pulumi import scf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAMESPACE = "default"

Key = tuple[str, str]
"""Type and name of a trigger, as SCF reports them."""


def lost_triggers(function: Mapping[str, Any]) -> list[str]:
    """Return the recorded triggers of a function that SCF does not report.

    Args:
        function: The outputs of the deployed function; empty if there is none.

    Returns:
        The names of the missing triggers.

    Raises:
        RunError: SCF does not report triggers: the function may have been deleted by hand.
    """
    recorded = {_key(trigger) for trigger in function.get("triggers") or ()}
    if not recorded:
        return []
    name = str(function["name"])
    try:
        live = scf.get_triggers(function_name=name, namespace=NAMESPACE).triggers or []
    except Exception as error:  # noqa: BLE001  Pulumi raises nothing more exact
        raise pulumi.RunError(
            f"The triggers of the function {name} cannot be read: {error}. If the function was"
            " deleted by hand: `pulumi stack --show-urns` shows its URN, and `pulumi state delete"
            " --target-dependents '<urn>'` lets the next `pulumi up` create it"
        ) from None
    return _names(recorded - {(trigger.type, trigger.trigger_name) for trigger in live})


def check_created(function: scf.Function) -> None:
    """Fail with advice if SCF does not report a trigger that was created."""
    pulumi.Output.all(function.name, function.triggers, function.trigger_infos, function.urn).apply(
        lambda values: _check_created(*values)
    )


def _check_created(
    name: str,
    triggers: Sequence[Mapping[str, Any]] | None,
    infos: Sequence[Mapping[str, Any]] | None,
    urn: str,
) -> pulumi.Output[None] | None:
    recorded = {_key(trigger) for trigger in triggers or ()}
    reported = {(str(info["type"]), str(info["name"])) for info in infos or ()}
    if pulumi.runtime.is_dry_run() or recorded <= reported:
        return None
    # The outputs of an unchanged function are as old as its last change.
    live = scf.get_triggers_output(function_name=name, namespace=NAMESPACE).triggers
    return live.apply(
        lambda listed: _check_missing(
            name, urn, recorded - {(trigger.type, trigger.trigger_name) for trigger in listed}
        )
    )


def _check_missing(name: str, urn: str, missing: Iterable[Key]) -> None:
    names = _names(missing)
    if names:
        raise pulumi.RunError(
            f"SCF has no trigger {', '.join(names)} of the function {name} although it was created;"
            f" `pulumi up` replaces the function, and so does `pulumi up --replace '{urn}'`"
        )


def _key(trigger: Mapping[str, Any]) -> Key:
    """Return a recorded trigger as SCF reports it; a COS trigger has the bucket's domain."""
    kind, name = str(trigger["type"]), str(trigger["name"])
    if kind == "cos":
        region = trigger.get("cosRegion") or trigger.get("cos_region")
        name = f"{name}.cos.{region}.myqcloud.com"
    return kind, name


def _names(keys: Iterable[Key]) -> list[str]:
    return sorted(f"{name} ({kind})" for kind, name in keys)
