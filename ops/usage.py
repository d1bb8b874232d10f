"""`aigc usage`: what is spent, reserved and left of each ceiling of a deployment."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from aigc.api.ceilings import described
from aigc.ceilings import Ceiling
from aigc.jobs.budget import newest_book, standing
from ops.deployment import BucketOption, RegionOption, StackOption, deployment
from ops.tables import print_table

COLUMNS = ("name", "limit", "spent", "reserved", "left", "resets_at")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what is spent, reserved and left of each ceiling, as the ledger has it.

    The sweep writes a new or changed ceiling to the ledger within a minute.

    Example: aigc usage --stack prod
    """
    runtime = deployment(stack, bucket, region).runtime()
    book, now = newest_book(runtime), runtime.now()
    ceilings = [Ceiling.of(name, limit) for name, limit in sorted(book.limits.items())]
    rows = [described(standing(ceiling, book, now), now) for ceiling in ceilings]
    if as_json:
        print(json.dumps({"ceilings": rows}, indent=1))
    elif rows:
        print_table([COLUMNS, *(tuple(map(str, row.values())) for row in rows)])
    else:
        print("no ceilings")
