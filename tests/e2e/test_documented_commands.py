"""The shell commands of the docs, run as a reader runs them, against one local cloud."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from aigc_cli.connection import connection_file
from tests.documented import Block, blocks
from tests.e2e.stack import ROOT, SAMPLES, Stack, wait_for
from tests.pages import blocks as code_blocks
from tests.pages import page

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = "docs/tutorial.md"
RUN = [block for block in blocks() if block.script and block.page != TUTORIAL]
PROGRESS = re.compile(r"^ID: (queued|submitting|running|storing)$")
"""A line about a state, which a faster cloud may leave out."""
YES = b"y\n\x04"
"""What is typed at the terminal: one answer, and its end."""


@pytest.fixture
def folder(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that looks like the project's to a reader, with the files of the examples."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    connection_file().write_text(json.dumps(stack.connection))
    for name in (".venv", "aigc_cli"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "cat.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes())
    (tmp_path / "ink.toml").write_text(code_blocks(page("rules.md"), "toml")[0])
    (tmp_path / "spring.jobs.jsonl").write_text(code_blocks(page("batches.md"), "json")[0])
    return tmp_path


@pytest.fixture(scope="module")
def image(stack: Stack) -> bytes:
    """Have the system make the image of an upload that the examples name."""
    wait_for(lambda: stack.ledger("inbox/deployed.json"))
    stack.upload("anime/cat.jpg", (SAMPLES / "cat.jpg").read_bytes())
    wait_for(lambda: "anime/cat.jpg-1.png" in stack.results("anime/"))
    return stack.result("anime/cat.jpg-1.png")


@pytest.fixture
def stored_image(image: bytes, folder: Path) -> Path:
    """Save the image as the examples name it."""
    path = folder / "cat-1.png"
    path.write_bytes(image)
    return path


def run(stack: Stack, script: str, folder: Path) -> str:
    """Run a script and answer each question with yes. It must succeed; return its output."""
    variables = {
        "GATEWAY": stack.gateway,
        "API_KEY": stack.connection["api_key"],
        "PORT": stack.connection["cloud"].rpartition(":")[2],
        "COLUMNS": "120",
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    keyboard, terminal = pty.openpty()
    os.write(keyboard, YES)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | variables,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(keyboard)
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


@pytest.mark.usefixtures("stored_image")
@pytest.mark.parametrize("block", RUN, ids=lambda block: f"{block.page}-{block.number}")
def test_documented_commands_succeed(stack: Stack, block: Block, folder: Path) -> None:
    printed = run(stack, block.script, folder)

    stack.faults()
    errors = set(re.findall(r'"error_type": "(\w+)"', printed))
    assert errors <= {"not_cancellable"}  # the job may have been sent before


def test_tutorial_prints_what_it_says(stack: Stack, folder: Path) -> None:
    wait_for(lambda: stack.ledger("inbox/deployed.json"))
    expected = outputs(page("tutorial.md"))
    steps = [block for block in blocks() if block.page == TUTORIAL and block.script]

    for block in steps:
        if block.text.startswith(".venv/bin/aigc upload --results"):
            wait_for(lambda: "anime/cat.jpg-1.png" in stack.results("anime/"))
        printed = run(stack, block.script, folder)
        missing = lines(expected.get(block.text, "")) - lines(printed)
        assert not missing, f"{block.script}\n{printed}"


def test_outputs_of_commands_that_are_not_run_are_in_the_code() -> None:
    code = "".join((ROOT / "aigc_cli" / name).read_text() for name in ("demo.py", "local.py"))
    expected = outputs(page("tutorial.md"))

    for command in ("make demo\n", "make local\n"):
        for line in expected[command].splitlines():
            text = line.replace("as long as", "{pace}")  # how long tasks take at speed 1
            pattern = re.sub(r"\d+", ".+", re.escape(text))
            assert re.search(pattern, code), line


def outputs(text: str) -> dict[str, str]:
    """Return the blocks of commands that are followed by their output: commands → output."""
    inner = r"((?:(?!```).*\n)+)```$"
    pattern = rf"^```sh\n{inner}\n+(?:[^`\n].*\n+)?```text\n{inner}"
    pairs: list[tuple[str, str]] = re.findall(pattern, text, re.MULTILINE)
    return dict(pairs)


def lines(text: str) -> set[str]:
    """Return the lines of an output without what differs from run to run."""
    for pattern, replacement in (
        (r"(the key [a-z]+)-\d+", r"\1"),  # tests/documented.py adds the number
        (r"aigc_[\w-]+", "KEY"),
        (r"\b[0-9a-f]{32}\b", "ID"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
        (r"\d+", "N"),
        (r"\b(queued|submitting|running|storing|succeeded) ", "STATE "),
        (r"[ \t]+", " "),
    ):
        text = re.sub(pattern, replacement, text)
    stripped = {line.strip() for line in text.splitlines()}
    return {line for line in stripped if line not in {"", "…"} and not PROGRESS.match(line)}
