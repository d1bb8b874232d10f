"""The buckets and their settings."""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from aigc_cli.account import RefusalError
from aigc_cli.doctor.asking import bucket_exists, bucket_setting, not_answered
from aigc_cli.doctor.finding import Finding, ok, problem, warning
from infra.components.storage import LEDGER_DAYS, RESULTS_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc_cli.doctor.patient import Patient


def buckets(patient: Patient) -> Iterator[Finding]:
    """Look whether the three buckets and those of callers' inputs exist."""
    for role, name in patient.buckets.items():
        yield _bucket(patient, role, name)
    for number, name in enumerate(patient.input_buckets):
        yield _bucket(patient, f"inputBuckets[{number}]", name)


def _bucket(patient: Patient, role: str, name: str) -> Finding:
    try:
        if bucket_exists(patient.account, name):
            return ok(f"{role}: {name}")
    except RefusalError as error:
        return not_answered(role, error)
    return problem(
        f"{role}: {name} does not exist",
        "The functions cannot work without this bucket.",
        "`pulumi up` creates a bucket that is missing; its content is lost.",
    )


def versioning(patient: Patient) -> Iterator[Finding]:
    """Look whether the ledger is versioned, or was."""
    document = bucket_setting(patient.account, patient.buckets["ledger"], "versioning")
    if b"<Status>" not in (document or b""):
        yield ok("the ledger was never versioned")
        return
    yield problem(
        "the ledger has versioning, or had it",
        "COS ignores create-if-absent on such a bucket; the sweep refuses to work with it.",
        "Deploy a new stack with another `namePrefix`; versioning cannot be undone.",
    )


def lifecycle(patient: Patient) -> Iterator[Finding]:
    """Look whether the rules exist that remove what is no longer needed."""
    yield _lifecycle(patient, "ledger", LEDGER_DAYS)
    try:
        below = patient.settings("gateway").get("AIGC_RESULTS_PREFIX", "")
    except RefusalError as error:
        yield not_answered("results: the results prefix", error)
        return
    in_results = {below + folder: days for folder, days in RESULTS_DAYS.items()}
    yield _lifecycle(patient, "results", in_results)


def _lifecycle(patient: Patient, role: str, needed: Mapping[str, int]) -> Finding:
    bucket = patient.buckets[role]
    try:
        document = bucket_setting(patient.account, bucket, "lifecycle") or b""
    except RefusalError as error:
        return not_answered(role, error)
    rules = _rules(document) if document else {}
    missing = {
        prefix: days for prefix, days in needed.items() if not prefix.startswith(tuple(rules))
    }
    if not missing:
        return ok(f"{role}: lifecycle rules for {', '.join(needed)}")
    return warning(
        f"{role}: no lifecycle rule for {', '.join(missing)}",
        "What lies below these prefixes stays for ever and costs storage.",
        "Add the rules in the COS console, or let the doctor add them (--fix).",
        lambda: _put_rules(patient, bucket, document, missing),
    )


def _rules(document: bytes) -> dict[str, str]:
    """Return the days of the enabled rules by their prefixes."""
    return {
        rule.findtext(".//Prefix") or "": rule.findtext(".//Days") or ""
        for rule in ET.fromstring(document).iter("Rule")
        if rule.findtext("Status") == "Enabled"
    }


def _put_rules(patient: Patient, bucket: str, document: bytes, missing: Mapping[str, int]) -> None:
    """Add rules to those that the bucket has.

    Raises:
        RefusalError: COS does not take them.
    """
    existing = document.decode().partition("<Rule>")
    kept = f"<Rule>{existing[2].partition('</LifecycleConfiguration>')[0]}" if existing[1] else ""
    added = "".join(
        f"<Rule><ID>old-{prefix.strip('./').replace('/', '-')}</ID><Filter><Prefix>{prefix}"
        f"</Prefix></Filter><Status>Enabled</Status><Expiration><Days>{days}</Days></Expiration>"
        "</Rule>"
        for prefix, days in missing.items()
    )
    body = f"<LifecycleConfiguration>{kept}{added}</LifecycleConfiguration>".encode()
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    answer = patient.account.cos(
        "PUT", bucket, params={"lifecycle": ""}, headers={"Content-MD5": digest}, body=body
    )
    if answer.status != HTTPStatus.OK:
        raise RefusalError(f"PUT {bucket}?lifecycle", str(answer))


def cors(patient: Patient) -> Iterator[Finding]:
    """Look whether browsers may use presigned links."""
    without = {
        "results": "Browsers cannot upload inputs or read results by presigned links.",
        "inbox": "Browsers cannot upload into the inbox by presigned links.",
    }
    for role, consequence in without.items():
        try:
            document = bucket_setting(patient.account, patient.buckets[role], "cors")
        except RefusalError as error:
            yield not_answered(role, error)
            continue
        if document is not None:
            yield ok(f"the {role} bucket has CORS rules")
            continue
        yield warning(
            f"the {role} bucket has no CORS rules",
            consequence,
            "Set `corsOrigins` and run `pulumi up`; leave it if no browser uses this deployment.",
        )
