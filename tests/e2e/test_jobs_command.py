"""`aigc jobs`: a dead job is listed, shown and run again."""

from __future__ import annotations

import json

import pytest

from aigc_cli import cli
from tests.e2e.stack import Stack, command, wait_for
from tests.e2e.tasks import IMAGE, VOD_PATH


def make_dead_job(stack: Stack) -> str:
    stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
    answer = stack.call(VOD_PATH, IMAGE).json()
    assert stack.ended(answer)["error_type"] == "task_failed"
    job_id: str = answer["request_id"]
    return job_id


def state_of(stack: Stack, job_id: str) -> str:
    state: str = next(job["state"] for job in stack.jobs() if job["id"] == job_id)
    return state


def test_commands_list_show_and_replay_a_dead_job(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = make_dead_job(here)

    _, listed = command("jobs list --state failed", capsys)
    _, dead = command("jobs dead", capsys)
    _, shown = command(f"jobs show {job_id}", capsys)
    status, replayed = command(f"jobs replay {job_id}", capsys)

    assert job_id in listed
    assert [line for line in dead.splitlines() if job_id in line and "may be billed" in line]
    assert json.loads(shown)["error"]["type"] == "task_failed"
    assert json.loads(shown)["prompt"] == IMAGE["prompt"]
    assert status == 0
    assert "waits for its attempt 2; the last one may have been billed" in replayed
    wait_for(lambda: state_of(here, job_id) == "succeeded")
    assert job_id not in command("jobs dead", capsys)[1]


def test_job_that_is_not_dead_is_not_replayed(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = here.call(VOD_PATH, IMAGE).json()
    here.ended(answer)

    status, output = command(f"jobs replay {answer['request_id']} {'0' * 32}", capsys)

    assert status == 1
    assert "has not failed" in output
    assert "is not there" in output


@pytest.mark.usefixtures("here")
def test_missing_job_cannot_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobs", "show", "0" * 32]) == 1
    assert "there is no job" in capsys.readouterr().err


def test_key_that_may_operate_replays_a_dead_job(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = make_dead_job(here)
    where = f"--endpoint {here.gateway} --key {here.connection['api_key']}"

    unconfirmed = command(f"jobs replay {job_id} {where}", capsys)
    confirmed = command(f"jobs replay {job_id} {where} --pay-again", capsys)

    assert unconfirmed[0] == 1
    assert "may have been billed" in unconfirmed[1]
    assert confirmed[0] == 0
    assert "attempt 2" in confirmed[1]
    wait_for(lambda: state_of(here, job_id) == "succeeded")
