"""`aigc doctor --before-deploy`: each test breaks one thing of an account without a deployment.

The examinations `credentials`, `clock` and `mps` are those of a deployment: test_doctor.py.
"""

from __future__ import annotations

import json
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from aigc_cli import cli
from aigc_cli.doctor import before_deploy
from aigc_cli.doctor.examinations.account import MPS_ROLE
from aigc_cli.local_pulumi import environment
from aigc_cli.local_stack import empty_cloud
from infra.permissions import trust
from tests.doctor.failing import WAYS, Calls
from tests.infra.conftest import LONG_KEYS, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aigc_cli.account import Account
    from localcloud.cloud import LocalCloud

NAMES = (
    *("configuration", "credentials", "clock", "environment", "vod", "mps", "mps-role"),
    *("rights", "names", "existing", "package"),
)
PULUMI = """#!{python}
import pathlib, sys
folder = pathlib.Path(__file__).parent
print((folder / ("config.json" if "config" in sys.argv else "outputs.json")).read_text())
"""
"""Stands in for the CLI: it prints a stack's configuration and outputs."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with empty_cloud() as cloud:
        yield cloud


class Stack:
    """A stack that is not deployed, as the CLI describes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.values: dict[str, dict[str, Any]] = {
            "tencentcloud:region": {"value": "ap-guangzhou", "secret": False}
        }
        self.outputs: dict[str, str] = {}

    def set(self, key: str, value: str, *, secret: bool = False) -> None:
        self.values[f"aigc-functions:{key}"] = {"value": value, "secret": secret}

    def write(self) -> None:
        (self._folder / "config.json").write_text(json.dumps(self.values))
        (self._folder / "outputs.json").write_text(json.dumps(self.outputs))


@pytest.fixture
def stack(cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    for name, value in environment(cloud, tmp_path).items():
        monkeypatch.setenv(name, value)
    program = tmp_path / "pulumi"
    program.write_text(PULUMI.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    stack = Stack(tmp_path)
    stack.set("callbackKey", "c" * 32, secret=True)
    stack.set("mpsRole", "create")
    stack.set("packagePath", str(build(tmp_path / "aigc-functions-0123456789ab.zip")))
    return stack


def build(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rules.json", json.dumps(RULES))
        for name in names or ("gateway.py", "upload.py", "sweep.py"):
            archive.writestr(name, "")
    return path


@pytest.fixture
def account(stack: Stack) -> Account:
    stack.write()
    return before_deploy.of_stack("prod").account


@pytest.fixture
def doctor(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Any:
    def run() -> tuple[int, list[dict[str, Any]]]:
        stack.write()
        status = cli.main(["doctor", "--before-deploy", "--stack", "prod", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def unusual(findings: list[dict[str, Any]]) -> dict[str, str]:
    return {item["name"]: item["seen"] for item in findings if item["level"] != "ok"}


def found(doctor: Any, name: str) -> str:
    """Return what was seen of the only problem."""
    status, findings = doctor()
    seen = unusual(findings)
    assert seen.keys() == {name}, seen
    assert status == 1
    return seen[name]


def test_an_account_that_is_ready_has_no_problem(doctor: Any) -> None:
    status, findings = doctor()

    assert unusual(findings) == {}
    assert status == 0
    assert [item["name"] for item in findings] == list(NAMES)


def test_a_wrong_value_is_found_before_the_program_runs(stack: Stack, doctor: Any) -> None:
    stack.set("memory", "100")

    status, findings = doctor()

    assert status == 1
    assert "memory is '100'; allowed: 128 to 3072" in unusual(findings)["configuration"]
    needs = {"environment", "mps-role", "names", "existing", "package"}
    assert unusual(findings).keys() == {"configuration"} | needs


def test_a_missing_value_is_found(stack: Stack, doctor: Any) -> None:
    del stack.values["aigc-functions:callbackKey"]

    assert "callbackKey is missing" in unusual(doctor()[1])["configuration"]


def test_a_secret_in_plain_text_is_found(stack: Stack, doctor: Any) -> None:
    stack.set("webhookSecrets", json.dumps([f"whsec_{'A' * 32}"]))

    assert found(doctor, "configuration") == "in plain text: webhookSecrets"


def test_an_environment_that_is_too_large_is_found(stack: Stack, doctor: Any) -> None:
    stack.set("apiKeys", json.dumps(LONG_KEYS), secret=True)
    stack.set("resultHosts", json.dumps([f".{number}.example.com" for number in range(10)]))

    seen = found(doctor, "environment")

    assert "the environment of each function has 4" in seen
    assert "allowed: 4096 bytes" in seen
    assert "The largest are AIGC_API_KEYS 3" in seen
    assert "aigc keys new" in seen
    assert next(iter(LONG_KEYS.values())) not in seen


def test_a_wrong_key_is_found(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "wrong")

    status, findings = doctor()

    assert status == 1
    assert "AuthFailure" in unusual(findings)["credentials"]


def test_a_vod_that_is_not_activated_is_found(
    account: Account, doctor: Any, cloud: LocalCloud
) -> None:
    url = f"{cloud.url}/_localcloud/vod"
    account.fetch(url, "PUT", json={"activated": False})
    try:
        assert "InvalidVodUser" in found(doctor, "vod")
    finally:
        account.fetch(url, "PUT", json={"activated": True})


def test_a_missing_application_is_found(stack: Stack, doctor: Any) -> None:
    stack.set("subAppId", "1599999999")

    assert found(doctor, "vod") == "subAppId: the application 1599999999 is missing"


def faults(account: Account, cloud: LocalCloud, *rules: dict[str, Any]) -> None:
    account.fetch(f"{cloud.url}/_localcloud/faults", "PUT", json=list(rules))


def test_a_role_of_mps_that_is_not_as_configured_is_found(
    stack: Stack, account: Account, doctor: Any
) -> None:
    stack.set("mpsRole", "existing")
    assert found(doctor, "mps-role") == f"{MPS_ROLE} does not exist, but mpsRole is existing"

    stack.set("mpsRole", "create")
    document = trust("mps.cloud.tencent.com")
    account.api("cam", "CreateRole", RoleName=MPS_ROLE, PolicyDocument=document)
    try:
        assert found(doctor, "mps-role") == f"{MPS_ROLE} exists, but mpsRole is create"
    finally:
        account.api("cam", "DeleteRole", RoleName=MPS_ROLE)


def test_a_right_that_is_denied_is_found(
    stack: Stack, account: Account, doctor: Any, cloud: LocalCloud
) -> None:
    def denied(*actions: str) -> str:
        refusal = {"what": "refuse:UnauthorizedOperation", "times": 1}
        faults(account, cloud, *({"where": action, **refusal} for action in actions))
        return found(doctor, "rights")

    always = denied("scf.DeleteFunction", "cam.DeleteRole", "cls.DeleteLogset")
    stack.set("alarmReceivers", "[10001]")
    with_alarms = denied("cls.DeleteAlarm", "monitor.DeleteAlarmNotices")

    assert always == "denied: scf:DeleteFunction, cam:DeleteRole, cls:DeleteLogset"
    assert with_alarms == "denied: cls:DeleteAlarm, monitor:DeleteAlarmNotices"


def test_a_name_that_is_in_use_is_found(account: Account, doctor: Any) -> None:
    bucket = f"aigc-prod-ledger-{account.app_id}"
    account.cos("PUT", bucket)
    account.api(
        "cam", "CreateRole", RoleName="aigc-prod-sweep", PolicyDocument=trust("scf.qcloud.com")
    )
    account.api("cls", "CreateLogset", LogsetName="aigc-prod-functions")
    try:
        seen = found(doctor, "names")
    finally:
        account.cos("DELETE", bucket)
        account.api("cam", "DeleteRole", RoleName="aigc-prod-sweep")

    assert seen == (f"in use: role aigc-prod-sweep, bucket {bucket}, logset aigc-prod-functions")


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_proves_nothing_finds_nothing_missing_and_nothing_free(
    stack: Stack, doctor: Any, monkeypatch: pytest.MonkeyPatch, account: Account, way: str
) -> None:
    stack.set("namePrefix", "other-")
    stack.set("inboxBucket", f"existing-{account.app_id}")
    account.cos("PUT", f"existing-{account.app_id}")
    calls = Calls(monkeypatch)
    assert unusual(doctor()[1]) == {}
    calls.way = way

    for question in sorted(calls.asked):
        calls.failing = question
        is_denied_right = way == "denied" and "Delete" in question.title()
        status, findings = doctor()

        levels = {item["level"] for item in findings if item["level"] != "ok"}
        assert levels == {"problem" if is_denied_right else "not_checked"}, (question, findings)
        assert status == int(is_denied_right)
        if question in {"scf.GetFunction", "cls.DescribeLogsets"}:
            assert not [item for item in findings if "are free" in item["seen"]]


def test_names_of_a_stack_that_is_deployed_are_its_own(
    stack: Stack, account: Account, doctor: Any
) -> None:
    stack.outputs = {"ledgerBucket": f"aigc-prod-ledger-{account.app_id}"}

    assert unusual(doctor()[1]) == {}


def test_a_bucket_that_does_not_exist_is_found(stack: Stack, account: Account, doctor: Any) -> None:
    stack.set("namePrefix", "other-")
    stack.set("inboxBucket", f"photos-{account.app_id}")

    assert found(doctor, "existing") == f"inboxBucket: photos-{account.app_id} does not exist"


def test_a_package_that_is_missing_or_not_whole_is_found(
    stack: Stack, doctor: Any, tmp_path: Path
) -> None:
    stack.set("namePrefix", "other-")
    stack.set("packagePath", "dist/missing.zip")
    assert found(doctor, "package").startswith("packagePath: found nothing")

    stack.set("packagePath", str(build(tmp_path / "aigc-functions-1.zip", "gateway.py")))
    assert found(doctor, "package") == "aigc-functions-1.zip has no sweep.py, upload.py"

    (tmp_path / "aigc-functions-2.zip").write_bytes(b"no zip")
    stack.set("packagePath", str(tmp_path / "aigc-functions-2.zip"))
    assert "not a zip" in found(doctor, "package")


def test_it_needs_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--before-deploy"])

    assert "--stack" in capsys.readouterr().err
