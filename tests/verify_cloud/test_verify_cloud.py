"""`aigc verify-cloud` as its user runs it: real processes, a whole account, interruptions."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from aigc_cli.verify.checks import CHECKS
from tests.localcloud.clients import cos
from tests.verify_cloud.conftest import Command, account_of
from tests.verify_cloud.different import DIFFERENCES

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from localcloud.cloud import LocalCloud

SAMPLES = {
    "cos_completemultipartupload",
    "cos_copy",
    "cos_put",
    "function_url",
    "timer",
    "vod_callback",
}


def leftovers(cloud: LocalCloud) -> list[str]:
    """Name what a run has created and not removed."""
    account = account_of(cloud)
    buckets = (cos(cloud).list_buckets()["Buckets"] or {}).get("Bucket", [])
    names = [bucket["Name"] for bucket in buckets]
    functions = account.api("scf", "ListFunctions", Limit=100)["Functions"]
    roles = account.api("cam", "DescribeRoleList", Page=1, Rp=200)["List"]
    policies = account.api("cam", "ListPolicies", Keyword="aigc-verify", Page=1, Rp=200)["List"]
    applications = account.api("vod", "DescribeSubAppIds")["SubAppIdInfoSet"]
    names += [function["FunctionName"] for function in functions]
    names += [role["RoleName"] for role in roles if role["RoleName"].startswith("aigc-verify")]
    names += [policy["PolicyName"] for policy in policies]
    names += [
        application["Name"]
        for application in applications
        if application["Name"].startswith("aigc-verify") and application["Status"] != "Destroyed"
    ]
    return names


def killed_after_first_check(process: subprocess.Popen[str]) -> str:
    """Kill a run when its first check has passed; return the line of that check."""
    assert process.stdout is not None
    first = next(line for line in process.stdout if line.startswith("passed"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return first


def test_all_checks_pass_and_leave_nothing_and_print_no_secret(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    folder = tmp_path / "samples"
    done = Command(cloud, tmp_path / "state").run("--yes", "--json", "--samples", str(folder))

    assert done.returncode == 0, done.stderr
    samples = {file.stem: file.read_text() for file in folder.iterdir()}
    assert samples.keys() == SAMPLES
    report = json.loads(done.stdout)
    assert [check["name"] for check in report["checks"]] == list(CHECKS)
    assert {check["result"] for check in report["checks"]} == {"passed"}, done.stderr
    assert leftovers(cloud) == []
    owner, account = cloud.keys.owner, cloud.account
    for text in (done.stdout, *samples.values()):
        for secret in (owner.secret_id, owner.secret_key, str(account.app_id), account.uin):
            assert secret not in text
    assert "aigc-verify-" not in done.stdout
    assert list((tmp_path / "state").rglob("*.json")) == []


def test_clean_removes_what_a_killed_run_created(cloud: LocalCloud, tmp_path: Path) -> None:
    command = Command(cloud, tmp_path)
    groups = ("--only", "cos", "--only", "cam", "--yes")
    killed_after_first_check(command.start(*groups))
    assert leftovers(cloud) != []

    cleaned = command.run("--clean")

    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert leftovers(cloud) == []


def test_a_repeated_run_keeps_the_results_of_a_killed_run(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    command = Command(cloud, tmp_path)
    first = killed_after_first_check(command.start("--only", "cos", "--yes"))
    [file] = tmp_path.rglob("*.json")
    state = json.loads(file.read_text())
    name = first.split()[1].rstrip(":")
    state["answers"][name]["seen"] = "remembered"
    file.write_text(json.dumps(state))

    done = command.run("--only", "cos", "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: remembered" in done.stdout
    assert leftovers(cloud) == []


def test_each_broken_assumption_fails_its_own_check(
    different_cloud: LocalCloud, tmp_path: Path
) -> None:
    options = [word for difference in DIFFERENCES for word in ("--only", difference.check)]
    done = Command(different_cloud, tmp_path).run("--yes", "--json", *options)

    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    failed = {check["name"]: check["seen"] for check in checks if check["result"] == "failed"}
    assert failed.keys() == {difference.check for difference in DIFFERENCES}
    for difference in DIFFERENCES:
        assert difference.says in failed[difference.check]
        assert CHECKS[difference.check].otherwise in done.stderr
    assert leftovers(different_cloud) == []


def test_nothing_is_started_without_consent(cloud: LocalCloud, tmp_path: Path) -> None:
    done = Command(cloud, tmp_path).run("--only", "cos")

    assert done.returncode == 2
    assert "say --yes" in done.stderr
    assert leftovers(cloud) == []


def test_free_checks_make_no_image(cloud: LocalCloud, tmp_path: Path) -> None:
    tasks = account_of(cloud).fetch(f"{cloud.url}/_localcloud/tasks").json()["tasks"]

    done = Command(cloud, tmp_path).run("--free", "--only", "vod", "--only", "mps", "--yes")

    assert done.returncode == 0, done.stdout
    after = account_of(cloud).fetch(f"{cloud.url}/_localcloud/tasks").json()["tasks"]
    assert len(after) == len(tasks)


def test_every_check_is_described_and_costs_little() -> None:
    assert sum(check.yuan for check in CHECKS.values()) < 2
    for check in CHECKS.values():
        assert check.assumption.endswith(".")
        assert check.otherwise.endswith(".")
        assert check.used_by
