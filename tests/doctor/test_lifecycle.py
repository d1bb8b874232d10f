"""The doctor looks for lifecycle rules below the results prefix of a shared bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aigc.jobs.buckets import INPUTS, STAGING
from aigc_cli.account import Account, Answer
from aigc_cli.doctor.examinations.storage import lifecycle
from aigc_cli.doctor.patient import Patient
from infra.components.storage import LEDGER_DAYS

if TYPE_CHECKING:
    from aigc_cli.doctor.finding import Finding


@dataclass
class SharedBuckets:
    """An account whose functions use a folder of the results bucket."""

    results_rules: tuple[str, ...]
    """Prefixes of the rules of the results bucket."""

    def api(self, service: str, action: str, **_: object) -> dict[str, Any]:
        assert (service, action) == ("scf", "GetFunction")
        variable = {"Key": "AIGC_RESULTS_PREFIX", "Value": "site/"}
        return {"Environment": {"Variables": [variable]}}

    def cos(self, _: str, bucket: str, *, params: dict[str, str]) -> Answer:
        assert params == {"lifecycle": ""}
        prefixes = LEDGER_DAYS if bucket == "ledger" else self.results_rules
        rules = "".join(
            f"<Rule><Status>Enabled</Status><Filter><Prefix>{prefix}</Prefix></Filter></Rule>"
            for prefix in prefixes
        )
        return Answer(200, {}, f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>".encode())


def results_finding(*rules: str) -> Finding:
    """Examine a results bucket with lifecycle rules for these prefixes."""
    patient = Patient(
        account=cast("Account", SharedBuckets(rules)),
        buckets={"ledger": "ledger", "results": "results"},
        functions={"gateway": "gateway"},
        sub_app_id=1,
        endpoint="",
    )

    ledger, results = lifecycle(patient)

    assert ledger.level == "ok"
    return results


def test_rules_are_looked_for_below_the_results_prefix() -> None:
    both = results_finding(f"site/{INPUTS}", f"site/{STAGING}")
    whole_folder = results_finding("site/")
    elsewhere = results_finding(INPUTS, STAGING)

    assert (both.level, whole_folder.level) == ("ok", "ok")
    assert elsewhere.level != "ok"
    assert f"site/{INPUTS}" in elsewhere.seen
    assert f"site/{STAGING}" in elsewhere.seen
