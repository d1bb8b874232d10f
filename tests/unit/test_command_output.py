"""Tables and messages of the command, in terminals of some widths and in a pipe."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.table import Table
from typer import Context

from aigc_cli import cli
from aigc_cli.cli import all_commands
from aigc_cli.exits import NOT_FOUND
from aigc_cli.output import print_grid, print_table, print_text, terminal_status

if TYPE_CHECKING:
    from pathlib import Path

HEAD = ("ID", "STATE", "FROM", "WHAT")
ID = "0123456789abcdef" * 2
ROW = (ID, "failed", "call:shop", "a harbour at night with many ships and a light in each window")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    output = capsys.readouterr().out
    return [re.sub("\033\\[[0-9;]*m", "", line).rstrip() for line in output.splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let rich take the output for a terminal; a test says how wide it is."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_columns_that_do_not_fit_are_below_their_row(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "60")

    print_table([HEAD, ROW, ROW], below=2)

    row = [
        f"{ID}  failed",
        "  call:shop  a harbour at night with many ships and a light",
        "  in each window",
    ]
    assert lines(capsys) == [f"ID{'STATE':>37}", *row, *row]


def test_table_that_fits_stays_a_table(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "200")

    print_table([HEAD, ROW], below=2)

    assert lines(capsys)[1] == "  ".join(ROW)


def test_id_stays_whole_in_a_narrow_terminal(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "20")

    print_table([HEAD, ROW], below=2)

    assert f"{ID}  failed" in lines(capsys)


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\033[31mred\nline\r\x9b0m"

    print_table([("ID", "WHAT"), (ID, evil)])
    print_text(f"failed: {evil}")

    assert capsys.readouterr().out == (
        f"ID                                WHAT\n{ID}  a [31mred line  0m\n"
        "failed: a [31mred\nline  0m\n"
    )


def test_terminal_shows_what_a_command_is_busy_with(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (sys.stdout, sys.stderr):
        terminal.setattr(stream, "isatty", lambda: True)

    with terminal_status("building …") as show:
        show("compressing …")

    output, messages = capsys.readouterr()
    assert output == ""
    assert "compressing …" in messages
    assert messages.endswith("\x1b[1A\x1b[2K")  # the line is removed at the end


@pytest.mark.parametrize("where", ["stdout is a pipe", "stderr is a pipe", "--json"])
def test_nothing_is_shown_elsewhere(
    where: str, terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setattr(sys.stdout, "isatty", lambda: where != "stdout is a pipe")
    terminal.setattr(sys.stderr, "isatty", lambda: where != "stderr is a pipe")

    with terminal_status("building …", as_json=where == "--json") as show:
        show("compressing …")

    assert capsys.readouterr() == ("", "")


def test_an_error_of_a_whole_line_names_the_line_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text("[]\n")

    cli.main(["batch", "check", str(file)])

    assert capsys.readouterr().out.startswith("line 1: a list of 0 is not allowed; ")


@pytest.mark.parametrize("command", [command for _, command in all_commands()])
def test_help_shows_no_types_of_python(command: Any) -> None:
    shown = {
        parameter.display_type_rich(ctx=Context(command))
        for parameter in command.get_params(Context(command))
    }

    assert not {text for text in shown if text and text.startswith(("<str", "<list", "<Path"))}


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("lanes --stack prod", "allowed: --endpoint"),
        ("doctor --stack prod", "install it, and try again"),
    ],
)
def test_a_missing_pulumi_is_told_with_what_helps(
    command: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "")

    assert cli.main(command.split()) == NOT_FOUND

    assert capsys.readouterr().err.strip().endswith(f"which is not installed; {remedy}")


def test_a_row_of_a_grid_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    grid, long_text = Table.grid(padding=(0, 1)), "a long text " * 20
    grid.add_row("ok", long_text)
    grid.add_row("", "short")

    print_grid(grid)

    assert capsys.readouterr().out == f"ok {long_text.rstrip()}\n   short\n"
