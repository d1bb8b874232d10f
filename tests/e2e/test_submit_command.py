"""`aigc submit` and the commands around it, as a user of a deployment runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from aigc_cli import cli
from tests.e2e.stack import SAMPLES, Stack

if TYPE_CHECKING:
    from pathlib import Path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command; return its status, its output and its messages."""
    status = cli.main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.usefixtures("here")
def test_a_prompt_becomes_a_saved_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "images"
    words = ("submit", "a lighthouse in the fog", "--save", str(folder), "--json")

    status, output, messages = run(capsys, *words)

    job = json.loads(output)
    [path] = job["files"]
    assert status == 0
    assert job["state"] == "succeeded"
    assert f"{job['request_id']}: succeeded, 1 image" in messages
    with Image.open(path) as image:
        assert image.width > 0


@pytest.mark.usefixtures("here")
def test_a_file_a_body_and_settings_make_the_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"prompt": "of the file", "seed": 7}))
    words = ("submit", "of the command", "--image", str(SAMPLES / "cat.jpg"), "--body", str(body))
    status, job_id, _ = run(
        capsys, *words, "--model", "GG:3.0", "--set", "output_config.resolution=2K"
    )
    assert status == 0

    followed, output, _ = run(capsys, "jobs", "follow", job_id.strip(), "--json")

    task = json.loads(output)["task"]
    assert followed == 0
    assert task["prompt"] == "of the command"
    assert task["seed"] == 7
    assert task["output_config"]["resolution"] == "2K"
    assert task["file_infos"][0]["url"].startswith("cos://")


def test_a_failed_job_gives_the_status_1(here: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    here.fault("vod.CreateAigcImageTask", "task_failure:InvalidParameter.VoilationContent")

    status, _, messages = run(capsys, "submit", "a bad prompt", "--wait")

    assert status == 1
    assert "failed: moderated" in messages


def test_jobs_are_listed_shown_and_cancelled(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    # The job waits, so that it cannot end before it is cancelled.
    here.faults({"where": "account", "what": "refuse:FailedOperation.UserArrears", "rate": 1.0})
    _, job_id, _ = run(capsys, "submit", "a harbour at night")
    job_id = job_id.strip()

    _, listed, _ = run(capsys, "jobs", "list", "--json", "--limit", "5")
    _, shown, _ = run(capsys, "jobs", "show", job_id)
    status, cancelled, _ = run(capsys, "jobs", "cancel", job_id)
    here.faults()

    assert job_id in {job["request_id"] for job in json.loads(listed)}
    assert json.loads(shown)["prompt"] == "a harbour at night"
    assert status == 0
    assert "CANCELLATION_REQUESTED" in cancelled


@pytest.mark.usefixtures("here")
def test_lanes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, output, _ = run(capsys, "lanes", "--json")
    _, table, _ = run(capsys, "lanes")

    assert status == 0
    assert {lane["name"] for lane in json.loads(output)["lanes"]} >= {"vod.image", "mps.image"}
    assert table.splitlines()[0].split() == ["LANE", "RUNNING", "LIMIT", "WAITING", "NOTE"]


def test_a_deployment_is_found_by_options_variables_and_a_profile(
    here: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint, key = here.connection["gateway"], here.connection["api_key"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    lanes = ("lanes", "--json")

    nothing, _, refused = run(capsys, *lanes)
    options, _, _ = run(capsys, *lanes, "--endpoint", endpoint, "--key", key)
    monkeypatch.setenv("AIGC_ENDPOINT", endpoint)
    no_key, _, without_key = run(capsys, *lanes)
    monkeypatch.setenv("AIGC_API_KEY", key)
    variables, _, _ = run(capsys, *lanes)
    monkeypatch.delenv("AIGC_ENDPOINT")
    monkeypatch.delenv("AIGC_API_KEY")
    login, kept, _ = run(capsys, "login", "--endpoint", endpoint, "--key", key)
    profile, _, _ = run(capsys, *lanes)
    forgotten, _, _ = run(capsys, "login", "--forget")

    assert (nothing, no_key) == (3, 3)
    assert "no local cloud is running" in refused
    assert "no API key" in without_key
    assert (options, variables, login, profile, forgotten) == (0, 0, 0, 0, 0)
    assert key not in kept


def test_a_wrong_key_and_a_dead_endpoint_give_the_status_3(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = here.connection["gateway"]

    wrong, _, refused = run(capsys, "lanes", "--endpoint", endpoint, "--key", "wrong")
    dead, _, unreached = run(capsys, "lanes", "--endpoint", "http://127.0.0.1:1", "--key", "any")

    assert (wrong, dead) == (3, 3)
    assert "401" in refused
    assert "GET http://127.0.0.1:1/v1/lanes: no answer in 4 tries: " in unreached
    assert "Connection refused; check the endpoint" in unreached


@pytest.mark.usefixtures("here")
def test_wrong_arguments_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (("--set", "seed"), "needed: key=value"),
        (("--image", "missing.png"), "no such file"),
        (("--model", "GG:3.0", "--set", "seed=many"), "seed"),
    ):
        status, _, messages = run(capsys, "submit", "x", *words)

        assert status in {1, 2}
        assert message in messages
