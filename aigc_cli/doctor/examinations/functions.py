"""The functions, their triggers and their address."""

from __future__ import annotations

import zipfile
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from aigc.diagnosis import digest
from aigc_cli.account import RefusalError
from aigc_cli.doctor.asking import MISSING, not_answered
from aigc_cli.doctor.finding import Finding, not_checked, ok, problem, warning
from aigc_cli.doctor.patient import NoDiagnosisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc_cli.doctor.patient import Patient

NEEDED: Mapping[str, tuple[str, ...]] = {
    "gateway": ("http",),
    "upload": ("cos",),
    "sweep": ("timer",),
}
"""Function → the kinds of triggers without which it is useless. API Gateway is not among them."""


def functions(patient: Patient) -> Iterator[Finding]:
    """Look whether the functions exist and run the same package."""
    sizes: dict[str, Any] = {}
    for name, physical in patient.functions.items():
        described = patient.described[name]
        if isinstance(described, RefusalError):
            if not described.code.startswith(MISSING):
                yield not_answered(name, described)
                continue
            yield problem(
                f"{name}: {physical}: {described.code}",
                "The function does not exist.",
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


def package(patient: Patient) -> Iterator[Finding]:
    """Compare the code of the functions with each other, and with the zip on this machine."""
    digests = {
        name: str(diagnosis["digest"])
        for name, diagnosis in patient.diagnoses.items()
        if not isinstance(diagnosis, NoDiagnosisError)
    }
    if len(set(digests.values())) > 1:
        listed = ", ".join(f"{name} {value[:12]}" for name, value in digests.items())
        yield warning(
            f"different code: {listed}",
            "An update has stopped half way.",
            "`make package && pulumi up`.",
        )
    elif not digests:
        yield not_checked(
            "no function says which code it runs",
            "They cannot be compared with the zip on this machine.",
            "Look at `rights` and `functions` above.",
        )
    else:
        yield _beside_local(patient, ", ".join(digests), next(iter(digests.values())))
    silent = [name for name in patient.diagnoses if name not in digests]
    if digests and silent:
        yield not_checked(
            f"{', '.join(silent)}: it is not known which code runs",
            "This was not checked: the function did not answer.",
            "Look at `rights` and `functions` above.",
        )


def _beside_local(patient: Patient, names: str, deployed: str) -> Finding:
    if patient.package is None or not patient.package.is_file():
        return ok(f"{names}: {deployed[:12]}; there is no zip here to compare it with")
    with zipfile.ZipFile(patient.package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if digest(files) == deployed:
        return ok(f"{names}: {patient.package.name}")
    return warning(
        f"deployed is {deployed[:12]}, and {patient.package.name} is {digest(files)[:12]}",
        "The deployment runs other code or other rules than the zip on this machine.",
        "`pulumi up` deploys the zip; nothing to do if you have only built it.",
    )


def triggers(patient: Patient) -> Iterator[Finding]:
    """Look whether each function has its triggers, and whether they are on."""
    for name, kinds in NEEDED.items():
        try:
            existing = patient.triggers(name)
        except RefusalError as error:
            yield not_answered(f"the triggers of {name}", error)
            continue
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
    config = patient.account.api("vod", "DescribeEventConfig", SubAppId=patient.sub_app_id)
    url = str(config.get("NotificationUrl") or "")
    if config.get("Mode") == "PUSH" and url.startswith(f"{patient.endpoint}/vod/events"):
        yield _answers(patient, url)
        return
    yield warning(
        f"VOD's mode is {config.get('Mode') or 'not set'}"
        + (", to another address" if url else ""),
        "Jobs of VOD end when the sweep or a status call asks, up to a minute later.",
        "`pulumi up` sets it if `callbackMode` is `push`. One application serves one stack only.",
    )


def _answers(patient: Patient, url: str) -> Finding:
    """Send an event that concerns no task to the callback's address, which has a secret."""
    try:
        status: object = patient.account.fetch(
            url, "POST", json={"EventType": "Doctor"}
        ).status_code
    except requests.RequestException as error:
        status = type(error).__name__
    if status == HTTPStatus.OK:
        return ok("VOD pushes the ends of tasks to this endpoint, which takes them")
    if status != HTTPStatus.UNAUTHORIZED:
        return not_checked(
            f"the callback's address answers {status}",
            "This was not checked: the endpoint neither takes the event nor refuses its key.",
            "Look at `endpoint` above, and run this again in a minute.",
        )
    return problem(
        f"the callback's address answers {status}",
        "The endpoint refuses what VOD pushes: the key in the address is an old one. Jobs of VOD"
        " end when the sweep or a status call asks.",
        "`pulumi up` sets the address with the present `callbackKey`.",
    )
