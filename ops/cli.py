"""The `aigc` command line.

Each command is a module of this package with a `main` of its own, imported when it is called.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from aigc.errors import AigcError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "local": "run the whole system on this machine, until Ctrl-C",
    "demo": "run the main job on the local cloud and show its results",
    "upload": "put a picture into the local cloud's inbox",
    "keys": "make, list and revoke API keys with limits",
    "replay": "try once more what was given up",
    "jobs": "list jobs, show one, and name those that are dead",
    "package": "build the zip that is deployed",
    "mcp": "offer a deployment's tools to agents, over stdio",
    "label": "show or verify the labels inside pictures",
    "rules": "check rules.toml",
    "prices": "check prices.toml",
    "models": "compare the model catalogue with the installed SDK",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status is the process's."""
    parser = argparse.ArgumentParser(
        prog="aigc",
        usage="aigc <command> [--help] …",
        epilog="commands:\n" + "\n".join(_described()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="one of those below")
    parser.add_argument("arguments", nargs="...", help="the command's own")
    given = parser.parse_args(arguments)
    command = importlib.import_module(f"ops.{given.command}")
    try:
        status: int = command.main(given.arguments)
    except AigcError as error:
        print(f"aigc {given.command}: {error}", file=sys.stderr)
        return 1
    return status


def _described() -> list[str]:
    return [f"  {name:9} {purpose}" for name, purpose in COMMANDS.items()]
