"""Saved images are drawn only in terminals that can draw them."""

from __future__ import annotations

import base64
import io
import re
import sys

import pytest

from aigc_cli.follow import show_inline

IMAGE = b"\x89PNG" + bytes(range(256)) * 40
VARIABLES = ("TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(
    monkeypatch: pytest.MonkeyPatch, content: bytes, stdout: io.StringIO, **variables: str
) -> str:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stdout)
    show_inline(content)
    return stdout.getvalue()


@pytest.mark.parametrize(
    "variables",
    [{"TERM_PROGRAM": "iTerm.app"}, {"TERM_PROGRAM": "vscode"}, {"LC_TERMINAL": "iTerm2"}],
)
def test_iterm2_gets_the_whole_file(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = drawn(monkeypatch, IMAGE, Terminal(), **variables)

    [data] = re.findall("\033]1337;File=inline=1;width=60:([^\a]*)\a\n", text)
    assert base64.b64decode(data) == IMAGE


@pytest.mark.parametrize("variables", [{"KITTY_WINDOW_ID": "1"}, {"TERM_PROGRAM": "ghostty"}])
def test_kitty_gets_parts_of_which_all_but_the_last_say_that_more_follow(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = drawn(monkeypatch, IMAGE, Terminal(), **variables)

    parts = re.findall("\033_G([^;]*);([^\033]*)\033\\\\", text)
    assert base64.b64decode("".join(data for _, data in parts)) == IMAGE
    assert [keys[-3:] for keys, _ in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]
    assert all(len(data) <= 4096 for _, data in parts)


def test_nothing_is_drawn_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, IMAGE, Terminal()) == ""
    assert drawn(monkeypatch, IMAGE, io.StringIO(), TERM_PROGRAM="iTerm.app") == ""
    assert drawn(monkeypatch, b"\xff\xd8\xff", Terminal(), KITTY_WINDOW_ID="1") == ""
