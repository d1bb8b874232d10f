"""Every command in a terminal of 80 columns and in a pipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from aigc_cli import cli
from tests.e2e.stack import SAMPLES, Stack
from tests.e2e.terminal import COLUMNS, Output, in_pipe, in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUN_ELSEWHERE = {"demo", "local", "mcp", "package"}
"""Commands with tests of their own, since they take longer; here they print their help only."""

PRINTS_JSON = {"jobs show", "label show"}
"""Commands whose output is always JSON, whose lines are as long as its values."""

LONG_PROMPT = "a harbour at night, 远处的船只和海鸥, with many ships and a light in each window"
UPLOAD = "anime/terminal.jpg"
LINES = '{"prompt": "x", "model_name": "GG", "model_version": "3.0"}\n{"prompt": 1}\n'


def cases(failed: str, succeeded: str, folder: Path) -> dict[str, int]:
    """Return command lines with the exit status of each; all commands are among them."""
    batch = folder / "terminal.jsonl"
    batch.write_text(LINES)
    return {
        f"submit fog --save {folder}/saved": 0,
        "submit fog --model Unknown:1": 0,
        "jobs list": 0,
        f"jobs show {failed}": 0,
        f"jobs follow {failed}": 1,
        f"jobs cancel {failed}": 1,
        "jobs dead": 0,
        f"jobs restore {failed}": 1,
        f"jobs replay {succeeded}": 1,
        "lanes": 0,
        "lanes --key wrong": 3,
        "lanes --endpoint http://127.0.0.1:1 --key any": 3,
        "usage": 0,
        "models": 0,
        "models show GG": 0,
        "models check": 0,
        "console --print": 0,
        "login --forget": 0,
        f"keys new {folder.name} --kinds vod.image,mps.image --jobs-per-day 9 --own-only": 0,
        "keys list": 0,
        f"keys revoke {folder.name}": 0,
        "uploads list": 0,
        f"uploads show {UPLOAD}": 0,
        f"uploads redo {UPLOAD}": 0,
        "backfill --dry-run --prefix nothing/": 0,
        "upload aigc_cli/samples/cat.jpg other/terminal.jpg": 0,
        "rules check": 0,
        "rules test anime/cat.jpg": 0,
        "prices": 0,
        f"batch check {batch} --kind vod.image": 1,
        f"batch run {batch} --kind vod.image": 1,
        "batch list": 0,
        "label show aigc_cli/samples/cat.jpg": 0,
        "label verify aigc_cli/samples/cat.jpg": 1,
        "doctor": 0,
        "verify-cloud --list": 0,
        "nonsense": 2,
        **{f"{name} --help": 0 for name in cli.COMMANDS},
    }


@pytest.fixture(scope="module")
def run_all(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Return a function that runs all cases; it returns the expected status and the output."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("XDG_RUNTIME_DIR", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home))
        (home / "aigc-local.json").write_text(json.dumps(stack.connection))
        stack.fault("vod.CreateAigcImageTask", "task_failure:InternalError")
        failed, succeeded = submitted(stack), submitted(stack)
        stack.upload(UPLOAD, (SAMPLES / "cat.jpg").read_bytes())

        def run(how: Callable[..., list[Output]], name: str) -> dict[str, tuple[int, Output]]:
            lines = cases(failed, succeeded, tmp_path_factory.mktemp(name))
            outputs = how([line.split() for line in lines], home)
            expected = zip(lines.values(), outputs, strict=True)
            return dict(zip(lines, expected, strict=True))

        yield run


def submitted(stack: Stack) -> str:
    """Make a request and wait for its end."""
    body = {"model_name": "GG", "model_version": "3.0", "prompt": LONG_PROMPT}
    answer = stack.call("tencent-vod/v1/aigc-image", body).json()
    stack.ended(answer)
    return str(answer["request_id"])


def command_of(line: str) -> str:
    """Return the words of a command line that name the command."""
    words = line.split()
    return max((name for name in ALL if words[: name.count(" ") + 1] == name.split()), default="")


ALL = dict(cli.all_commands())


def test_each_command_is_run(tmp_path: Path) -> None:
    run = {command_of(line) for line in cases("id", "id", tmp_path) if "--help" not in line}

    assert ALL.keys() - run == RUN_ELSEWHERE


def test_output_fits_a_terminal_of_80_columns(stack: Stack, run_all: Callable[..., Any]) -> None:
    outputs = run_all(in_terminal, "terminal")

    wrong = wrong_statuses(outputs)
    assert not wrong, wrong
    assert [line for line, (_, output) in outputs.items() if "Traceback" in output.text] == []
    [progress] = [
        output.text for line, (_, output) in outputs.items() if line.startswith("submit fog --save")
    ]
    assert "succeeded, 1 image" in progress
    assert stack.connection["api_key"] not in progress
    wide = {
        line: [text for text in output.lines if is_too_wide(text)]
        for line, (_, output) in outputs.items()
        if command_of(line) not in PRINTS_JSON
    }
    assert {line: texts for line, texts in wide.items() if texts} == {}
    assert "examining alarms …" in outputs["doctor"][1].plain


def test_output_in_a_pipe_has_no_escape_codes_and_no_progress_bar(
    run_all: Callable[..., Any],
) -> None:
    outputs = run_all(in_pipe, "pipe")

    wrong = wrong_statuses(outputs)
    assert not wrong, wrong
    for line, (_, output) in outputs.items():
        for unwanted in ("\x1b", "\r", "━", "⠋", "examining", "Traceback"):
            assert unwanted not in output.text, line
    rows = outputs["jobs list"][1].text.splitlines()
    assert rows[0].split() == ["ID", "KIND", "STATE", "CREATED", "FROM", "WHAT"]
    assert all(len(row.split()[0]) == 32 for row in rows[1:])


def wrong_statuses(outputs: dict[str, tuple[int, Output]]) -> dict[str, tuple[int, str]]:
    return {
        line: (output.status, output.plain)
        for line, (status, output) in outputs.items()
        if output.status != status
    }


def is_too_wide(line: str) -> bool:
    """Whether a line is too wide although it could be broken: a URL or a path cannot."""
    return cell_len(line) > COLUMNS and len(line.split()) > 1
