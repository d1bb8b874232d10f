"""`aigc keys` and `aigc prices`, and the use of new keys in a running system."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from aigc.api.keys import Limits, is_well_formed
from aigc.jobs.replay import replay
from aigc_cli import cli, deployment, keys
from tests.e2e.stack import Stack, wait_for
from tests.e2e.tasks import IMAGE, VOD_PATH
from tests.e2e.test_documentation import API
from tests.fakes import START, InMemoryStore, ManualClock
from tests.pages import blocks

if TYPE_CHECKING:
    from pathlib import Path

[BLOCK] = blocks(API, "json usage")
SHOWN: dict[str, Any] = json.loads(BLOCK)
OWNER = {"TENCENTCLOUD_SECRET_ID": "id", "TENCENTCLOUD_SECRET_KEY": "key"}


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in (*OWNER, "TENCENTCLOUD_SECURITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def command(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command; return its status and what it printed."""
    status = cli.main(line.split())
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def call(stack: Stack, key: str, body: dict[str, Any] | None = None) -> requests.Response:
    return requests.post(
        f"{stack.gateway}/{VOD_PATH}",
        json=body or IMAGE,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )


# Against a running system


def test_key_is_made_used_up_listed_and_revoked(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    made, printed, _ = command("keys new shop --jobs-per-day 2 --kinds vod.image", capsys)
    key = printed.strip()

    statuses = [call(here, key).status_code for _ in range(3)]
    _, listed, _ = command("keys list", capsys)
    revoked, confirmation, _ = command("keys revoke shop", capsys)
    again, repeated, _ = command("keys revoke shop", capsys)

    assert (made, revoked, again) == (0, 0, 0)
    assert is_well_formed(key)
    assert statuses == [200, 200, 429]
    assert ["shop", "vod.image; 2 jobs a day"] in [
        [line.split()[0], line.split("  ")[-1].strip()] for line in listed.splitlines()
    ]
    assert re.search(r"^local +in the configuration", listed, re.MULTILINE)
    assert key not in listed
    assert "within 30 seconds" in confirmation
    assert "was revoked on" in repeated
    wait_for(lambda: call(here, key).status_code == 401)


@pytest.mark.usefixtures("here")
def test_name_of_a_key_is_used_once(capsys: pytest.CaptureFixture[str]) -> None:
    command("keys new once", capsys)
    command("keys revoke once", capsys)

    taken = command("keys new once", capsys)
    configured = command("keys new local", capsys)
    unknown = command("keys revoke unknown", capsys)
    not_here = command("keys revoke local", capsys)

    assert [status for status, _, _ in (taken, configured, unknown, not_here)] == [1] * 4
    assert taken[2].startswith("aigc keys: a key has or had the name once; allowed: ")
    assert "configuration has a key local" in configured[2]
    assert "there is no key unknown" in unknown[2]
    assert "take it out of apiKeys" in not_here[2]


def test_budget_without_prices_refuses_calls_and_warns(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed, warning = command("keys new thrifty --budget 2.50", capsys)

    refused = call(here, printed.strip())
    command("keys revoke thrifty", capsys)  # else the doctor reports it to later tests

    assert "tasks without a price are refused" in warning
    assert (refused.status_code, refused.json()["error_type"]) == (403, "price_unknown")


def test_usage_counts_ended_jobs(stack: Stack) -> None:
    known = stack.get("/v1/usage").json()["total"]["jobs"]

    stack.ended(stack.call(VOD_PATH, IMAGE).json())

    wait_for(lambda: stack.get("/v1/usage").json()["total"]["jobs"] > known)
    body = stack.get("/v1/usage").json()
    assert body["complete"] is True
    assert "GG" in {row["model"] for row in body["usage"]}
    assert list(body) == list(SHOWN)
    assert list(body["usage"][0]) == list(SHOWN["usage"][0])


def test_replay_from_the_command_queues_a_job_but_does_not_submit_it(here: Stack) -> None:
    here.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    failed = here.call(VOD_PATH, IMAGE).json()["request_id"]
    wait_for(lambda: here.get(f"/v1/jobs/{failed}").json()["state"] == "failed")
    runtime = deployment.of_connection(here.connection).runtime()

    replayed = wait_for(lambda: replay(failed, runtime))

    assert (replayed.refusal, replayed.job.state) == (None, "queued")
    wait_for(lambda: here.get(f"/v1/jobs/{failed}").json()["state"] == "succeeded")


# The choice of the deployment


@pytest.mark.usefixtures("nowhere")
def test_incomplete_name_of_a_deployment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    complete = "--bucket ledger-1250000000 --region ap-guangzhou"
    for options, message in {
        "": "no deployment is named; allowed: --stack, or --bucket with --region",
        "--bucket ledger-1250000000": "--bucket and --region are needed together",
        "--region ap-guangzhou": "--bucket and --region are needed together",
        complete: "TENCENTCLOUD_SECRET_ID is not set",
    }.items():
        status, _, error = command(f"keys list {options}", capsys)
        assert status == 3
        assert error.startswith(f"aigc keys: {message}")


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a program `pulumi` that prints a file; return the path of the file."""
    outputs = tmp_path / "outputs.json"
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$5" = dev ] && cat {outputs} || {{ echo no stack >&2; exit 1; }}'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    for name, value in OWNER.items():
        monkeypatch.setenv(name, value)
    return outputs


def test_ledger_is_read_from_the_outputs_of_a_stack(pulumi: Path) -> None:
    names = {f"{role}Bucket": f"{role}-1250000000" for role in ("inbox", "results", "ledger")}
    outputs = {**names, "region": "ap-beijing", "subAppId": 1500000001, "keyNames": ["me"]}
    pulumi.write_text(json.dumps(outputs))

    target = deployment.of_stack("dev")

    assert (target.region, target.ledger) == ("ap-beijing", "ledger-1250000000")
    assert (target.key_names, target.knows_key_names) == (("me",), True)
    assert target.credentials == ("id", "key", None)
    assert "key" not in repr(target).replace("key_names", "")


def test_error_names_a_stack_without_a_ledger(pulumi: Path) -> None:
    pulumi.write_text("{}")

    with pytest.raises(deployment.DeploymentError, match="no ledger"):
        deployment.of_stack("dev")
    unreadable = "the outputs of the stack other cannot be read: no stack"
    with pytest.raises(deployment.DeploymentError, match=unreadable):
        deployment.of_stack("other")


def test_error_without_pulumi_names_the_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(deployment.DeploymentError, match="allowed: --bucket and --region"):
        deployment.of_stack("dev")


def test_versioned_bucket_is_refused_as_ledger(stack: Stack) -> None:
    other = f"versioned-{stack.connection['app_id']}"
    stack.cos().create_bucket(other)
    stack.cos().put_bucket_versioning(other, "Enabled")
    connection = {**stack.connection, "buckets": stack.connection["buckets"] | {"ledger": other}}

    with pytest.raises(deployment.DeploymentError, match="is versioned"):
        deployment.of_connection(connection).open_ledger()


# Without a deployment


def test_reserved_name_without_a_key_stays_taken_and_is_not_listed() -> None:
    bucket = InMemoryStore(ManualClock())
    bucket.create(f"{keys.NAMES}half", b"0" * 64)

    keys.create("whole", Limits(), bucket, START)

    assert [record.name for record in keys.records(bucket)] == ["whole"]
    with pytest.raises(keys.KeyNameError):
        keys.create("half", Limits(), bucket, START)
    with pytest.raises(keys.KeyNameError):
        keys.revoke("half", bucket, START)


def test_key_itself_is_not_stored() -> None:
    bucket = InMemoryStore(ManualClock())

    key = keys.create("shop", Limits(jobs_per_day=3), bucket, START)

    written = [name.encode() + body for name, (body, _) in bucket.objects.items()]
    assert len(written) == 2
    assert not any(key.encode() in data or key[5:].encode() in data for data in written)
