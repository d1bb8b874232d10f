"""`aigc usage`: the images and costs of a deployment, and the rest of each ceiling."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aigc_cli.deployment import StackOption
from aigc_cli.output import JsonOption, print_json, print_table
from aigc_cli.service import EndpointOption, KeyOption, find_service

app = typer.Typer(add_completion=False)


@app.command()
def main(
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="First day: 2026-11-28.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day.")] = None,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Show the jobs that ended in the last 7 days, and what is left of each ceiling.

    The costs are estimates by prices.toml. A job is counted about two minutes after
    its end.

    Example: aigc usage --from 2026-11-01 --to 2026-11-28
    """
    report = find_service(endpoint, key, stack).get("/v1/usage", **{"from": first, "to": last})
    if as_json:
        print_json(report)
        return
    print_table(_usage(report))
    if not report["complete"]:
        print("there are more jobs than one call counts; choose fewer days")
    if report["ceilings"]:
        print()
        print_table(_ceilings(report["ceilings"]))


def _usage(report: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("DAY", "KIND", "MODEL", "FROM", "JOBS", "IMAGES", "COST")]
    for row in report["usage"]:
        model = f"{row['model']} {row['version']}".strip()
        rows.append((row["day"], row["kind"], model, row["source"], *_sums(row, report)))
    rows.append(("all", "", "", "", *_sums(report["total"], report)))
    return rows


def _sums(row: dict[str, Any], report: dict[str, Any]) -> tuple[str, str, str]:
    cost = "" if row["cost"] is None else f"{row['cost']} {report['currency'] or ''}".strip()
    return str(row["jobs"]), str(row["images"]), cost


def _ceilings(ceilings: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    head = ("CEILING", "LIMIT", "SPENT", "RESERVED", "LEFT", "RESETS (UTC)")
    rows: list[tuple[str, ...]] = [head]
    for ceiling in ceilings:
        *amounts, resets_at = (str(ceiling[name]) for name in CEILING_FIELDS)
        rows.append((*amounts, resets_at[:16].replace("T", " ")))
    return rows


CEILING_FIELDS = ("name", "limit", "spent", "reserved", "left", "resets_at")
