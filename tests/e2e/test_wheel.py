"""The wheel in an environment that has nothing but what the wheel requires."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from PIL import Image

from tests.e2e.stack import ROOT, Stack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NEED_SOURCES = {"demo", "doctor", "local", "package", "verify-cloud"}

HELP_OF_ALL = """
from aigc_cli import cli
for name in cli.COMMANDS:
    status = cli.main([name, "--help"])
    print(f"={name}={status}")
"""


def required(names: Iterable[str]) -> set[str]:
    """Return the distributions that these requirements install here, with all that they need."""
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(name), "") for name in names]
    while todo:
        requirement, by_extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": by_extra}):
            continue
        inner = [Requirement(name) for name in distribution(requirement.name).requires or ()]
        for extra in {"", *requirement.extras}:
            if (requirement.name, extra) not in seen:
                seen.add((requirement.name, extra))
                todo += [(each, extra) for each in inner]
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel; its requirements are links to what this environment has of them."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    subprocess.run([*pip, "--quiet", "--no-deps", str(wheel)], check=True, cwd=folder)
    [packages] = environment.glob("lib/python*/site-packages")
    [metadata] = packages.glob("aigc_functions-*.dist-info")
    requirements = Distribution.at(metadata).requires
    assert requirements
    for name in required(requirements):
        link(distribution(name), packages)
    return environment / "bin" / "aigc"


def link(installed_distribution: Distribution, folder: Path) -> None:
    for file in installed_distribution.files or ():
        if ".." not in file.parts:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(str(installed_distribution.locate_file(file)))


def run(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_print_their_help_or_what_they_need(installed: Path, tmp_path: Path) -> None:
    done = run(installed.parent / "python", tmp_path, "-c", HELP_OF_ALL)

    assert done.returncode == 0, done.stderr
    statuses = dict(re.findall("^=(.+)=(.+)$", done.stdout, re.MULTILINE))
    assert {name for name, status in statuses.items() if status != "0"} == NEED_SOURCES


def test_command_that_needs_the_sources_says_so(installed: Path, tmp_path: Path) -> None:
    for command in ("doctor", "models check"):
        done = run(installed, tmp_path, *command.split())

        name = command.partition(" ")[0]
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"aigc {name}: this command needs the project's folder; clone the project,"
            " run `make setup` there, and use its .venv/bin/aigc\n"
        )


def test_user_of_a_deployment_makes_and_lists_images(
    installed: Path, tmp_path: Path, stack: Stack
) -> None:
    where = ("--endpoint", stack.gateway, "--key", str(stack.connection["api_key"]))

    version = run(installed, tmp_path, "--version")
    overview = run(installed, tmp_path, "--help")
    submitted = run(
        installed, tmp_path, "submit", "a lighthouse", *where, "--wait", "--save", "out", "--json"
    )
    listed = run(installed, tmp_path, "jobs", "list", "--json", *where)
    models = run(installed, tmp_path, "models")

    assert version.stdout.startswith("aigc 0.")
    assert "submit" in overview.stdout
    assert submitted.returncode == 0, submitted.stderr
    job = json.loads(submitted.stdout)
    with Image.open(tmp_path / job["files"][0]) as image:
        assert image.width > 0
    assert job["request_id"] in {each["request_id"] for each in json.loads(listed.stdout)}
    assert "GG" in models.stdout


def test_rules_and_prices_are_those_of_the_current_folder(installed: Path, tmp_path: Path) -> None:
    missing = run(installed, tmp_path, "rules", "check")
    for name in ("rules.toml", "prices.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    present = run(installed, tmp_path, "rules", "test", "anime/cat.jpg", "--json")

    assert missing.returncode == 2
    assert "'rules.toml' is not a file" in missing.stderr
    assert json.loads(present.stdout)["jobs"][0]["rule"] == "anime"
