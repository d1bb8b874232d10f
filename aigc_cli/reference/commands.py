"""The table of docs/command.md: every command of `aigc` with its own arguments and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc_cli.cli import all_commands
from aigc_cli.deployment import PANEL
from aigc_cli.reference.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.reference.translation import Translate


def command_table(translate: Translate) -> str:
    """Return the table of all commands."""
    rows = (
        (f"`aigc {words}`", translate(summary(command)), " ".join(_parameters(command)))
        for words, command in all_commands()
    )
    return table(("command", "what it does", "arguments and options"), rows, translate)


def summary(command: Any) -> str:  # noqa: ANN401  typer's own types are private
    """Return the first paragraph of a command's help."""
    return " ".join(str(command.help or "").partition("\n\n")[0].split())


def _parameters(command: Any) -> Iterator[str]:  # noqa: ANN401  typer's own types are private
    """Yield the arguments and options of a command, without those that most commands share."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = str(parameter.metavar or parameter.name).upper()
            yield f"`{name}`" if parameter.nargs == 1 else f"`{name}...`"
        elif not parameter.hidden and not _is_shared(parameter):
            yield f"`{parameter.opts[0]}`"


def _is_shared(option: Any) -> bool:  # noqa: ANN401  typer's own types are private
    return option.rich_help_panel == PANEL or "--json" in option.opts
