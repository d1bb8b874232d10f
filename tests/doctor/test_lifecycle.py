"""The doctor looks for lifecycle rules below the results prefix of a shared bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from aigc.jobs.buckets import INPUTS, STAGING
from aigc_cli.account import Account, Answer
from aigc_cli.doctor.examinations.storage import lifecycle
from aigc_cli.doctor.patient import Patient
from infra.components.storage import LEDGER_DAYS


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


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ((f"site/{INPUTS}", f"site/{STAGING}"), []),
        (("site/",), []),
        ((INPUTS, STAGING), [f"site/{INPUTS}", f"site/{STAGING}"]),
        ((), [f"site/{INPUTS}", f"site/{STAGING}"]),
    ],
)
def test_rules_are_looked_for_below_the_results_prefix(
    rules: tuple[str, ...], missing: list[str]
) -> None:
    patient = Patient(
        account=cast("Account", SharedBuckets(rules)),
        buckets={"ledger": "ledger", "results": "results"},
        functions={"gateway": "gateway"},
        sub_app_id=1,
        endpoint="",
    )

    ledger, results = lifecycle(patient)

    assert ledger.level == "ok"
    assert (results.level == "ok") == (not missing)
    assert [prefix for prefix in missing if prefix not in results.seen] == []
