"""`aigc verify-cloud`: checks in an account what the documents leave open, and reports it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc_cli.account import Account
from aigc_cli.connection import running_cloud
from aigc_cli.questions import confirm
from aigc_cli.verify.checks import CHECKS
from aigc_cli.verify.report import MARKS, Redaction, as_text, report
from aigc_cli.verify.resources import remove_all
from aigc_cli.verify.run import Run
from aigc_cli.verify.scratch import Scratch, state_file
from aigc_cli.verify.world import PREFIX, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aigc_cli.verify.check import Check
    from aigc_cli.verify.scratch import Answered

CREATES = "COS buckets, SCF functions with triggers, CAM roles with policies, and VOD applications"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="Check the account of TENCENTCLOUD_SECRET_ID in this region. Without it: the local"
            " cloud that runs here.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Run this check, or all of a group: cos."),
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="Leave out checks that cost money.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the checks and stop.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove the resources of an interrupted run, and stop.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the report to this file.", metavar="FILE")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Write the received events to this folder.", metavar="FOLDER"),
    ] = None,
) -> int:
    """Check in an account what the documents leave open, and remove everything afterwards.

    If a run is interrupted, the same command continues it.
    The report and the samples have no secret, account number or bucket name.
    The status is 1 if a check failed.

    Example: aigc verify-cloud --region ap-guangzhou --free
    """
    console = Console(stderr=as_json)
    checks = _chosen(only or [], free=free)
    if listing:
        _print_list(Console(), checks)
        return 0
    account = Account.of_owner(region) if region else Account.of_connection(running_cloud())
    scratch = Scratch(state_file(account.app_id, account.region))
    if clean:
        return _clean(account, scratch, console)
    _confirm(checks, account, scratch, console, skips_question=yes)
    redact = Redaction(account, scratch.run)

    def show(check: Check, answer: Answered) -> None:
        text = escape(redact(answer.seen))
        console.print(f"{MARKS[answer.result]}  {check.name}: {text}", highlight=False)

    try:
        Run(World(account, scratch), show).ask(checks)
    except KeyboardInterrupt:
        console.print(
            "stopped; the next call continues, `--clean` removes the resources that are left"
        )
        _clean(account, scratch, console)
        raise
    answers = scratch.answers
    text = as_text(report(checks, answers, region=account.region, redact=redact))
    if samples is not None:
        _write_samples(samples, scratch, redact)
    status = _clean(account, scratch, console)
    _print_summary(console, checks, answers)
    if out is not None:
        out.write_text(text)
    if as_json:
        sys.stdout.write(text)
    return status or int(any(answers[check.name].result == "failed" for check in checks))


def _write_samples(folder: Path, scratch: Scratch, redact: Redaction) -> None:
    """Write each received event, without data of the account."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in scratch.samples().items():
        (folder / f"{name}.json").write_text(redact(as_text(content)))


def _chosen(names: Sequence[str], *, free: bool) -> list[Check]:
    """Return the checks that the options name.

    Raises:
        typer.BadParameter: A name is neither a check nor a group.
    """
    groups = {check.group for check in CHECKS.values()}
    for name in names:
        if name not in CHECKS and name not in groups:
            allowed = f"one of {', '.join(sorted(groups))}, or a name that --list prints"
            raise typer.BadParameter(f"--only {name}; allowed: {allowed}")
    return [
        check
        for check in CHECKS.values()
        if (not names or check.name in names or check.group in names)
        and not (free and check.needs_image)
    ]


def _confirm(
    checks: Sequence[Check],
    account: Account,
    scratch: Scratch,
    console: Console,
    *,
    skips_question: bool,
) -> None:
    """Print what the run creates and costs, and ask for confirmation.

    Raises:
        NoTerminalError: There is no terminal to ask at.
    """
    images = sum(check.images for check in checks)
    yuan = sum(check.yuan for check in checks)
    where = "the local cloud" if account.proxy else f"{account.region}, account {account.app_id}"
    console.print(f"{len(checks)} checks in {where}, run {scratch.run}")
    console.print(f"creates {CREATES},\nall named {PREFIX}-{scratch.run}-…, and removes them")
    cost = f"at most {images} images, about ¥{yuan:.2f}" if images else "no image"
    console.print(f"pays for {cost}, and for requests less than ¥0.10")
    if skips_question:
        return
    confirm("Start?")


def _clean(account: Account, scratch: Scratch, console: Console) -> int:
    """Remove everything that the run created; return 1 if something is left."""
    remaining = remove_all(account, scratch)
    for line in remaining:
        console.print(f"[red]not removed[/]: {escape(line)}", highlight=False)
    if remaining:
        console.print("`aigc verify-cloud --clean` tries again")
        return 1
    scratch.end()
    console.print("everything that was created is removed")
    return 0


def _print_list(console: Console, checks: Sequence[Check]) -> None:
    table = Table(box=None, show_header=True, padding=(0, 1))
    for name in ("check", "assumption", "¥"):
        table.add_column(name, overflow="fold", justify="right" if name == "¥" else "left")
    for check in checks:
        table.add_row(check.name, check.assumption, f"{check.yuan:.2f}" if check.images else "")
    console.print(table)


def _print_summary(
    console: Console, checks: Sequence[Check], answers: Mapping[str, Answered]
) -> None:
    results = [answers[check.name].result for check in checks]
    counts = {name: results.count(name) for name in MARKS}
    console.print(", ".join(f"{count} {name}" for name, count in counts.items()))
    for check in checks:
        if answers[check.name].result == "failed":
            console.print(f"\n[bold]{check.name}[/]: {escape(check.assumption)}")
            console.print(f"document: {check.document}", highlight=False)
            console.print(f"used by: {escape(check.used_by)}")
            console.print(f"what to do: {escape(check.otherwise)}")
