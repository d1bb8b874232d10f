"""`aigc local`: the whole system on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ops import options
from ops.connection import CONNECTION, announced
from ops.local_pulumi import STACK, commands, environment
from ops.local_stack import empty_cloud, local_stack, stack_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.local_stack import LocalStack

HINTS = """
The local cloud is up. Tasks run {speed:g} times faster than in the cloud; pictures are drawn here.

call     curl -s {gateway}/tencent-vod/v1/aigc-image \\
           -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
           -d '{{"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}}'
         and open the answer's status_url and response_url with the same key

upload   .venv/bin/aigc upload ops/samples/cat.jpg anime/cat.jpg
         .venv/bin/aigc upload --results
         the results appear in the bucket {results}; this lists them with links for a browser

paid     curl -s {cloud}/_localcloud/tasks

SDKs     endpoint {endpoint} over http, or the real hosts through the proxy {cloud},
         with secret id {secret_id} and the key in {connection}
{fal}
Ctrl-C stops everything.
"""

FAL_HINTS = """
fal      export {variables}
         for fal-client, which speaks nothing but https
"""


EMPTY_HINTS = """
The local cloud is up and empty. In another terminal, in the project's folder:

{commands}

api key  {api_key}

Ctrl-C stops everything, and forgets Pulumi's state with the cloud that it describes.
"""


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.tls and given.no_provision:
        parser.error("--tls needs the gateway that --no-provision leaves to `pulumi up`")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    run = _run_empty if given.no_provision else _run_stack
    run(given, stopped)
    return 0


def _run_stack(given: argparse.Namespace, stopped: threading.Event) -> None:
    with (
        local_stack(
            port=given.port,
            speed=given.speed,
            data=given.data,
            timeout_s=given.timeout,
            on_log=log_line,
        ) as stack,
        _fal(stack, is_wanted=given.tls) as fal,
        # Who asked for JSON has it, and may be a test beside somebody's own cloud.
        contextlib.nullcontext() if given.json else announced(stack.connection),
    ):
        print(_ready(stack, fal, speed=given.speed, as_json=given.json), flush=True)
        stopped.wait()


@contextlib.contextmanager
def _fal(stack: LocalStack, *, is_wanted: bool) -> Iterator[dict[str, str]]:
    """Open an https port, which is all that fal-client speaks, and name what tells it of that."""
    if not is_wanted:
        yield {}
        return
    from localcloud.tls import https_before  # noqa: PLC0415  cryptography, for who asks for it

    with tempfile.TemporaryDirectory(prefix="aigc-tls-") as folder:
        authority = Path(folder) / "ca.pem"
        with https_before(stack.outputs.endpoint, authority) as url:
            host = url.removeprefix("https://")
            yield {
                "FAL_KEY": stack.api_key,
                "FAL_QUEUE_RUN_HOST": host,
                "FAL_RUN_HOST": host,
                "SSL_CERT_FILE": str(authority),
            }


def _run_empty(given: argparse.Namespace, stopped: threading.Event) -> None:
    with (
        empty_cloud(port=given.port, speed=given.speed, data=given.data, on_log=log_line) as cloud,
        tempfile.TemporaryDirectory(prefix="aigc-pulumi-") as state,
    ):
        api_key = secrets.token_urlsafe(24)
        variables = environment(cloud, Path(state))
        results = f"aigc-{STACK}-results-{cloud.account.app_id}"
        config = {
            "tencentcloud:protocol": "HTTP",
            "resultsUrl": f"{cloud.url}/_localcloud/cos/{results}",
            **stack_config(cloud, api_key, timeout_s=given.timeout),
        }
        told = {"cloud": cloud.url, "api_key": api_key, "environment": variables, "config": config}
        text = EMPTY_HINTS.format(commands=commands(variables, config), api_key=api_key)
        print(json.dumps(told) if given.json else text, flush=True)
        stopped.wait()


def log_line(line: str) -> None:
    """Write a line of a function's log to stderr."""
    # One write for a line: several threads log, and print() writes a line and its end apart.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigc local", description=__doc__)
    parser.add_argument(
        "--port", type=options.port, default=8790, help="of the cloud; 0: any (8790)"
    )
    parser.add_argument(
        "--speed", type=options.speed, default=1.0, help="tasks and waits, N times faster"
    )
    parser.add_argument("--data", type=options.folder, help="folder that keeps the cloud's state")
    parser.add_argument(
        "--timeout", type=options.timeout, default=30, help="of a function, in seconds (30)"
    )
    parser.add_argument(
        "--no-provision", action="store_true", help="deploy nothing: `pulumi up` will"
    )
    parser.add_argument("--tls", action="store_true", help="also serve https, for fal-client")
    parser.add_argument("--json", action="store_true", help="one line for programs, when ready")
    return parser


def _ready(stack: LocalStack, fal: dict[str, str], *, speed: float, as_json: bool) -> str:
    connection = stack.connection
    if as_json:
        return json.dumps(connection | {"fal": fal})
    variables = " ".join(f"{name}={value}" for name, value in fal.items())
    return HINTS.format(
        fal=FAL_HINTS.format(variables=variables) if fal else "",
        **connection,
        speed=speed,
        results=connection["buckets"]["results"],
        endpoint=connection["cloud"].removeprefix("http://"),
        connection=CONNECTION.relative_to(CONNECTION.parent.parent),
    )
