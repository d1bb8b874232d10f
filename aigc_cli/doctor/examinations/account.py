"""The account: its credentials, services, roles and clock."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from aigc_cli.account import RefusalError
from aigc_cli.doctor.asking import BAD_KEY, DENIED, MISSING, is_undecided, not_answered
from aigc_cli.doctor.finding import Finding, not_checked, ok, problem, warning
from aigc_cli.doctor.patient import NoDiagnosisError
from infra.permissions import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc_cli.account import Account
    from aigc_cli.doctor.finding import Subject
    from aigc_cli.doctor.patient import Patient

MPS_ROLE = "MPS_QcsRole"
READ, LIST = "name/cos:GetObject", "name/cos:GetBucket"
SKEW_S = 30
"""A signature may be five minutes old, and leases have a margin of seconds."""

NOT_ACTIVATED = ("FailedOperation.InvalidVodUser", "ResourceNotFound.UserNotExist")
CONSOLE = "https://console.cloud.tencent.com"


def credentials(patient: Subject) -> Iterator[Finding]:
    """Look whether the owner's key is valid."""
    try:
        yield ok(f"the key belongs to the account {patient.account.app_id}")
    except RefusalError as error:
        if not error.code.startswith(BAD_KEY) or error.code.startswith(DENIED):
            raise
        yield problem(
            str(error),
            "The key of TENCENTCLOUD_SECRET_ID is wrong or has expired.",
            f"Make a new key at {CONSOLE}/cam/capi, or renew the temporary one.",
        )


def clock(patient: Patient) -> Iterator[Finding]:
    """Compare this machine's clock with COS's."""
    yield from clock_beside(patient.account, patient.buckets["ledger"])


def clock_beside(account: Account, bucket: str) -> Iterator[Finding]:
    """Compare this machine's clock with COS's, by any bucket: a missing one has a Date too."""
    date = account.cos("HEAD", bucket).headers.get("Date")
    if date is None:
        yield not_checked(
            "COS sent no Date",
            "This was not checked: the header has COS's time.",
            "Run this again in a minute.",
        )
        return
    skew = (datetime.now(timezone.utc) - parsedate_to_datetime(date)).total_seconds()
    if abs(skew) <= SKEW_S:
        yield ok(f"this machine is {skew:+.0f} s from COS's clock")
        return
    yield warning(
        f"this machine is {skew:+.0f} s from COS's clock",
        "Commands of this machine that write the ledger would take living leases for dead ones;"
        " beyond five minutes the cloud refuses its signatures.",
        "Let the machine set its clock by NTP.",
    )


def vod(patient: Patient) -> Iterator[Finding]:
    """Look whether VOD is activated and the stack's application is in use."""
    listed = applications(patient.account)
    if isinstance(listed, Finding):
        yield listed
        return
    states = {item["SubAppId"]: item["Status"] for item in listed}
    state = states.get(patient.sub_app_id)
    if state == "On":
        yield ok(f"VOD is activated, the application {patient.sub_app_id} is on")
        return
    yield problem(
        f"the application {patient.sub_app_id} is {state or 'missing'}",
        "Every task of vod.image and vod.scene_image is refused.",
        "Switch it on in the VOD console, or set `subAppId` to another one and run `pulumi up`.",
    )


def applications(account: Account) -> list[dict[str, Any]] | Finding:
    """List the applications of VOD, or say why VOD does not."""
    try:
        listed: list[dict[str, Any]] = account.api("vod", "DescribeSubAppIds")["SubAppIdInfoSet"]
    except RefusalError as error:
        if is_undecided(error):
            return not_answered("the applications", error)
        is_missing = error.code in NOT_ACTIVATED
        return problem(
            str(error),
            "VOD is not activated for this account."
            if is_missing
            else "VOD refuses the account: it may be in arrears.",
            f"Activate VOD at {CONSOLE}/vod." if is_missing else f"Look at {CONSOLE}/expense.",
        )
    return listed


def mps(patient: Subject) -> Iterator[Finding]:
    """Look whether MPS answers; the question for a missing task costs nothing."""
    seen = "a task that cannot exist"
    try:
        patient.account.api("mps", "DescribeAigcImageTask", TaskId="4-AigcImage-" + "0" * 32)
    except RefusalError as error:
        if error.code.startswith(("ResourceNotFound", "InvalidParameter")):
            yield ok("MPS answers")
            return
        if is_undecided(error):
            raise
        seen = error.code
    yield problem(
        f"MPS answered {seen}",
        "Tasks of mps.image may be refused: MPS is not activated, or the account is in arrears.",
        f"Activate MPS at {CONSOLE}/mps, and look at {CONSOLE}/expense.",
    )


def mps_role(patient: Patient) -> Iterator[Finding]:
    """Look whether MPS may write to the results bucket."""
    try:
        info = patient.account.api("cam", "GetRole", RoleName=MPS_ROLE)["RoleInfo"]
    except RefusalError as error:
        if not error.code.startswith(MISSING):
            raise
        yield problem(
            f"{MPS_ROLE}: {error.code}",
            "MPS cannot store images in your bucket: every task of mps.image is refused.",
            "Set `mpsRole` to `create` and run `pulumi up`, or create the role in the MPS console.",
        )
        return
    if "mps.cloud.tencent.com" in info["PolicyDocument"]:
        yield ok(f"{MPS_ROLE} trusts MPS")
        return
    yield problem(
        f"{MPS_ROLE} does not trust mps.cloud.tencent.com",
        "MPS cannot use the role: every task of mps.image is refused.",
        "Add the service to the role's trust policy in the CAM console.",
    )


def roles(patient: Patient) -> Iterator[Finding]:
    """Compare the policies of the functions' roles with those that this version needs."""
    reach = patient.reach
    for name, policy in POLICIES.items():
        try:
            role = str(patient.description(name).get("Role") or "")
            yield _role(patient, name, role, json.loads(policy(reach)))
        except RefusalError as error:
            yield not_answered(f"the role of {name}", error)


def rights(patient: Patient) -> Iterator[Finding]:
    """Let each function try the actions of its role that cost nothing."""
    for name, diagnosis in patient.diagnoses.items():
        if isinstance(diagnosis, NoDiagnosisError):
            yield not_checked(
                f"{name}: {diagnosis}",
                "The function cannot try its role: the policies above are all that is known.",
                "Look at the function below; the key needs scf:Invoke. An older version answers"
                " after the next `pulumi up`.",
            )
            continue
        grants = _grants(json.loads(POLICIES[name](patient.reach)))
        needed = [item for item in diagnosis["actions"] if is_needed(item, grants, patient.buckets)]
        yield from _rights(name, needed)


def _rights(name: str, needed: list[dict[str, str]]) -> Iterator[Finding]:
    denied = [item for item in needed if item["outcome"] == "denied"]
    unclear = [item for item in needed if item["outcome"] == "unclear"]
    if denied:
        yield problem(
            f"{name} may not: {_listed(denied)}",
            "The cloud denies these actions to the function, whatever its policies say.",
            "`pulumi up` writes the role's policy again; a policy that denies goes before it.",
        )
    if unclear:
        yield not_checked(
            f"{name} got no clear answer: {_listed(unclear)}",
            "The codes say neither that the actions are allowed nor that they are denied.",
            "Look at the account above: VOD or MPS is not activated, or in arrears.",
        )
    if not denied and not unclear:
        yield ok(f"{name} may carry out all {len(needed)} actions that it tried")


def is_needed(
    item: dict[str, str], grants: set[tuple[str, str]], buckets: Mapping[str, str]
) -> bool:
    """Whether a policy grants an action that was tried, on its bucket if it is COS's.

    A read of a missing object may be denied without the right to list its bucket: then the denial
    says nothing.
    """
    place = f":{buckets[item['on']]}/" if item["on"] else ""
    needed = {item["action"]} | ({LIST} if item["action"] == READ else set())
    granted = {action for action, resource in grants if place in resource}
    return needed <= granted


def _listed(items: list[dict[str, str]]) -> str:
    return ", ".join(
        f"{item['action'].removeprefix('name/')}{' on the ' + item['on'] if item['on'] else ''}"
        f" ({item['code']})"
        for item in items
    )


def _role(patient: Patient, name: str, role: str, needed: dict[str, Any]) -> Finding:
    try:
        granted = _granted(patient, role)
    except RefusalError as error:
        if not error.code.startswith(MISSING):
            raise
        return problem(
            f"{name}: the role {role!r}: {error.code}",
            "The function has no credentials: everything that it does fails.",
            "`pulumi up` creates the role again.",
        )
    missing = sorted(_grants(needed) - granted)
    if not missing:
        return ok(f"{name}: its role grants all {len(_grants(needed))} actions")
    listed = ", ".join(f"{action} on {resource}" for action, resource in missing[:3])
    return problem(
        f"{name}: its role lacks {len(missing)} grants: {listed}",
        "Such calls are denied. A denied call to the vendor pauses the lane.",
        "`pulumi up` writes the policy again.",
    )


def _granted(patient: Patient, role: str) -> set[tuple[str, str]]:
    attached = patient.account.api(
        "cam", "ListAttachedRolePolicies", RoleName=role, Page=1, Rp=200
    )["List"]
    grants: set[tuple[str, str]] = set()
    for policy in attached:
        document = patient.account.api("cam", "GetPolicy", PolicyId=policy["PolicyId"])
        grants |= _grants(json.loads(document["PolicyDocument"]))
    return grants


def _grants(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in document.get("statement", [])
        if statement["effect"] == "allow"
        for action in statement["action"]
        for resource in statement["resource"]
    }
