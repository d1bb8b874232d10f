"""The table of docs/command.md: every command of `aigc` with its arguments and options."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import typer

from ops.cli import COMMANDS
from ops.reference.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.reference.translation import Translate


def command_table(translate: Translate) -> str:
    """Return the table of all commands that do something themselves."""
    rows = (
        (f"`{path}`", " ".join(_parameters(command)), translate(summary(command)))
        for path, command in all_commands()
    )
    return table(("command", "arguments and options", "what it does"), rows, translate)


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its path: `aigc jobs list`."""
    for name in COMMANDS:
        module = importlib.import_module(f"ops.{name.replace('-', '_')}")
        yield from _commands_below(f"aigc {name}", typer.main.get_command(module.app))


def _commands_below(path: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  typer's own types are private
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield path, command
    for name, inner in below.items():
        yield from _commands_below(f"{path} {name}", inner)


def summary(command: Any) -> str:  # noqa: ANN401  typer's own types are private
    """Return the first paragraph of a command's help."""
    return " ".join(str(command.help or "").partition("\n\n")[0].split())


def _parameters(command: Any) -> Iterator[str]:  # noqa: ANN401  typer's own types are private
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield f"`{str(parameter.metavar or parameter.name).upper()}`"
        elif not parameter.hidden:
            yield f"`{parameter.opts[0]}`"
