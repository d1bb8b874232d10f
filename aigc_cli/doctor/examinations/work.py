"""The work of the deployment: lanes, the sweep, dead jobs, prices, logs and alarms."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.jobs.job import utc_now
from aigc.uploads.accounts import accounts
from aigc.uploads.deployed import as_deployed
from aigc.uploads.rules import DeployedRules
from aigc_cli.account import RefusalError
from aigc_cli.doctor.asking import ask_cos, not_answered
from aigc_cli.doctor.finding import Finding, not_checked, ok, problem, warning
from aigc_cli.keys import records as key_records
from aigc_cli.prices import load_prices
from aigc_cli.service import CallError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.doctor.patient import Patient

PRICES = Path(__file__).resolve().parents[3] / "prices.toml"
SWEEP_OVERDUE = timedelta(minutes=5)
MOST_DEAD = 1000
MOST_UPLOADS = 2000
UPLOAD_OVERDUE = timedelta(hours=1)


def sweep(patient: Patient) -> Iterator[Finding]:
    """Look when the sweep last ran."""
    lanes = _lanes(patient)
    if isinstance(lanes, Finding):
        yield lanes
        return
    finished = (lanes.get("sweep") or {}).get("finished_at")
    if finished is None:
        yield warning(
            "the sweep has not run yet",
            "Nothing continues jobs whose invocation ended early.",
            "Wait two minutes; then look at the sweep's trigger above and at its log.",
        )
        return
    age = utc_now() - datetime.fromisoformat(finished)
    if age <= SWEEP_OVERDUE:
        yield ok(f"the sweep ran {age.total_seconds():.0f} s ago")
        return
    yield problem(
        f"the sweep last ran at {finished}",
        "Waiting jobs may not start, and jobs whose invocation died stand still.",
        "Look at the sweep's trigger above and at its log.",
    )


def lanes(patient: Patient) -> Iterator[Finding]:
    """Look whether a lane is paused or slow."""
    answer = _lanes(patient)
    if isinstance(answer, Finding):
        yield answer
        return
    for lane in answer["lanes"]:
        paused = lane.get("paused")
        if paused:
            yield problem(
                f"{lane['name']} is paused: {paused.get('code')}: {paused.get('message')}",
                "The vendor refused the account, not a task. Waiting jobs stay and continue by"
                " themselves once the account works again.",
                "Correct the cause that the code names: arrears, a permission, a service that is"
                " not activated.",
            )
        elif lane["limit_now"] < lane["limit"]:
            yield warning(
                f"{lane['name']}: {lane['limit_now']} of {lane['limit']} slots",
                "The vendor had no capacity a short while ago; the lane recovers by itself.",
                "Lower the lane's limit if this stays so, or ask Tencent to raise yours.",
            )
        else:
            yield ok(f"{lane['name']}: {lane['in_use']} run, {lane['waiting']} wait")


def _lanes(patient: Patient) -> dict[str, Any] | Finding:
    if patient.service is None:
        return not_checked(
            "no API key is known",
            "This was not checked: it is read by the API.",
            "Give --key, or set AIGC_API_KEY.",
        )
    try:
        answer: dict[str, Any] = patient.service.get("/v1/lanes")
    except UnreachableError as error:
        return not_answered("", error)
    except CallError as error:
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return not_checked(
                str(error),
                "This was not checked: the API refused the call.",
                "Give a valid key with --key or AIGC_API_KEY; with 429, run this again in a"
                " minute.",
            )
        return problem(str(error), "The API fails.", "Look at the gateway's log.")
    return answer


def dead(patient: Patient) -> Iterator[Finding]:
    """Count the jobs that failed through no fault of their callers."""
    query = {"prefix": "dead/", "max-keys": str(MOST_DEAD)}
    answer = ask_cos(patient.account, "GET", patient.buckets["ledger"], query)
    count = answer.body.count(b"<Key>")
    if not count:
        yield ok("no dead jobs")
        return
    number = f"{count} or more" if count == MOST_DEAD else str(count)
    yield warning(
        f"{number} dead jobs",
        "They failed through no fault of their callers, and are kept until they are replayed.",
        "`aigc jobs dead` lists them, `aigc jobs replay` runs them again.",
    )


def uploads(patient: Patient) -> Iterator[Finding]:
    """Look for uploads that have neither a job nor a reason, though the sweep should know them."""
    runtime = as_deployed(patient.deployment.runtime())
    rules, long_ago = runtime.memory.of(DeployedRules).rules, utc_now() - UPLOAD_OVERDUE
    listed = list(islice(accounts(rules, runtime), MOST_UPLOADS))
    number = f"{len(listed)}{' or more' if len(listed) == MOST_UPLOADS else ''} objects"
    waiting = [
        account
        for account in listed
        if account.outcome == "pending" and account.listed.modified < long_ago
    ]
    if not waiting:
        without = sum(account.outcome == "none" for account in listed)
        yield ok(f"{number} in the inbox, {without} of them without a job for a stated reason")
        return
    yield problem(
        f"{len(waiting)} of {number} in the inbox have no job and no reason:"
        f" {waiting[0].listed.key}",
        "Neither their event nor the sweep has processed them for an hour.",
        "Look at upload's trigger and at the sweep above; `aigc backfill` processes them.",
    )


def prices(patient: Patient) -> Iterator[Finding]:
    """Look whether prices are known where budgets and ceilings need them."""
    table = load_prices(PRICES)
    if table.price:
        yield ok("prices.toml has prices")
        return
    budgets = [
        record.name
        for record in key_records(patient.deployment.open_ledger())
        if record.limits.budget_per_month is not None and record.revoked_at is None
    ]
    ceilings = [ceiling.name for ceiling in table.ceiling if ceiling.money is not None]
    if budgets or ceilings:
        yield problem(
            "prices.toml has no prices, and these need them: "
            + ", ".join([*(f"key {name}" for name in budgets), *ceilings]),
            "Every call with such a key is refused; jobs that such a ceiling counts wait.",
            "Add the prices of your contract, then `make package && pulumi up`.",
        )
        return
    yield warning(
        "prices.toml has no prices",
        "Usage shows no cost, and keys and rules with a budget in money are refused.",
        "Add the prices of your contract, then `make package && pulumi up`.",
    )


def logs(patient: Patient) -> Iterator[Finding]:
    """Look whether the functions write logs to a topic that exists."""
    for name in patient.functions:
        try:
            yield _log(patient, name)
        except RefusalError as error:
            yield not_answered(f"the log of {name}", error)


def _log(patient: Patient, name: str) -> Finding:
    topic = patient.description(name).get("ClsTopicId")
    if not topic:
        return warning(
            f"{name} writes no log to CLS",
            "A failure cannot be explained later, and alarms on log lines cannot fire.",
            "Set `logs` to `true` and run `pulumi up`.",
        )
    filters = [{"Key": "topicId", "Values": [topic]}]
    found = patient.account.api("cls", "DescribeTopics", Filters=filters)["Topics"]
    if found:
        return ok(f"{name} writes its log to a topic that is kept {found[0].get('Period')} days")
    return problem(
        f"{name} writes to the topic {topic}, which does not exist",
        "Its log is lost.",
        "`pulumi up`, or choose another topic in the SCF console.",
    )


def alarms(patient: Patient) -> Iterator[Finding]:
    """Look whether alarms report failures."""
    prefix = patient.functions["sweep"].removesuffix("sweep")
    policies = patient.account.api("cls", "DescribeAlarms", Limit=100)["Alarms"]
    own = [policy for policy in policies if str(policy["Name"]).startswith(prefix)]
    if own and prefix:
        yield ok(f"{len(own)} alarms on log lines")
    elif policies:
        yield ok(f"{len(policies)} alarms on log lines in the account")
    else:
        yield warning(
            "no alarms",
            "No message is sent when jobs fail, a lane is paused, or the sweep stops.",
            "Set `alarmReceivers` or `robots`, and run `pulumi up`.",
        )
