"""The functions, their triggers and their address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from ops.account import RefusalError
from ops.doctor.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.doctor.patient import Patient

NEEDED: Mapping[str, tuple[str, ...]] = {
    "gateway": ("http",),
    "upload": ("cos",),
    "sweep": ("timer",),
}
"""Function → the kinds of triggers without which it is useless. API Gateway is not among them."""

HEALTH_S = 30


def functions(patient: Patient) -> Iterator[Finding]:
    """Look whether the functions exist and run the same package."""
    sizes: dict[str, Any] = {}
    for name, physical in patient.functions.items():
        described = patient.described[name]
        if isinstance(described, RefusalError):
            yield problem(
                f"{name}: {physical}: {described.code}",
                "The function does not exist, or the key may not read it.",
                "`pulumi state delete --target-dependents '<urn>'`, then `pulumi up`.",
            )
            continue
        sizes[name] = described["CodeSize"]
        if described["Status"] == "Active":
            yield ok(f"{name}: active, {described['Runtime']}, {described['Timeout']} s")
        else:
            yield problem(
                f"{name}: {described['Status']}",
                "SCF does not run the function.",
                "Wait a minute and look again; then look at the function in the SCF console.",
            )
    if len(set(sizes.values())) > 1:
        yield warning(
            f"packages of {sizes} bytes",
            "The functions run different versions: an update has stopped half way.",
            "`make package && pulumi up`.",
        )


def triggers(patient: Patient) -> Iterator[Finding]:
    """Look whether each function has its triggers, and whether they are on."""
    for name, kinds in NEEDED.items():
        existing = patient.triggers(name)
        if name == "gateway" and any(trigger["Type"] == "apigw" for trigger in existing):
            kinds = ()  # noqa: PLW2901  its address is API Gateway's
        missing = set(kinds) - {trigger["Type"] for trigger in existing}
        for kind in sorted(missing):
            yield problem(
                f"{name}: no {kind} trigger",
                "Nothing invokes the function. The provider never notices a lost trigger.",
                "`pulumi up`: the program compares the triggers and replaces the function.",
            )
        for trigger in existing:
            yield _trigger(patient, name, trigger)


def _trigger(patient: Patient, name: str, trigger: Mapping[str, Any]) -> Finding:
    title = f"{name}: {trigger['Type']} trigger {trigger['TriggerName']}"
    if trigger["Enable"]:
        return ok(f"{title} is on")
    return problem(
        f"{title} is off",
        "Nothing invokes the function by this trigger.",
        "Switch it on in the SCF console, or let the doctor do it (--fix).",
        lambda: patient.account.api(
            "scf",
            "UpdateTrigger",
            FunctionName=patient.functions[name],
            TriggerName=trigger["TriggerName"],
            Type=trigger["Type"],
            Enable="OPEN",
        ),
    )


def endpoint(patient: Patient) -> Iterator[Finding]:
    """Call the endpoint as anybody can."""
    try:
        answer = patient.account.fetch(f"{patient.endpoint}/health")
    except requests.RequestException as error:
        yield problem(
            f"{patient.endpoint}: {type(error).__name__}",
            "The endpoint does not answer from here.",
            "Look at the gateway's trigger above, and at the network of this machine.",
        )
        return
    if answer.ok:
        yield ok(f"{patient.endpoint} answers")
        return
    yield problem(
        f"{patient.endpoint}/health answers {answer.status_code}: {answer.text[:100]}",
        "The gateway fails before it reads a request: wrong configuration, or no instances.",
        "Look at the gateway's log.",
    )


def callback(patient: Patient) -> Iterator[Finding]:
    """Look whether VOD pushes the ends of tasks to this deployment."""
    try:
        config = patient.account.api("vod", "DescribeEventConfig", SubAppId=patient.sub_app_id)
    except RefusalError as error:
        yield Finding(level="unknown", seen=f"VOD's event settings: {error.code}")
        return
    url = str(config.get("NotificationUrl") or "")
    if config.get("Mode") == "PUSH" and url.startswith(f"{patient.endpoint}/vod/events"):
        yield ok("VOD pushes the ends of tasks to this endpoint")
        return
    yield warning(
        f"VOD's mode is {config.get('Mode') or 'not set'}"
        + (", to another address" if url else ""),
        "Jobs of VOD end when the sweep or a status call asks, up to a minute later.",
        "`pulumi up` sets it if `callbackMode` is `push`. One application serves one stack only.",
    )
