"""Runs many commands in one process, and marks where the output of each begins and ends.

`python -m tests.e2e.terminal` reads command lines from a JSON file.
A process for each command would take a second each to import the same modules.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_cli import cli

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 80
ROWS = 40
MARK = "\x1e"
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|_G[^\x1b]*\x1b\\|\][^\a]*\a)")


@dataclass(frozen=True)
class Output:
    """What a command wrote, to stdout and stderr, and its exit status."""

    text: str
    status: int

    @property
    def plain(self) -> str:
        """The text without escape codes."""
        return ESCAPE.sub("", self.text)

    @property
    def lines(self) -> list[str]:
        """The lines as they stay on the screen; of a line that changes, each version."""
        return re.split(r"[\r\n]+", self.plain)


def in_terminal(commands: Sequence[Sequence[str]], folder: Path) -> list[Output]:
    """Run commands in a pseudo-terminal of 80 columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with _start(commands, folder, follower) as process:
        os.close(follower)
        written = b""
        with contextlib.suppress(OSError):  # Linux says EIO when the last writer has ended
            while part := os.read(leader, 65536):
                written += part
        os.close(leader)
    return _outputs(written.decode(), process)


def in_pipe(commands: Sequence[Sequence[str]], folder: Path) -> list[Output]:
    """Run commands whose output is a pipe."""
    with _start(commands, folder, subprocess.PIPE) as process:
        assert process.stdout is not None
        written = process.stdout.read()
    return _outputs(written.decode(), process)


def _start(commands: Sequence[Sequence[str]], folder: Path, output: int) -> subprocess.Popen[bytes]:
    file = folder / "commands.json"
    file.write_text(json.dumps(commands))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.terminal", str(file)],
        cwd=ROOT,
        env=environment | {"TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL if output == subprocess.PIPE else output,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def _outputs(written: str, process: subprocess.Popen[bytes]) -> list[Output]:
    assert process.wait() == 0, written
    parts = re.findall(f"{MARK}([^{MARK}]*){MARK}status (\\d+)\\r?\\n", written)
    return [Output(text, int(status)) for text, status in parts]


def main(file: Path) -> None:
    """Run each command line and mark its output."""
    for arguments in json.loads(file.read_text()):
        sys.stdout.write(MARK)
        sys.stdout.flush()
        try:
            status = cli.main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        sys.stderr.flush()
        sys.stdout.write(f"{MARK}status {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
