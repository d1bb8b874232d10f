"""`aigc doctor`: each test breaks one thing of a running local deployment."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from rich.console import Console

from aigc.api.keys import Limits
from aigc.jobs.job import utc_now
from aigc_cli import cli, keys
from aigc_cli.account import Account, Answer, RefusalError
from aigc_cli.connection import connection_file
from aigc_cli.doctor.asking import not_answered
from aigc_cli.doctor.examinations import EXAMINATIONS, storage, work
from aigc_cli.doctor.examinations.account import LIST, MPS_ROLE, READ, clock, is_needed
from aigc_cli.doctor.finding import problem
from aigc_cli.doctor.main import repair
from aigc_cli.doctor.patient import INPUT_BUCKETS, Patient, of_connection
from aigc_cli.local_stack import local_stack
from aigc_cli.reference.headings import anchors
from aigc_cli.service import UnreachableError
from tests.doctor.failing import WAYS, Calls
from tests.e2e.stack import wait_for
from tests.pages import page as page_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aigc_cli.local_stack import LocalStack

USUAL = {("prices", "warning"), ("alarms", "warning")}
"""Findings of a healthy local deployment: it has no prices and no receivers of alarms."""
MOST_QUESTIONS = 15
"""The doctor sends at least as many different requests."""


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with local_stack(speed=30, timeout_s=10) as stack:
        patient = of_connection(stack.connection)
        ledger = patient.buckets["ledger"]
        wait_for(lambda: patient.account.cos("GET", ledger, "sweep/state.json").status == 200)
        yield stack


@pytest.fixture
def patient(stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    connection_file().write_text(json.dumps(stack.connection))
    return of_connection(stack.connection)


@pytest.fixture
def doctor(patient: Patient, capsys: pytest.CaptureFixture[str]) -> Any:
    del patient  # it is announced to the command

    def run(*options: str) -> tuple[int, list[dict[str, Any]]]:
        status = cli.main(["doctor", "--json", *options])
        return status, json.loads(capsys.readouterr().out)

    return run


def unusual(findings: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(item["name"], item["level"]) for item in findings if item["level"] != "ok"} - USUAL


def wait_for_a_sweep(doctor: Any) -> None:
    for _ in range(60):
        if not any(item["name"] == "sweep" and item["level"] != "ok" for item in doctor()[1]):
            return
    pytest.fail("the sweep never ran")


def test_a_healthy_deployment_has_no_problem(doctor: Any) -> None:
    wait_for_a_sweep(doctor)

    status, findings = doctor()

    assert status == 0
    assert unusual(findings) == set()
    assert [name for name, _ in _grouped(findings)] == [item.name for item in EXAMINATIONS]


def _grouped(findings: list[dict[str, Any]]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for item in findings:
        counts[item["name"]] = counts.get(item["name"], 0) + 1
    return list(counts.items())


@contextlib.contextmanager
def changed_connection() -> Iterator[dict[str, Any]]:
    """Yield the connection of the local cloud, and write it back as it is then."""
    connection = json.loads(connection_file().read_text())
    yield connection
    connection_file().write_text(json.dumps(connection))


def sweep_timer(patient: Patient) -> dict[str, str]:
    """Return the parameters that name the timer of the sweep."""
    [trigger] = patient.triggers("sweep")
    return {
        "FunctionName": patient.functions["sweep"],
        "TriggerName": trigger["TriggerName"],
        "Type": "timer",
    }


@contextlib.contextmanager
def no_sweeps(patient: Patient, doctor: Any) -> Iterator[None]:
    """Switch the timer of the sweep off, and on again afterwards."""
    timer = sweep_timer(patient)
    patient.account.api("scf", "UpdateTrigger", **timer, Enable="CLOSE")
    try:
        yield
    finally:
        patient.account.api("scf", "UpdateTrigger", **timer, Enable="OPEN")
        wait_for_a_sweep(doctor)


@contextlib.contextmanager
def pushes_to(url: str, patient: Patient) -> Iterator[None]:
    """Let VOD push its events to an address, and to the earlier one afterwards."""
    application = {"SubAppId": patient.sub_app_id, "Mode": "PUSH"}
    config = patient.account.api("vod", "DescribeEventConfig", SubAppId=patient.sub_app_id)
    patient.account.api("vod", "ModifyEventConfig", **application, NotificationUrl=url)
    try:
        yield
    finally:
        earlier = config["NotificationUrl"]
        patient.account.api("vod", "ModifyEventConfig", **application, NotificationUrl=earlier)


def found(doctor: Any, name: str) -> dict[str, Any]:
    """Return the finding that is not ok, which must be the only unusual one."""
    status, findings = doctor()
    assert {found_name for found_name, _ in unusual(findings)} == {name}
    [finding] = [item for item in findings if item["name"] == name and item["level"] != "ok"]
    assert status == int(finding["level"] == "problem")
    assert finding["means"]
    assert finding["remedy"]
    return dict(finding)


def test_an_account_without_vod_is_found(patient: Patient, doctor: Any, stack: LocalStack) -> None:
    url = f"{stack.cloud.url}/_localcloud/vod"
    patient.account.fetch(url, "PUT", json={"activated": False})
    try:
        _, findings = doctor()
    finally:
        patient.account.fetch(url, "PUT", json={"activated": True})

    [vod] = [item for item in findings if item["name"] == "vod"]
    assert vod["level"] == "problem"
    assert "not activated" in vod["means"]
    assert ("callback", "not_checked") in unusual(findings)


def test_an_application_that_is_off_is_found(patient: Patient, doctor: Any) -> None:
    application = {"SubAppId": patient.sub_app_id}
    patient.account.api("vod", "ModifySubAppIdStatus", **application, Status="Off")
    try:
        _, findings = doctor()
    finally:
        patient.account.api("vod", "ModifySubAppIdStatus", **application, Status="On")

    [vod] = [item for item in findings if item["name"] == "vod"]
    assert vod["level"] == "problem"
    assert "is Off" in vod["seen"]


def test_an_mps_that_refuses_is_found(patient: Patient, doctor: Any, stack: LocalStack) -> None:
    code = "FailedOperation.InvalidMpsUser"
    fault = {"where": "mps.DescribeAigcImageTask", "what": f"refuse:{code}"}
    patient.account.fetch(f"{stack.cloud.url}/_localcloud/faults", "PUT", json=[fault])

    assert code in found(doctor, "mps")["seen"]


def test_a_missing_role_of_mps_is_found(patient: Patient, doctor: Any) -> None:
    role = patient.account.api("cam", "GetRole", RoleName=MPS_ROLE)["RoleInfo"]
    patient.account.api("cam", "DeleteRole", RoleName=MPS_ROLE)
    try:
        finding = found(doctor, "mps-role")
    finally:
        patient.account.api(
            "cam", "CreateRole", RoleName=MPS_ROLE, PolicyDocument=role["PolicyDocument"]
        )

    assert "every task of mps.image is refused" in finding["means"]


def test_a_role_that_lacks_an_action_is_found(patient: Patient, doctor: Any) -> None:
    described = patient.described["sweep"]
    assert isinstance(described, dict)
    [policy] = patient.account.api(
        "cam", "ListAttachedRolePolicies", RoleName=described["Role"], Page=1, Rp=200
    )["List"]
    number = policy["PolicyId"]
    whole = patient.account.api("cam", "GetPolicy", PolicyId=number)["PolicyDocument"]
    less = json.loads(whole)
    less["statement"].pop()
    patient.account.api("cam", "UpdatePolicy", PolicyId=number, PolicyDocument=json.dumps(less))
    try:
        _, findings = doctor()
    finally:
        patient.account.api("cam", "UpdatePolicy", PolicyId=number, PolicyDocument=whole)

    assert unusual(findings) == {("roles", "problem"), ("rights", "problem")}
    seen = {item["name"]: item["seen"] for item in findings if item["level"] == "problem"}
    assert seen["roles"].startswith("sweep: its role lacks ")
    assert seen["rights"].startswith("sweep may not: cos:")


def test_missing_lifecycle_rules_are_found_and_added(patient: Patient, doctor: Any) -> None:
    patient.account.cos("DELETE", patient.buckets["ledger"], params={"lifecycle": ""})

    finding = found(doctor, "lifecycle")
    doctor("--fix", "--yes")
    _, after = doctor()

    assert finding["can_be_fixed"]
    assert "claims/" in finding["seen"]
    assert unusual(after) == set()


def test_missing_cors_rules_are_found(patient: Patient, doctor: Any) -> None:
    cors = {"cors": ""}
    buckets = [patient.buckets[role] for role in ("results", "inbox")]
    rules = [patient.account.cos("GET", bucket, params=cors).body for bucket in buckets]
    for bucket in buckets:
        patient.account.cos("DELETE", bucket, params=cors)
    try:
        _, findings = doctor()
    finally:
        for bucket, body in zip(buckets, rules, strict=True):
            patient.account.cos("PUT", bucket, params=cors, body=body)

    assert unusual(findings) == {("cors", "warning")}
    assert [item["seen"] for item in findings if item["name"] == "cors"] == [
        "the results bucket has no CORS rules",
        "the inbox bucket has no CORS rules",
    ]


def test_a_trigger_that_is_off_is_found_and_switched_on(patient: Patient, doctor: Any) -> None:
    patient.account.api("scf", "UpdateTrigger", **sweep_timer(patient), Enable="CLOSE")

    finding = found(doctor, "triggers")
    doctor("--fix", "--yes")
    _, after = doctor()

    assert "is off" in finding["seen"]
    assert unusual(after) == set()


def test_a_lost_trigger_is_found(patient: Patient, doctor: Any) -> None:
    [trigger] = patient.triggers("sweep")
    schedule = json.loads(trigger["TriggerDesc"])["cron"]
    timer = sweep_timer(patient)
    patient.account.api("scf", "DeleteTrigger", **timer)
    try:
        finding = found(doctor, "triggers")
    finally:
        patient.account.api("scf", "CreateTrigger", **timer, TriggerDesc=schedule, Enable="OPEN")

    assert finding["seen"] == "sweep: no timer trigger"


def test_pushes_to_another_address_are_found(patient: Patient, doctor: Any) -> None:
    url = "http://127.0.0.1:9/elsewhere"
    with pushes_to(url, patient):
        finding = found(doctor, "callback")

    assert "to another address" in finding["seen"]
    assert url not in finding["seen"]


def test_a_sweep_that_has_stopped_is_found(
    patient: Patient, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sweep that still runs writes when it ended, so its last end is not made older here.
    with no_sweeps(patient, doctor), monkeypatch.context() as patch:
        patch.setattr(work, "SWEEP_OVERDUE", timedelta(seconds=-5))
        _, findings = doctor()

    assert unusual(findings) == {("sweep", "problem"), ("triggers", "problem")}


def test_dead_jobs_are_counted(patient: Patient, doctor: Any) -> None:
    key = "dead/jobs/0.json"
    patient.account.cos("PUT", patient.buckets["ledger"], key, body=b"{}")
    try:
        finding = found(doctor, "dead")
    finally:
        patient.account.cos("DELETE", patient.buckets["ledger"], key)

    assert finding["seen"] == "1 dead jobs"


def test_a_function_without_a_log_is_found(patient: Patient, doctor: Any) -> None:
    described = patient.described["sweep"]
    assert isinstance(described, dict)
    name = {"FunctionName": patient.functions["sweep"]}
    topic = {key: described[key] for key in ("ClsLogsetId", "ClsTopicId")}
    nothing = dict.fromkeys(topic, "")
    patient.account.api("scf", "UpdateFunctionConfiguration", **name, **nothing)
    try:
        wait_for(lambda: patient.account.api("scf", "GetFunction", **name)["Status"] == "Active")
        finding = found(doctor, "logs")
    finally:
        patient.account.api("scf", "UpdateFunctionConfiguration", **name, **topic)

    assert finding["seen"] == "sweep writes no log to CLS"


def test_a_clock_that_is_wrong_is_found(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    early = Answer(200, {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, b"")
    monkeypatch.setattr(Account, "cos", lambda *_, **__: early)

    [finding] = clock(patient)

    assert finding.level == "warning"
    assert "NTP" in finding.remedy


def test_a_versioned_ledger_is_found(patient: Patient, doctor: Any) -> None:
    document = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    other = "versioned-1250000000"
    patient.account.cos("PUT", other)
    patient.account.cos("PUT", other, params={"versioning": ""}, body=document)
    with changed_connection() as connection:
        connection["buckets"]["ledger"] = other

    _, findings = doctor()

    assert ("versioning", "problem") in unusual(findings)


def test_a_missing_bucket_and_function_are_found(doctor: Any) -> None:
    with changed_connection() as connection:
        connection["buckets"]["inbox"] = "missing-1250000000"
        connection["functions"]["upload"] = "missing"

    _, findings = doctor()

    assert unusual(findings) >= {("buckets", "problem"), ("functions", "problem")}
    assert ("triggers", "not_checked") in unusual(findings)
    assert ("roles", "not_checked") in unusual(findings)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_proves_nothing_finds_nothing_missing(
    doctor: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    calls = Calls(monkeypatch)
    doctor()
    calls.way = way
    assert len(calls.asked) >= MOST_QUESTIONS

    for question in sorted(calls.asked):
        calls.failing = question
        status, findings = doctor()

        levels = {level for _, level in unusual(findings)}
        assert levels == {"not_checked"}, (question, unusual(findings))
        assert status == 0
        unchecked = [item for item in findings if item["level"] == "not_checked"]
        assert all(item["means"] and item["remedy"] for item in unchecked)


def test_a_setting_that_cannot_be_read_is_not_overwritten(
    patient: Patient, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = patient.buckets["ledger"]
    rules = patient.account.cos("GET", ledger, params={"lifecycle": ""}).body
    calls = Calls(monkeypatch)
    calls.failing = "GET lifecycle"

    doctor("--fix", "--yes")

    assert "PUT lifecycle" not in calls.asked
    calls.failing = ""
    assert patient.account.cos("GET", ledger, params={"lifecycle": ""}).body == rules


def test_a_repair_that_is_refused_is_told(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = patient.buckets["ledger"]
    rules = patient.account.cos("GET", ledger, params={"lifecycle": ""}).body
    patient.account.cos("DELETE", ledger, params={"lifecycle": ""})
    try:
        with monkeypatch.context() as patch:
            calls = Calls(patch)
            calls.failing = "PUT lifecycle"
            status = cli.main(["doctor", "--fix", "--yes"])
    finally:
        digest = base64.b64encode(hashlib.md5(rules, usedforsecurity=False).digest()).decode()
        headers = {"Content-MD5": digest}
        patient.account.cos("PUT", ledger, params={"lifecycle": ""}, headers=headers, body=rules)

    printed = capsys.readouterr().out
    assert status == 1
    assert "not repaired" in printed
    assert "\nrepaired" not in printed


@pytest.mark.parametrize(
    "error", [RefusalError("PUT", "AccessDenied"), requests.ConnectionError("reset")]
)
def test_a_repair_that_fails_does_not_end_the_others(error: Exception) -> None:
    def fail() -> None:
        raise error

    console, repaired = Console(record=True, file=io.StringIO()), []
    findings = [
        problem("the first", "", "", fail),
        problem("the second", "", "", lambda: repaired.append(2)),
    ]

    assert not repair(findings, console, is_agreed=True)
    assert repaired == [2]
    assert console.export_text().splitlines() == [f"not repaired: {error}", "repaired: the second"]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (UnreachableError("GET /v1/lanes: no answer"), "GET /v1/lanes: no answer"),
        (requests.ConnectionError("reset"), "ConnectionError: reset"),
    ],
)
def test_a_lost_answer_is_told_without_a_class_of_this_program(error: Exception, seen: str) -> None:
    assert not_answered("", error).seen == seen


def test_a_missing_bucket_of_inputs_is_found(patient: Patient) -> None:
    gateway = copy.deepcopy(patient.described["gateway"])
    assert isinstance(gateway, dict)
    for variable in gateway["Environment"]["Variables"]:
        if variable["Key"] == INPUT_BUCKETS:
            variable["Value"] = '["missing-1250000000"]'
    vars(patient)["described"] = {**patient.described, "gateway": gateway}

    seen = [finding.seen for finding in storage.buckets(patient) if finding.level == "problem"]

    assert seen == ["inputBuckets[0]: missing-1250000000 does not exist"]


def test_a_wrong_key_of_the_owner_is_found(doctor: Any) -> None:
    with changed_connection() as connection:
        connection["secret_key"] = connection["secret_key"][::-1]

    status, findings = doctor()

    [credentials] = [item for item in findings if item["name"] == "credentials"]
    assert status == 1
    assert credentials["level"] == "problem"
    assert "AuthFailure" in credentials["seen"]


def test_lanes_that_the_api_does_not_show_are_not_checked(doctor: Any) -> None:
    with changed_connection() as connection:
        connection["api_key"] = "wrong"

    _, findings = doctor()

    assert unusual(findings) == {("sweep", "not_checked"), ("lanes", "not_checked")}
    [lanes] = [item for item in findings if item["name"] == "lanes"]
    assert "401" in lanes["seen"]
    assert "--key" in lanes["remedy"]


def test_a_dead_endpoint_is_found(doctor: Any) -> None:
    with changed_connection() as connection:
        connection["gateway"] = "http://127.0.0.1:9"

    _, findings = doctor()

    assert unusual(findings) >= {
        ("endpoint", "problem"),
        ("sweep", "not_checked"),
        ("lanes", "not_checked"),
        ("callback", "warning"),
    }


def faults(stack: LocalStack, *rules: dict[str, Any]) -> None:
    address = f"{stack.cloud.url}/_localcloud/faults"
    of_connection(stack.connection).account.fetch(address, "PUT", json=list(rules))


def test_an_action_that_the_cloud_denies_is_found(doctor: Any, stack: LocalStack) -> None:
    denied = {"where": "vod.DescribeTaskDetail", "what": "refuse:UnauthorizedOperation"}
    faults(stack, {**denied, "times": 3})
    try:
        _, findings = doctor()
    finally:
        faults(stack)

    rights = [item for item in findings if item["name"] == "rights" and item["level"] != "ok"]
    # The upload function does not ask for VOD's tasks, so its role does not need to.
    assert [item["seen"] for item in rights] == [
        f"{name} may not: vod:DescribeTaskDetail (UnauthorizedOperation)"
        for name in ("gateway", "sweep")
    ]
    assert {item["level"] for item in rights} == {"problem"}


def test_a_denied_read_of_a_bucket_that_may_not_be_listed_says_nothing() -> None:
    read = {"action": READ, "on": "inbox", "outcome": "denied", "code": "AccessDenied"}
    resource = "qcs::cos:ap-guangzhou:uid/1250000000:inbox-1250000000/*"
    buckets = {"inbox": "inbox-1250000000"}

    assert not is_needed(read, {(READ, resource)}, buckets)
    assert is_needed(read, {(READ, resource), (LIST, resource)}, buckets)


def test_a_service_that_is_not_activated_gives_no_clear_answer(
    doctor: Any, stack: LocalStack
) -> None:
    refusal = {"where": "vod.DescribeTasks", "what": "refuse:FailedOperation.InvalidVodUser"}
    faults(stack, {**refusal, "times": 3})
    try:
        _, findings = doctor()
    finally:
        faults(stack)

    assert ("rights", "not_checked") in unusual(findings)


def test_a_function_that_cannot_be_invoked_is_found(doctor: Any, stack: LocalStack) -> None:
    faults(stack, {"where": "scf.Invoke", "what": "refuse:UnauthorizedOperation", "times": 3})
    try:
        _, findings = doctor()
    finally:
        faults(stack)

    assert unusual(findings) == {("rights", "not_checked"), ("package", "not_checked")}


def test_other_code_than_the_zip_on_this_machine_is_found(doctor: Any, tmp_path: Path) -> None:
    other = tmp_path / "aigc-functions-other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("gateway.py", "")
    with changed_connection() as connection:
        connection["package"] = str(other)

    assert "aigc-functions-other.zip" in found(doctor, "package")["seen"]


def test_a_zip_that_is_gone_is_not_compared(doctor: Any, tmp_path: Path) -> None:
    with changed_connection() as connection:
        connection["package"] = str(tmp_path / "gone.zip")

    _, findings = doctor()

    [seen] = [item["seen"] for item in findings if item["name"] == "package"]
    assert "no zip here" in seen


def test_a_callback_that_is_refused_is_found(patient: Patient, doctor: Any) -> None:
    with pushes_to(f"{patient.endpoint}/vod/events/an-old-key", patient):
        finding = found(doctor, "callback")

    assert finding["seen"] == "the callback's address answers 401"
    assert "an-old-key" not in json.dumps(finding)


def test_uploads_without_a_job_and_a_reason_are_found(
    patient: Patient, doctor: Any, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "UPLOAD_OVERDUE", timedelta(seconds=-5))
    key = "anime/lost.png"
    with no_sweeps(patient, doctor):
        faults(stack, {"where": "cos.event", "what": "drop", "times": 1})
        patient.account.cos("PUT", patient.buckets["inbox"], key, body=b"no image")
        _, findings = doctor()
        patient.account.cos("DELETE", patient.buckets["inbox"], key)

    [uploads] = [item for item in findings if item["name"] == "uploads"]
    assert uploads["level"] == "problem"
    assert key in uploads["seen"]


def test_a_budget_without_prices_is_found(patient: Patient, doctor: Any) -> None:
    ledger = patient.deployment.open_ledger()
    keys.create("shop", Limits(budget_per_month=Decimal(5)), ledger, utc_now())
    try:
        _, findings = doctor()
    finally:
        keys.revoke("shop", ledger, utc_now())

    [prices] = [item for item in findings if item["name"] == "prices"]
    assert prices["level"] == "problem"
    assert prices["seen"].endswith("key shop")


def test_each_finding_leads_to_a_page_and_to_the_console(doctor: Any) -> None:
    _, findings = doctor()

    for item in findings:
        page, _, anchor = item["page"].partition("#")
        text = page_text(page.removeprefix("docs/"))
        assert not anchor or anchor in anchors(text), item["page"]
    links = {item["name"]: item["link"] for item in findings}
    assert links["roles"] == "https://console.cloud.tencent.com/cam/role"
    assert links["dead"] == ""


def test_findings_are_printed_as_text(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    assert patient.functions

    status = cli.main(["doctor"])

    text = capsys.readouterr().out
    assert status == 0
    assert "warning prices: prices.toml has no prices" in text
    assert "To do: Add the prices of your contract" in text
