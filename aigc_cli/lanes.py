"""`aigc lanes`: running tasks and waiting jobs of each lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from aigc_cli.deployment import StackOption
from aigc_cli.output import JsonOption, print_json, print_table
from aigc_cli.service import EndpointOption, KeyOption, find_service

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(add_completion=False)


@app.command()
def main(
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Show the load of each lane: running tasks, the limit, and waiting jobs.

    Example: aigc lanes --json
    """
    answer = find_service(endpoint, key, stack).get("/v1/lanes")
    if as_json:
        print_json(answer)
        return
    rows = [("LANE", "RUNNING", "LIMIT", "WAITING", "NOTE")]
    print_table(rows + [_row(lane) for lane in answer["lanes"]])


def _row(lane: Mapping[str, Any]) -> tuple[str, ...]:
    limit = f"{lane['limit_now']}"
    if lane["limit_now"] != lane["limit"]:
        limit += f" of {lane['limit']}"
    waiting = f"{lane['waiting']}" + ("" if lane["waiting_is_exact"] else " or more")
    slowed = lane["slowed_down_at"]
    note = f"the vendor had no capacity at {slowed[11:19]} UTC" if slowed else ""
    return lane["name"], str(lane["in_use"]), limit, waiting, note
