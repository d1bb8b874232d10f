"""The command: runs all examinations, prints the findings, and repairs what it can."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import requests
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc.errors import AigcError
from aigc_cli.connection import running_cloud
from aigc_cli.deployment import StackOption
from aigc_cli.doctor.asking import not_answered
from aigc_cli.doctor.examinations import EXAMINATIONS
from aigc_cli.doctor.finding import Subject
from aigc_cli.doctor.patient import of_connection, of_stack
from aigc_cli.output import JsonOption, print_grid, terminal_status
from aigc_cli.service import KeyOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aigc_cli.doctor.finding import Examination, Finding

    Entry = tuple[Examination[Any], Finding]

Examined = TypeVar("Examined", bound=Subject)

MARKS = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]warning[/]",
    "problem": "[red]problem[/]",
    "not_checked": "[blue]not checked[/]",
}

app = typer.Typer(add_completion=False)


@app.command()
def main(
    stack: StackOption = None,
    key: KeyOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what can be repaired from here, after a question.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Repair without a question.")] = False,
    before_deploy: Annotated[
        bool,
        typer.Option(
            "--before-deploy",
            help="Examine the account and the configuration of --stack before its `pulumi up`.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Try a deployment from outside, and say what each finding means and how to repair it.

    It needs the owner's credentials, and an API key for the lanes and the sweep. It changes nothing
    without --fix. The status is 1 if there is a problem.

    Example: aigc doctor --stack prod
    """
    with terminal_status("reading the deployment …", as_json=as_json) as show:
        if before_deploy:
            site, findings = _before_deploy(stack, show)
        else:
            patient = of_stack(stack, key) if stack else of_connection(running_cloud())
            site, findings = patient.site, _all_findings(EXAMINATIONS, patient, show)
    console = Console(stderr=as_json)
    if as_json:
        described = [_as_json(*entry, site) for entry in findings]
        print(json.dumps(described, ensure_ascii=False, indent=2))
    else:
        for entry in findings:
            _print(*entry, site)
    is_well = all(finding.level != "problem" for _, finding in findings)
    if fix:
        is_well &= repair([finding for _, finding in findings], console, is_agreed=yes)
    return int(not is_well)


def _before_deploy(stack: str | None, show: Callable[[str], None]) -> tuple[str, list[Entry]]:
    if stack is None:
        raise typer.BadParameter("--before-deploy needs --stack, whose configuration it examines")
    from aigc_cli.doctor import before_deploy  # noqa: PLC0415  Pulumi's SDK takes a second to import

    plan = before_deploy.of_stack(stack)
    return plan.site, _all_findings(before_deploy.EXAMINATIONS, plan, show)


def _all_findings(
    examinations: Iterable[Examination[Examined]], subject: Examined, show: Callable[[str], None]
) -> list[Entry]:
    entries: list[Entry] = []
    for examination in examinations:
        show(f"examining {examination.name} …")
        entries += [(examination, finding) for finding in _findings(examination, subject)]
    return entries


def _findings(examination: Examination[Examined], subject: Examined) -> Iterator[Finding]:
    """Yield the findings; an examination that fails is a finding too."""
    try:
        yield from examination.examine(subject)
    except (AigcError, requests.RequestException) as error:
        yield not_answered("", error)


def _as_json(examination: Examination[Any], finding: Finding, site: str) -> dict[str, Any]:
    return {
        "name": examination.name,
        "level": finding.level,
        "seen": finding.seen,
        "means": finding.means,
        "remedy": finding.remedy,
        "can_be_fixed": finding.fix is not None,
        "page": f"docs/{examination.page}",
        "link": examination.link(site),
    }


def _print(examination: Examination[Any], finding: Finding, site: str) -> None:
    lines = Table.grid(padding=(0, 1))
    lines.add_row(MARKS[finding.level], f"{examination.name}: {escape(finding.seen)}")
    if finding.means:
        lines.add_row("", escape(finding.means))
        lines.add_row("", f"To do: {escape(finding.remedy)}")
        lines.add_row("", f"See docs/{examination.page} {examination.link(site)}".rstrip())
    print_grid(lines)


def repair(findings: Iterable[Finding], console: Console, *, is_agreed: bool) -> bool:
    """Repair what can be repaired, after a question; return whether each attempt succeeded."""
    is_repaired = True
    for finding in findings:
        if finding.fix is None:
            continue
        if is_agreed or typer.confirm(f"Repair: {finding.seen}?"):
            try:
                finding.fix()
            except (AigcError, requests.RequestException) as error:
                console.print(f"[red]not repaired[/]: {escape(str(error))}", highlight=False)
                is_repaired = False
            else:
                console.print(f"repaired: {escape(finding.seen)}", highlight=False)
    return is_repaired
