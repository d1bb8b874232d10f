"""The command: runs all examinations, prints the findings, and mends what it can."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc.errors import AigcError
from ops.account import RefusalError
from ops.connection import running_cloud
from ops.deployment import StackOption
from ops.doctor.examinations import EXAMINATIONS
from ops.doctor.finding import Finding
from ops.doctor.patient import of_connection, of_stack
from ops.output import JsonOption
from ops.service import KeyOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.doctor.finding import Examination
    from ops.doctor.patient import Patient

MARKS = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]warning[/]",
    "problem": "[red]problem[/]",
    "unknown": "[blue]unknown[/]",
}

app = typer.Typer(add_completion=False)


@app.command()
def main(
    stack: StackOption = None,
    key: KeyOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended from here, after a question.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Mend without a question.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Try a deployment from outside, and say what each finding means and how to mend it.

    It needs the owner's credentials, and an API key for the lanes and the sweep. It changes nothing
    without --fix. The status is 1 if there is a problem.

    Example: aigc doctor --stack prod
    """
    patient = of_stack(stack, key) if stack else of_connection(running_cloud())
    console = Console(stderr=as_json)
    findings = [
        (examination, finding)
        for examination in EXAMINATIONS
        for finding in _examined(examination, patient)
    ]
    if as_json:
        described = [_as_json(*entry, patient.site) for entry in findings]
        print(json.dumps(described, ensure_ascii=False, indent=2))
    else:
        for entry in findings:
            _print(console, *entry, patient.site)
    if fix:
        _mend([finding for _, finding in findings], console, is_agreed=yes)
    return int(any(finding.level == "problem" for _, finding in findings))


def _examined(examination: Examination, patient: Patient) -> Iterator[Finding]:
    """Yield the findings; an examination that fails is a finding too."""
    try:
        yield from examination.examine(patient)
    except (RefusalError, AigcError, requests.RequestException) as error:
        yield Finding(
            level="unknown",
            seen=f"{type(error).__name__}: {error}",
            means="The cloud did not answer the question.",
            remedy="Look at the findings above; the key may lack the right to ask.",
        )


def _as_json(examination: Examination, finding: Finding, site: str) -> dict[str, Any]:
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


def _print(console: Console, examination: Examination, finding: Finding, site: str) -> None:
    lines = Table.grid(padding=(0, 1))
    lines.add_row(MARKS[finding.level], f"{examination.name}: {escape(finding.seen)}")
    if finding.means:
        lines.add_row("", escape(finding.means))
        lines.add_row("", f"To do: {escape(finding.remedy)}")
        lines.add_row("", f"See docs/{examination.page} {examination.link(site)}".rstrip())
    console.print(lines, highlight=False)


def _mend(findings: list[Finding], console: Console, *, is_agreed: bool) -> None:
    for finding in findings:
        if finding.fix is None:
            continue
        if is_agreed or typer.confirm(f"Mend: {finding.seen}?"):
            finding.fix()
            console.print(f"mended: {escape(finding.seen)}", highlight=False)
