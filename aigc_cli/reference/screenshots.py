"""Makes the images of a terminal in docs/images: `python -m aigc_cli.reference.screenshots`.

Each image shows the real output of a command at a terminal of 100 columns, with a local cloud that
this program starts.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from aigc_cli.connection import connection_file
from aigc_cli.reference.translation import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = DOCS.parent
COLUMNS = 100
AIGC = str(Path(sys.executable).with_name("aigc"))

IMAGES: dict[str, list[tuple[str, ...]]] = {
    "terminal-demo": [("demo",)],
    "terminal-jobs": [
        ("submit", "a lighthouse in the fog", "--wait"),
        ("upload", "aigc_cli/samples/cat.jpg", "anime/cat.jpg"),
        ("jobs", "list"),
        ("lanes",),
    ],
    "terminal-doctor": [("doctor",)],
}
"""Name of the image → the commands that it shows."""


def main() -> int:
    """Run the commands and write the images."""
    with tempfile.TemporaryDirectory() as folder, local_cloud(folder):
        for name, commands in IMAGES.items():
            console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
            for words in commands:
                console.print(f"[bold green]$[/] aigc {' '.join(map(quoted, words))}")
                text = screen(output_of([AIGC, *words])).replace(str(ROOT), "~/aigc-functions")
                console.print(Text.from_ansi(text))
                time.sleep(2)  # an upload's event arrives
            write(name, console)
    return 0


def quoted(word: str) -> str:
    """Return a word in quotes if a shell needs them."""
    return f'"{word}"' if " " in word else word


def write(name: str, console: Console) -> None:
    """Write an image that loads no font from another host."""
    svg = console.export_svg(title="aigc", unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (DOCS / "images" / f"{name}.svg").write_text(svg, encoding="utf-8")


@contextlib.contextmanager
def local_cloud(folder: str) -> Iterator[None]:
    """Run a local cloud that the commands of this process find."""
    os.environ |= {"XDG_RUNTIME_DIR": folder, "XDG_CONFIG_HOME": folder, "COLUMNS": str(COLUMNS)}
    command = [AIGC, "local", "--json", "--port", "0", "--speed", "5"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101  it is a pipe
            connection_file().write_text(process.stdout.readline(), encoding="utf-8")
            time.sleep(15)  # until the first sweep has run
            yield
        finally:
            process.terminate()


def output_of(command: list[str]) -> str:
    """Run a command at a terminal and return its output."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, cwd=ROOT, stdin=follower, stdout=follower, stderr=follower):
        os.close(follower)
        parts: list[bytes] = []
        with contextlib.suppress(OSError):  # the command has ended
            while part := os.read(leader, 65536):
                parts.append(part)
    os.close(leader)
    return b"".join(parts).decode(errors="replace")


def screen(text: str) -> str:
    """Return the last content of the terminal; colours are kept."""
    lines, row = [""], 0
    for part in re.split(r"(\r?\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[lh])", text):
        if part in {"\n", "\r\n"}:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif match := re.fullmatch(r"\x1b\[(\d*)A", part):
            row = max(0, row - int(match[1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part and not part.startswith(("\r", "\x1b[?25")):
            lines[row] += part
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    sys.exit(main())
