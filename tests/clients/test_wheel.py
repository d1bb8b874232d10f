"""Install the wheel with pip, from the package index, into an empty environment."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

from tests.clients.install import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack


def test_pip_installs_a_command_that_works(tmp_path: Path, stack: Stack) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]

    subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True, cwd=tmp_path)

    where = ["--endpoint", stack.gateway, "--key", str(stack.connection["api_key"])]
    lanes = subprocess.run(
        [str(environment / "bin" / "aigc"), "lanes", "--json", *where],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert json.loads(lanes.stdout)["lanes"]
