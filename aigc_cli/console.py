"""`aigc console`: opens the web console of a deployment in the browser."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from aigc_cli.deployment import StackOption
from aigc_cli.output import JsonOption, print_json
from aigc_cli.service import EndpointOption, find_service

app = typer.Typer(add_completion=False)


@app.command()
def main(
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the URL, and open no browser.")
    ] = False,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    stack: StackOption = None,
) -> None:
    """Open the web console of a deployment in the browser, and print its URL.

    The console asks for an API key; this command passes none on.

    Example: aigc console --print
    """
    url = f"{find_service(endpoint, stack=stack, needs_key=False).endpoint}/console"
    if as_json:
        print_json({"url": url})
    else:
        print(url)
    if not (only_print or as_json):
        webbrowser.open(url)
