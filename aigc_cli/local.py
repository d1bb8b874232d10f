"""`aigc local`: runs the whole system on this machine until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc_cli import options
from aigc_cli.connection import announced, connection_file
from aigc_cli.local_pulumi import STACK, commands, environment
from aigc_cli.local_stack import empty_cloud, local_stack, stack_config
from aigc_cli.output import terminal_status
from aigc_cli.package import local_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.local_stack import LocalStack

HINTS = """
The local cloud is up. It draws the images itself.
Tasks take {pace} in the cloud.

{console_hint}submit   .venv/bin/aigc submit "a lighthouse in the fog" --save images

call     curl -s {gateway}/tencent-vod/v1/aigc-image \\
           -H 'Authorization: Bearer {api_key}' \\
           -H 'Content-Type: application/json' \\
           -d '{{"model_name": "GG", "model_version": "3.0",
                "prompt": "a lighthouse in the fog"}}'
         and open the answer's status_url and response_url with the same key

upload   .venv/bin/aigc upload aigc_cli/samples/cat.jpg anime/cat.jpg
         .venv/bin/aigc upload --results
         the results appear in the bucket {results};
         the second command lists them with links for a browser

paid     curl -s {cloud}/_localcloud/tasks

SDKs     endpoint {endpoint} over http,
         or the real hosts through the proxy {cloud},
         with secret id {secret_id}
         and the key in {connection}
{fal}
Ctrl-C stops everything.
"""

CONSOLE_HINTS = """\
console  {console}
         a page for browsers; its key is {api_key}

"""

FAL_HINTS = """
fal      export {variables}
         for fal-client, which needs https; docs/fal.md explains how to keep
         its uploads, and with them your key, from fal.ai
"""


EMPTY_HINTS = """
The local cloud is up and empty. In another terminal, in the project's folder:

{commands}

api key  {api_key}

Ctrl-C stops everything, and forgets Pulumi's state with the cloud that it
describes.
"""


app = typer.Typer(add_completion=False)

WAKE_S = 0.5
"""How often the command looks for a signal that another thread has received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The options of `aigc local`."""

    port: int
    speed: float
    data: Path | None
    timeout_s: int
    as_json: bool
    package: Path
    """The functions' zip."""
    has_console: bool


@app.command()
def main(
    port: Annotated[
        int,
        typer.Option(
            parser=options.whole(0, 65535),
            metavar="N",
            help="TCP port of the cloud; 0 chooses a free one.",
        ),
    ] = 8790,
    speed: Annotated[
        float,
        typer.Option(
            parser=options.speed, metavar="N", help="Make tasks and waits N times faster."
        ),
    ] = 1.0,
    data: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder, metavar="FOLDER", help="Keep the cloud's state in this folder."
        ),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            parser=options.whole(10, 900), metavar="N", help="Timeout of a function in seconds."
        ),
    ] = 30,
    no_provision: Annotated[
        bool, typer.Option("--no-provision", help="Deploy nothing; `pulumi up` can do it then.")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option(
            parser=options.existing_file, metavar="FILE", help="Deploy these rules for uploads."
        ),
    ] = None,
    no_console: options.NoConsole = False,
    tls: Annotated[bool, typer.Option("--tls", help="Also serve https, for fal-client.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for programs when it is ready.")
    ] = False,
) -> None:
    """Run the whole system on this machine until Ctrl-C or SIGTERM.

    Example: aigc local --speed 10
    """
    if rules and no_provision:
        raise typer.BadParameter(
            "--rules and --no-provision cannot be combined: rules are part of the deployed zip"
        )
    if tls and no_provision:
        raise typer.BadParameter(
            "--tls and --no-provision cannot be combined: --tls needs a deployed gateway"
        )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with terminal_status("looking for the zip …", as_json=as_json) as show:
        package = local_package(rules, with_console=not no_console, show=show)
    run = Run(
        port=port,
        speed=speed,
        data=data,
        timeout_s=timeout,
        as_json=as_json,
        package=package,
        has_console=not no_console,
    )
    if no_provision:
        _run_empty(run, stopped)
    else:
        _run_stack(run, stopped, tls=tls)


def _run_stack(run: Run, stopped: threading.Event, *, tls: bool) -> None:
    with contextlib.ExitStack() as opened:
        with terminal_status("starting the cloud and deploying into it …", as_json=run.as_json):
            stack = opened.enter_context(
                local_stack(
                    port=run.port,
                    speed=run.speed,
                    data=run.data,
                    timeout_s=run.timeout_s,
                    on_log=log_line,
                    package=run.package,
                    changes={} if run.has_console else {"console": "false"},
                )
            )
            fal = opened.enter_context(_fal(stack, is_enabled=tls))
        # With --json the caller reads the connection from stdout. It may be a test, which must
        # not replace the connection file of the user's own cloud.
        if not run.as_json:
            opened.enter_context(announced(stack.connection))
        print(_ready(stack, fal, speed=run.speed, as_json=run.as_json), flush=True)
        _wait_for(stopped)


@contextlib.contextmanager
def _fal(stack: LocalStack, *, is_enabled: bool) -> Iterator[dict[str, str]]:
    """Open an https port for fal-client, which needs https; yield its variables."""
    if not is_enabled:
        yield {}
        return
    from localcloud.tls import https_proxy  # noqa: PLC0415  cryptography is needed here only

    with tempfile.TemporaryDirectory(prefix="aigc-tls-") as folder:
        authority = Path(folder) / "ca.pem"
        with https_proxy(stack.outputs.endpoint, authority) as url:
            host = url.removeprefix("https://")
            yield {
                "FAL_KEY": stack.api_key,
                "FAL_QUEUE_RUN_HOST": host,
                "FAL_RUN_HOST": host,
                "SSL_CERT_FILE": str(authority),
            }


def _run_empty(run: Run, stopped: threading.Event) -> None:
    with (
        empty_cloud(port=run.port, speed=run.speed, data=run.data, on_log=log_line) as cloud,
        tempfile.TemporaryDirectory(prefix="aigc-pulumi-") as state,
    ):
        api_key = secrets.token_urlsafe(24)
        variables = environment(cloud, Path(state))
        buckets, app_id = f"{cloud.url}/_localcloud/cos", cloud.account.app_id
        config = {
            "tencentcloud:protocol": "HTTP",
            "resultsUrl": f"{buckets}/aigc-{STACK}-results-{app_id}",
            "inboxUrl": f"{buckets}/aigc-{STACK}-inbox-{app_id}",
            **stack_config(cloud, api_key, timeout_s=run.timeout_s, package=run.package),
        }
        ready = {"cloud": cloud.url, "api_key": api_key, "environment": variables, "config": config}
        text = EMPTY_HINTS.format(commands=commands(variables, config), api_key=api_key)
        print(json.dumps(ready) if run.as_json else text, flush=True)
        _wait_for(stopped)


def _wait_for(stopped: threading.Event) -> None:
    """Return once a signal has set the event.

    The kernel may hand a signal to any thread. Python runs its handler in the main thread, which
    only a signal of its own wakes from a wait without a timeout.
    """
    while not stopped.wait(WAKE_S):
        pass


def log_line(line: str) -> None:
    """Write a line of a function's log to stderr."""
    # One write for each line, since several threads log; print() writes the line end separately.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _ready(stack: LocalStack, fal: dict[str, str], *, speed: float, as_json: bool) -> str:
    connection = stack.connection
    if as_json:
        return json.dumps(connection | {"fal": fal})
    variables = " ".join(f"{name}={value}" for name, value in fal.items())
    return HINTS.format(
        console_hint=CONSOLE_HINTS.format(**connection) if connection["console"] else "",
        fal=FAL_HINTS.format(variables=variables) if fal else "",
        **connection,
        pace="as long as" if speed == 1 else f"1/{speed:g} of their time",
        results=connection["buckets"]["results"],
        endpoint=connection["cloud"].removeprefix("http://"),
        connection=connection_file(),
    )
