"""The buckets and their settings."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from aigc_cli.doctor.finding import Finding, ok, problem, warning
from infra.components.storage import LEDGER_DAYS, RESULTS_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc_cli.doctor.patient import Patient

FOUND = 200


def buckets(patient: Patient) -> Iterator[Finding]:
    """Look whether the three buckets and those of callers' inputs exist."""
    inputs = {
        f"inputBuckets[{number}]": name for number, name in enumerate(patient.reach.input_buckets)
    }
    for role, name in {**patient.buckets, **inputs}.items():
        answer = patient.account.cos("HEAD", name)
        if answer.status == FOUND:
            yield ok(f"{role}: {name}")
        else:
            yield problem(
                f"{role}: {name} answers {answer.status}",
                "The functions cannot work without this bucket, or the key may not read it.",
                "`pulumi up` creates a bucket that is missing; its content is lost.",
            )


def versioning(patient: Patient) -> Iterator[Finding]:
    """Look whether the ledger is versioned, or was."""
    answer = patient.account.cos("GET", patient.buckets["ledger"], params={"versioning": ""})
    if b"<Status>" not in answer.body:
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
    below = patient.settings("gateway").get("AIGC_RESULTS_PREFIX", "")
    in_results = {below + folder: days for folder, days in RESULTS_DAYS.items()}
    yield _lifecycle(patient, "results", in_results)


def _lifecycle(patient: Patient, role: str, needed: Mapping[str, int]) -> Finding:
    bucket = patient.buckets[role]
    answer = patient.account.cos("GET", bucket, params={"lifecycle": ""})
    rules = _rules(answer.body) if answer.status == FOUND else {}
    missing = {
        prefix: days for prefix, days in needed.items() if not prefix.startswith(tuple(rules))
    }
    if not missing:
        return ok(f"{role}: lifecycle rules for {', '.join(needed)}")
    return warning(
        f"{role}: no lifecycle rule for {', '.join(missing)}",
        "What lies below these prefixes stays for ever and costs storage.",
        "Add the rules in the COS console, or let the doctor add them (--fix).",
        lambda: _put_rules(patient, bucket, answer.body, missing),
    )


def _rules(document: bytes) -> dict[str, str]:
    """Return the days of the enabled rules by their prefixes."""
    return {
        rule.findtext(".//Prefix") or "": rule.findtext(".//Days") or ""
        for rule in ET.fromstring(document).iter("Rule")
        if rule.findtext("Status") == "Enabled"
    }


def _put_rules(patient: Patient, bucket: str, document: bytes, missing: Mapping[str, int]) -> None:
    """Add rules to those that the bucket has."""
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
    patient.account.cos(
        "PUT", bucket, params={"lifecycle": ""}, headers={"Content-MD5": digest}, body=body
    )


def cors(patient: Patient) -> Iterator[Finding]:
    """Look whether browsers may use presigned links."""
    without = {
        "results": "Browsers cannot upload inputs or read results by presigned links.",
        "inbox": "Browsers cannot upload into the inbox by presigned links.",
    }
    for role, consequence in without.items():
        answer = patient.account.cos("GET", patient.buckets[role], params={"cors": ""})
        if answer.status == FOUND:
            yield ok(f"the {role} bucket has CORS rules")
            continue
        yield warning(
            f"the {role} bucket has no CORS rules",
            consequence,
            "Set `corsOrigins` and run `pulumi up`; leave it if no browser uses this deployment.",
        )
