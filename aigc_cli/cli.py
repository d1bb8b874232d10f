"""The `aigc` command line.

Each command is a module of this package with a typer application of its own, `app`. The module is
imported when its command is called: some need the cloud's SDKs, which take seconds to import.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import Abort, TyperException

from aigc.errors import AigcError, CloudError
from aigc_cli.exits import FAILED, INTERRUPTED, NOT_FOUND
from aigc_cli.output import print_text
from aigc_cli.sources import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMMANDS = {
    "submit": "Make images with a deployment, and wait for them.",
    "local": "Run the whole system on this machine until Ctrl-C.",
    "demo": "Run the main job on the local cloud and show its results.",
    "upload": "Put an image into the local cloud's inbox, or list the results.",
    "jobs": "List, show, follow and cancel jobs; replay and restore dead ones.",
    "lanes": "Show running tasks and waiting jobs of each lane.",
    "usage": "Show the jobs that ended, their costs, and what is left of each ceiling.",
    "models": "List the models with their limits.",
    "console": "Open the web console of a deployment.",
    "login": "Keep a deployment's endpoint and API key.",
    "keys": "Make, list and revoke API keys with limits.",
    "uploads": "Show the outcomes of uploads, and make another job of one.",
    "backfill": "Make jobs of the objects that are in the inbox already.",
    "package": "Build the zip that is deployed.",
    "mcp": "Offer the tools of a deployment to agents, over stdio.",
    "label": "Show or verify the labels inside images.",
    "rules": "Check rules.toml, or show what an upload becomes.",
    "batch": "Run the lines of a file, check them, or list batches.",
    "prices": "Check prices.toml.",
    "doctor": "Try a deployment from outside, and say how to repair it.",
    "verify-cloud": "Check in the real cloud what the documents leave open.",
}


_CLOUD_MODULES = ("qcloud_cos", "requests", "tencentcloud", "urllib3")
"""Modules whose errors concern the network or credentials; they are printed without a traceback."""


_REFUSED_CREDENTIALS = (
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
)
"""Beginnings of the codes by which API 3.0 and COS refuse credentials."""


class _Deferred(TyperCommand):
    """A command whose module is imported when it is called."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:  # noqa: ANN401  typer's own types are private
        return _command(str(self.name)).make_context(info_name, args, *rest, **extra)


class _Commands(TyperGroup):
    """All commands, in the order of `COMMANDS`."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401  typer's own types are private
        return _without_types(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in COMMANDS:
            return None
        return _Deferred(cmd_name, callback=None, help=COMMANDS[cmd_name])


app = typer.Typer(cls=_Commands, no_args_is_help=True)


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield the words of each command, like `jobs list`, and its definition."""
    for name in COMMANDS:
        command = _command(name)
        parts: dict[str, Any] = getattr(command, "commands", {})
        if not parts or getattr(command, "invoke_without_command", False):
            yield name, command
        yield from ((f"{name} {part}", inner) for part, inner in parts.items())


def _command(name: str) -> Any:  # noqa: ANN401  typer's own types are private
    """Import a command and return it; its help texts have no line breaks inside a paragraph."""
    module = load(f"aigc_cli.{name.replace('-', '_')}")
    command: Any = typer.main.get_command(module.app)
    for part in (command, *getattr(command, "commands", {}).values()):
        part.help = re.sub(r"(?<!\n)\n(?!\n)", " ", part.help)  # the lines of a docstring
        part.get_params = functools.partial(_params, part.get_params)
    return command


def _params(params_of: Callable[[Any], Any], context: Any) -> Any:  # noqa: ANN401  typer's own types are private
    return _without_types(params_of(context))


def _without_types(parameters: Any) -> Any:  # noqa: ANN401  typer's own types are private
    """Let the help show no Python types: <bool> of a flag, <str> or <list[str]> of an argument."""
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda **_: None
        elif parameter.is_flag:
            parameter.metavar = ""
    return parameters


def _print_version(is_set: bool) -> None:
    if is_set:
        print(f"aigc {importlib.metadata.version('aigc-functions')}")
        raise typer.Exit


@app.callback()
def aigc(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Generate images in your own Tencent Cloud account, and try all of it without one.

    Start with `aigc demo`, or keep a local cloud running with `aigc local`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status of the process.

    0: success. 1: it failed, or a check found something. 2: wrong arguments. 3: the deployment is
    not found, does not answer or refuses the key. 130: Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(arguments, prog_name="aigc", standalone_mode=False)
        if sys.stdout is not None:  # the caller may have closed it
            sys.stdout.flush()
    except TyperException as error:
        _explain(error)
        sys.exit(error.exit_code)
    except AigcError as error:
        print_text(f"aigc {arguments[0]}: {error}{_advice(error)}", stderr=True)
        return _status(error)
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # the reader, for example `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # as typer does if a write fails; here the flush failed
    except Exception as error:
        if not type(error).__module__.startswith(_CLOUD_MODULES):
            raise
        text = f"aigc {arguments[0]}: {type(error).__name__}: {str(error)[:500]}"
        print_text(text, stderr=True)
        return NOT_FOUND
    return int(status or 0)


def _status(error: AigcError) -> int:
    has_no_answer = isinstance(error, CloudError) and not error.code
    default = NOT_FOUND if has_no_answer or _is_refused_credential(error) else FAILED
    return int(getattr(error, "exit_status", default))


def _advice(error: AigcError) -> str:
    if _is_refused_credential(error):
        return (
            "; the cloud refuses these credentials: set TENCENTCLOUD_SECRET_ID and"
            " TENCENTCLOUD_SECRET_KEY to a valid key, with TENCENTCLOUD_SECURITY_TOKEN if it is"
            " temporary; a temporary key expires"
        )
    if isinstance(error, CloudError):
        return "; trying again may help" if error.retryable else ""
    return ""


def _is_refused_credential(error: AigcError) -> bool:
    return str(getattr(error, "code", "")).startswith(_REFUSED_CREDENTIALS)


def _explain(error: TyperException) -> None:
    """Print the error of the arguments as one line."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "aigc"
    if message := error.format_message():  # empty if the help was printed instead
        message = message.replace("Value error, ", "")  # pydantic's word for a wrong choice
        print_text(f"{path}: {message}", stderr=True)
