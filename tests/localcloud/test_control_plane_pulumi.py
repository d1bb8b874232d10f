"""`aigc local --no-provision`, and Pulumi's own command line against it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from ops.local_pulumi import STACK, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("pulumi", "pulumi-resource-tencentcloud")
ABSENT = [program for program in PROGRAMS if shutil.which(program) is None]
# Where they are not, test_control_plane_replay sends what the provider was seen to send.
needs_pulumi = pytest.mark.skipif(
    bool(ABSENT), reason=f"not on PATH: {', '.join(ABSENT)}; see docs/localcloud.md"
)


@contextlib.contextmanager
def empty_cloud() -> Iterator[dict[str, Any]]:
    """Run the command until its end; what it says of itself."""
    command = [sys.executable, "-m", "ops", "local", "--no-provision", "--json", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            assert process.wait(30) == 0


@dataclass(frozen=True)
class Pulumi:
    """The command line, led to a local cloud."""

    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(shutil.which("pulumi")), "--non-interactive", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def configure(self, config: dict[str, str]) -> None:
        for arguments in settings(config):
            self("config", "set", *arguments)


@pytest.fixture
def settings_file() -> Iterator[Path]:
    """The file into which Pulumi writes the stack's settings, gone again after the test."""
    file = ROOT / f"Pulumi.{STACK}.yaml"
    if file.exists():
        pytest.fail(f"{file.name} is in the way: it is of a stack of your own")
    yield file
    file.unlink(missing_ok=True)


def test_empty_cloud_tells_how_to_reach_it() -> None:
    with empty_cloud() as told:
        variables = told["environment"]
        functions = requests.get(f"{told['cloud']}/_localcloud/scf", timeout=10).json()

        assert variables["HTTP_PROXY"] == told["cloud"]
        assert Path(variables["PULUMI_BACKEND_URL"].removeprefix("file://")).is_dir()
        assert Path(told["config"]["packagePath"]).is_file()
        assert functions == {}


def test_state_is_forgotten_with_the_cloud() -> None:
    with empty_cloud() as told:
        state = Path(told["environment"]["PULUMI_BACKEND_URL"].removeprefix("file://"))

    assert not state.exists()


def test_object_is_set_entry_by_entry_since_pulumi_takes_its_json_for_a_string() -> None:
    arguments = settings({"apiKeys": '{"me": "0a"}', "callbackKey": "c" * 16, "timeout": "90"})

    assert list(arguments) == [
        ["--secret", "--path", 'apiKeys["me"]', "0a"],
        ["--secret", "callbackKey", "c" * 16],
        ["--plaintext", "timeout", "90"],
    ]


@needs_pulumi
@pytest.mark.usefixtures("settings_file")
def test_stack_is_created_found_unchanged_updated_and_destroyed() -> None:
    with empty_cloud() as told:
        pulumi = Pulumi(told["environment"])
        pulumi("stack", "init", STACK)
        pulumi.configure(told["config"])

        pulumi("up", "--yes", "--skip-preview")
        endpoint = pulumi("stack", "output", "endpoint").strip()
        health = requests.get(f"{endpoint}/health", proxies={"http": ""}, timeout=30)
        pulumi("preview", "--expect-no-changes")
        pulumi.configure({"timeout": "90"})
        pulumi("up", "--yes", "--skip-preview")
        pulumi("preview", "--expect-no-changes")
        pulumi("state", "unprotect", "--all", "--yes")
        pulumi("destroy", "--yes", "--skip-preview")

        left = requests.get(f"{told['cloud']}/_localcloud/scf", timeout=10).json()
        assert health.status_code == 200
        assert left == {}
