"""`aigc login`: keeps a deployment's endpoint and API key for later commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aigc_cli.deployment import DeploymentError, StackOption
from aigc_cli.output import JsonOption, print_json, print_text
from aigc_cli.service import (
    EndpointOption,
    KeyOption,
    Profile,
    find_service,
    profiles_file,
    remove_profile,
    write_profile,
)

app = typer.Typer(add_completion=False)


@app.command()
def main(
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the profile; AIGC_PROFILE chooses one.")
    ] = "default",
    forget: Annotated[bool, typer.Option("--forget", help="Remove the profile instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Keep a deployment's endpoint and API key, after a call that tries them.

    Without --key the command asks for the key and does not show it.

    Example: aigc login --endpoint https://1250000000-abc.ap-guangzhou.tencentscf.com
    """
    if forget:
        is_removed = remove_profile(profile)
        text = f"removed {profile}" if is_removed else f"there is no profile {profile}"
        _report(text, {"profile": profile, "removed": is_removed}, as_json=as_json)
        return
    if not endpoint and not stack:
        raise DeploymentError(
            "needed: --endpoint with the URL that `pulumi up` printed, or --stack"
        )
    if not key and sys.stdin.isatty():
        key = typer.prompt("API key", hide_input=True)
    service = find_service(endpoint, key, stack)
    service.get("/v1/lanes")
    write_profile(profile, Profile(endpoint=service.endpoint, key=service.key))
    _report(
        f"{service.endpoint} answers; kept as {profile} in {profiles_file()}",
        {"profile": profile, "endpoint": service.endpoint, "file": str(profiles_file())},
        as_json=as_json,
    )


def _report(text: str, fields: dict[str, str | bool], *, as_json: bool) -> None:
    if as_json:
        print_json(fields)
    else:
        print_text(text)
