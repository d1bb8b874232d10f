"""Pulumi's own engine and the real provider against the local cloud.

What needs the programs takes half an hour: `make verify-pulumi` runs it, and fails with what it
needs where a program is absent. Elsewhere it is reported as skipped. What the provider was recorded
to send is replayed everywhere: test_control_plane_replay, test_control_plane_our_stack.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from aigc_cli.local_pulumi import settings
from tests.localcloud.clients import control, cos
from tests.localcloud.pulumi_cli import (
    ROOT,
    Pulumi,
    authorise_mps,
    configure,
    needs_pulumi,
    pulumi_cli,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = ("gateway", "upload", "sweep")
NO_PROXY = {"http": ""}
MINUTES = 60


@contextlib.contextmanager
def announced_cloud() -> Iterator[dict[str, Any]]:
    """Run `aigc local --no-provision`; yield the JSON that it prints."""
    command = [sys.executable, "-m", "aigc_cli", "local", "--no-provision", "--json", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_empty_cloud_announces_its_addresses() -> None:
    with announced_cloud() as announcement:
        variables = announcement["environment"]
        functions = requests.get(f"{announcement['cloud']}/_localcloud/scf", timeout=10).json()

        assert variables["HTTP_PROXY"] == announcement["cloud"]
        assert Path(variables["PULUMI_BACKEND_URL"].removeprefix("file://")).is_dir()
        assert Path(announcement["config"]["packagePath"]).is_file()
        assert functions == {}


def test_state_is_deleted_with_the_cloud() -> None:
    with announced_cloud() as announcement:
        state = Path(announcement["environment"]["PULUMI_BACKEND_URL"].removeprefix("file://"))

    assert not state.exists()


def test_object_is_set_entry_by_entry() -> None:
    arguments = settings({"apiKeys": '{"me": "0a"}', "callbackKey": "c" * 16, "timeout": "90"})

    assert list(arguments) == [
        ["--secret", "--path", 'apiKeys["me"]', "0a"],
        ["--secret", "callbackKey", "c" * 16],
        ["--plaintext", "timeout", "90"],
    ]


def triggers(pulumi: Pulumi, stack: str) -> dict[str, list[str]]:
    """Return the triggers that SCF has, by function."""
    names = {}
    for function in FUNCTIONS:
        answer = pulumi.api.call("scf", "ListTriggers", FunctionName=f"aigc-{stack}-{function}")
        names[function] = sorted(trigger["Type"] for trigger in answer["Triggers"])
    return names


ALL_TRIGGERS = {"gateway": ["http"], "upload": ["cos", "cos"], "sweep": ["timer"]}


def empty_buckets(pulumi: Pulumi) -> None:
    """Delete all objects of a bucket, so that it can be deleted."""
    client = cos(pulumi.cloud)
    listed = client.list_buckets()["Buckets"] or {}
    for bucket in listed.get("Bucket", []):
        name = bucket["Name"]
        for item in client.list_objects(name).get("Contents", []):
            client.delete_object(name, item["Key"])


def destroy(pulumi: Pulumi) -> None:
    """Remove a stack as docs/remove.md says."""
    pulumi("destroy", "--yes", "--skip-preview", "--exclude-protected")
    empty_buckets(pulumi)
    pulumi("state", "unprotect", "--all", "--yes")
    pulumi("destroy", "--yes", "--skip-preview")
    assert control(pulumi.cloud, "scf") == {}


@needs_pulumi
@pytest.mark.timeout(15 * MINUTES)
def test_sequence_of_the_readme() -> None:
    with pulumi_cli("prod") as pulumi:
        authorise_mps(pulumi)
        configure(pulumi)

        pulumi("preview")
        pulumi.up()
        pulumi.expect_no_changes()

        endpoint = pulumi("stack", "output", "endpoint").strip()
        health = requests.get(f"{endpoint}/health", proxies=NO_PROXY, timeout=30)
        assert health.status_code == 200
        assert triggers(pulumi, "prod") == ALL_TRIGGERS
        assert_key_works(pulumi, endpoint)
        destroy(pulumi)


def assert_key_works(pulumi: Pulumi, endpoint: str) -> None:
    """Make a key with the command of the README, and call with it."""
    done = subprocess.run(
        [sys.executable, "-m", "aigc_cli", "keys", "new", "me", "--stack", "prod"],
        cwd=ROOT,
        env={**os.environ, **pulumi.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    lanes = requests.get(f"{endpoint}/v1/lanes", headers=headers, proxies=NO_PROXY, timeout=30)
    assert lanes.status_code == 200


@needs_pulumi
@pytest.mark.timeout(15 * MINUTES)
def test_settings_that_the_command_prints_deploy() -> None:
    with pulumi_cli("local") as pulumi:
        with announced_cloud() as announcement:
            config = announcement["config"]
        for arguments in settings(config):
            pulumi("config", "set", *arguments)

        pulumi.up()
        pulumi.expect_no_changes()

        written = (pulumi.folder / "Pulumi.local.yaml").read_text()
        assert "whsec_" not in written


CHANGES: dict[str, list[tuple[str, ...]]] = {
    "apiKeys": [("--secret", "--path", 'apiKeys["me"]', "0a" * 32)],
    "callbackKey": [("--secret", "callbackKey", "d" * 32)],
    "tags": [("--path", 'tags["team"]', "art")],
    "lanes": [("--path", 'lanes["vod.image"]', "3")],
    "memory": [("memory", "512")],
    "timeout": [("timeout", "90")],
    "reservedConcurrency": [("reservedConcurrency", "1024")],
    "asyncRetries": [("asyncRetries", "1")],
    "eventAge": [("eventAge", "3600")],
    "corsOrigins": [("--path", "corsOrigins[0]", "https://example.com")],
    "callbackMode": [("callbackMode", "none")],
    "logRetention": [("logRetention", "60")],
    "alarmReceivers": [("--path", "alarmReceivers[0]", "10001")],
    "retryBase": [("retryBase", "20")],
    "unknownAfter": [("unknownAfter", "3600")],
    "overdueAfter": [("--path", 'overdueAfter["mps.image"]', "900")],
    "pollInterval": [("pollInterval", "3")],
    "labels": [("labels", "none")],
    "contentProducer": [("contentProducer", "Studio")],
    "webhookSecrets": [("--secret", "--path", "webhookSecrets[0]", f"whsec_{'A' * 32}")],
    "webhookHttp": [("webhookHttp", "true")],
    "webhookNetworks": [("--path", "webhookNetworks[0]", "10.1.0.0/16")],
    "resultsUrl": [("resultsUrl", "https://cdn.example.com")],
    "inboxUrl": [("inboxUrl", "https://inbox.example.com")],
    "publicUrl": [("publicUrl", "https://api.example.com")],
    "site": [("site", "intl")],
    "sweepSchedule": [("sweepSchedule", "0 */5 * * * * *")],
    "previews": [("previews", "none")],
    "publicDocs": [("publicDocs", "false")],
    "console": [("console", "false")],
    "gatewayConcurrency": [("gatewayConcurrency", "2048")],
    "reconcileAfter": [("reconcileAfter", "300")],
    "inboxSince": [("inboxSince", "2026-11-28T00:00:00+08:00")],
    "resultHosts": [("--path", "resultHosts[0]", "images.example.com")],
    "resultsPrefix": [("resultsPrefix", "site/images/")],
    "inputBuckets": [("--path", "inputBuckets[0]", "mine-1250000000")],
    "mpsRole": [("mpsRole", "import"), ("mpsRole", "existing")],
    "subAppId": [("subAppId", "{application}")],
    "inboxBucket": [("inboxBucket", "mine-1250000000")],
    "resultsBucket": [("resultsBucket", "yours-1250000000")],
    "endpoint": [("corsOrigins", ""), ("endpoint", "api-gateway"), ("endpoint", "function-url")],
    "logs": [("logs", "false"), ("logs", "true")],
}
"""Configuration key → the `pulumi config set` calls that change it, one deployment each."""


@needs_pulumi
@pytest.mark.timeout(60 * MINUTES)
def test_preview_is_empty_after_a_change_of_any_configuration_key() -> None:
    with pulumi_cli("dev") as pulumi:
        authorise_mps(pulumi)
        configure(pulumi)
        for bucket in ("mine-1250000000", "yours-1250000000"):
            cos(pulumi.cloud).create_bucket(bucket)
        application = pulumi.api.vod("CreateSubAppId", Name="other")["SubAppId"]
        pulumi.up()

        for key, calls in CHANGES.items():
            for arguments in calls:
                change(pulumi, key, [word.format(application=application) for word in arguments])

        destroy(pulumi)


def change(pulumi: Pulumi, key: str, arguments: list[str]) -> None:
    if arguments[-1]:
        pulumi("config", "set", *arguments)
    else:
        pulumi("config", "rm", arguments[0])
    try:
        pulumi.up()
        pulumi.expect_no_changes()
    except AssertionError as error:
        raise AssertionError(f"{key}: {arguments}") from error
    types = triggers(pulumi, "dev")
    gateway = [] if arguments[-1] == "api-gateway" else ["http"]
    assert types == {**ALL_TRIGGERS, "gateway": gateway}, key


def test_every_configuration_key_is_changed() -> None:
    """Two are not: another prefix is refused, and the package is the same in every test.

    `robots` has a test of its own.
    """
    project = (ROOT / "Pulumi.yaml").read_text()
    keys = {
        line.strip().removesuffix(":")
        for line in project.partition("config:")[2].splitlines()
        if line.startswith("  ") and not line.startswith(("   ", "  #")) and line.endswith(":")
    }

    assert keys - CHANGES.keys() == {
        "tencentcloud:region",
        "namePrefix",
        "packagePath",
        "appId",
        "robots",
    }


ROBOTS = (
    ("--secret", "--path", "robots[0].url", "https://qyapi.weixin.qq.com/send?key=token-1"),
    ("--path", "robots[0].kind", "wecom"),
    ("--secret", "--path", "robots[1].url", "https://open.feishu.cn/token-2"),
    ("--path", "robots[1].kind", "feishu"),
    ("--secret", "--path", "robots[1].secret", "token-3"),
)


@needs_pulumi
@pytest.mark.timeout(20 * MINUTES)
def test_robots_come_and_go_and_stay_secret() -> None:
    with pulumi_cli("dev") as pulumi:
        authorise_mps(pulumi)
        configure(pulumi)
        for arguments in ROBOTS:
            pulumi("config", "set", *arguments)
        pulumi.up()
        pulumi.expect_no_changes()
        assert "token-" not in pulumi("stack", "export")
        assert "token-" not in pulumi("stack", "output", "--json")

        pulumi.set("robots[1].secret", "token-4", "--secret", "--path")
        pulumi.set("alarmReceivers[0]", "10001", "--path")
        pulumi.up()
        pulumi.expect_no_changes()

        pulumi("config", "rm", "robots")
        pulumi.up()
        pulumi.expect_no_changes()
        assert pulumi.api.call("cls", "DescribeWebCallbacks")["WebCallbacks"] == []


@needs_pulumi
@pytest.mark.timeout(20 * MINUTES)
def test_lost_triggers_are_restored() -> None:
    """Three ways to lose a trigger, and each is repaired by the next `pulumi up`."""
    with pulumi_cli("dev") as pulumi:
        authorise_mps(pulumi)
        configure(pulumi)
        pulumi.set("asyncRetries", "1")
        refuse = {"where": "scf.CreateTrigger", "what": "refuse:LimitExceeded.Trigger", "times": 3}
        control(pulumi.cloud, "faults", [refuse])

        pulumi.failing_up()
        pulumi.up()
        assert triggers(pulumi, "dev") == ALL_TRIGGERS
        pulumi.expect_no_changes()

        delete_trigger(pulumi, "sweep")
        delete_trigger(pulumi, "upload")
        assert "SCF has lost its trigger" in pulumi("preview")
        pulumi.up()
        assert triggers(pulumi, "dev") == ALL_TRIGGERS
        pulumi.expect_no_changes()
        assert retries(pulumi) == {"gateway": 1, "upload": 1, "sweep": 0}

        control(pulumi.cloud, "faults", [{**refuse, "times": 1}])
        pulumi.set("sweepSchedule", "0 */7 * * * * *")
        pulumi.failing_up()
        pulumi.up()
        assert triggers(pulumi, "dev") == ALL_TRIGGERS
        pulumi.expect_no_changes()


def delete_trigger(pulumi: Pulumi, function: str) -> None:
    name = f"aigc-dev-{function}"
    trigger = pulumi.api.call("scf", "ListTriggers", FunctionName=name)["Triggers"][0]
    pulumi.api.call(
        "scf",
        "DeleteTrigger",
        FunctionName=name,
        TriggerName=trigger["TriggerName"],
        Type=trigger["Type"],
        TriggerDesc=trigger["TriggerDesc"],
    )


def retries(pulumi: Pulumi) -> dict[str, int]:
    numbers = {}
    for function in FUNCTIONS:
        answer = pulumi.api.call(
            "scf", "GetFunctionEventInvokeConfig", FunctionName=f"aigc-dev-{function}"
        )
        numbers[function] = answer["AsyncTriggerConfig"]["RetryConfig"][0]["RetryNum"]
    return numbers


REFUSALS: dict[str, tuple[tuple[str, ...], str]] = {
    "region": (("tencentcloud:region", "ap-shanghai"), "tencentcloud:region is 'ap-shanghai'"),
    "prefix": (("namePrefix", "other-"), "namePrefix 'other-'"),
    "schedule": (("sweepSchedule", "0 61 * * * * *"), "sweepSchedule is '0 61 * * * * *'"),
    "unknown key": (("--path", 'lane["vod.image"]', "2"), "lane is not a configuration key"),
    "memory": (("memory", "64"), "memory is '64'"),
    "number as tag": (("--path", 'tags["year"]', "2026"), "--type string"),
    "bucket": (("inboxBucket", "nosuch-1250000000"), "inboxBucket names 'nosuch-1250000000'"),
    "application": (("subAppId", "1599999999"), "subAppId"),
    "plain secret": (("--path", 'apiKeys["me"]', "0a" * 32), "apiKeys is in plain text"),
}
"""Fault → the `pulumi config set` arguments, and a part of the preview's message."""


@needs_pulumi
@pytest.mark.timeout(20 * MINUTES)
def test_wrong_changes_are_refused_by_the_preview() -> None:
    with pulumi_cli("dev") as pulumi:
        authorise_mps(pulumi)
        configure(pulumi)
        pulumi.up()
        settings_file = pulumi.folder / "Pulumi.dev.yaml"
        right = settings_file.read_text()

        for wrong, (arguments, message) in REFUSALS.items():
            pulumi("config", "set", *arguments)
            output = pulumi.failing_preview()
            assert message in output, wrong
            assert "Traceback" not in output, wrong
            settings_file.write_text(right)

        pulumi.expect_no_changes()


@needs_pulumi
@pytest.mark.timeout(5 * MINUTES)
def test_wrong_credentials_end_in_one_line() -> None:
    with pulumi_cli("dev") as pulumi:
        configure(pulumi)
        pulumi.environment["TENCENTCLOUD_SECRET_ID"] = "AKIDunknown"  # noqa: S105  an unknown id
        message = pulumi.failing_preview()
        del pulumi.environment["TENCENTCLOUD_SECRET_ID"]
        missing = pulumi.failing_preview()

    assert "Traceback" not in message + missing
    assert "TENCENTCLOUD_SECRET_ID" in message
    assert "TENCENTCLOUD_SECRET_ID" in missing
