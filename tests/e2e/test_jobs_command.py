"""`aigc jobs` and `aigc replay`: what died is found, shown, and runs again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops import cli, upload
from tests.e2e.stack import Stack, wait_for

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a harbour"}
PATH = "tencent-vod/v1/aigc-image"


@pytest.fixture
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Let commands find the running system as they find `make local`."""
    monkeypatch.setattr(upload, "CONNECTION", tmp_path / "connection.json")
    upload.CONNECTION.write_text(json.dumps(stack.connection))
    return stack


def command(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(line.split())
    return status, capsys.readouterr().out


def died(stack: Stack) -> str:
    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    answer = stack.call(PATH, IMAGE).json()
    assert stack.ended(answer)["error_type"] == "task_failed"
    job_id: str = answer["request_id"]
    return job_id


def state_of(stack: Stack, job_id: str) -> str:
    return next(job["state"] for job in stack.jobs() if job["id"] == job_id)


def test_a_dead_job_is_listed_shown_and_replayed_by_commands(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = died(here)

    _, listed = command("jobs list --state failed", capsys)
    _, dead = command("jobs dead", capsys)
    _, shown = command(f"jobs show {job_id}", capsys)
    status, replayed = command(f"replay {job_id}", capsys)

    assert job_id in listed
    assert [line for line in dead.splitlines() if job_id in line and "may be billed" in line]
    assert json.loads(shown)["error"]["type"] == "task_failed"
    assert "prompt" not in shown
    assert (status, "waits for its attempt 2; the last one may have been billed" in replayed) == (
        0,
        True,
    )
    wait_for(lambda: state_of(here, job_id) == "succeeded")
    assert job_id not in command("jobs dead", capsys)[1]


def test_what_did_not_die_is_not_replayed(here: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here.call(PATH, IMAGE).json()
    here.ended(answer)

    status, told = command(f"replay {answer['request_id']} {'0' * 32}", capsys)

    assert status == 1
    assert "has not failed" in told
    assert "is not there" in told


def test_a_job_that_there_is_not_cannot_be_shown(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here.gateway
    assert cli.main(["jobs", "show", "0" * 32]) == 1
    assert "there is no job" in capsys.readouterr().err
