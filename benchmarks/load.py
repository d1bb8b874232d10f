"""`make load`: many calls a second on the local cloud, and a report of the answers."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc_cli import options
from aigc_cli.reference import figures
from benchmarks.generator import MIX, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.generator import LoadResult, Sample

HEADING = "## Load\n"

TEXT = """
`make load` wrote this section on {day}.
It sends {rate} calls a second for {seconds:g} s to the gateway's address, on a schedule that does \
not wait for answers.
Of 100 calls, 60 get a status, 15 get a result, 10 get health, models or lanes, 5 submit, and 10 \
repeat a submit with its `Idempotency-Key`.
Latency is measured from the time at which a call was due; the first calls include cold starts.
Client, local cloud and function processes share the machine's {cores} cores; other work used \
{others:.1f} cores meanwhile.

{table}

- {answered:.0f} calls a second were answered, {unexpected}.
- {accepted} requests were accepted; all their jobs ended, {wrongly_paid}.
- CPU time for each call: {shares}; together {busy:.1f} cores.
  This includes the work of jobs between the calls: callbacks, storing, the sweep, and drawing the \
images.
"""


def main(
    rate: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="Calls a second.")
    ] = 200,
    seconds: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="Seconds.")
    ] = 30,
    speed: Annotated[
        float, typer.Option(parser=options.speed, help="Tasks and waits pass N times faster.")
    ] = 1.0,
    page: Annotated[
        Path | None,
        typer.Option(parser=options.existing_file, help="The page whose section is replaced."),
    ] = None,
) -> None:
    """Run the load and print the report; exit with 1 if an answer or a payment was wrong."""
    result = measure(rate, seconds, speed=speed)
    text = report(result)
    print(text)
    if page is not None:
        content = page.read_text()
        rest = content.removesuffix(section(content)).rstrip()
        page.write_text(f"{rest}\n\n{HEADING}{text}")
        figures.update_translations(page)
    if result.unexpected or result.wrongly_paid:
        raise typer.Exit(1)


def section(page: str) -> str:
    """Return the section about the load, the last of a page; empty if the page has none."""
    start = page.find(HEADING)
    return page[start:] if start >= 0 else ""


def report(result: LoadResult) -> str:
    """Format the result of a load as Markdown."""
    samples, busy = result.samples, sum(result.cpu_s.values())
    shares = (f"{part} {1000 * s / len(samples):.1f} ms" for part, s in result.cpu_s.items())
    unexpected = ", ".join(f"{answer}: {count}" for answer, count in result.unexpected.items())
    wrongly_paid = len(result.wrongly_paid)
    return TEXT.format(
        day=datetime.now(timezone.utc).date(),
        rate=result.rate,
        seconds=result.seconds,
        cores=os.cpu_count(),
        others=max(0.0, result.machine_s - busy) / result.duration_s,
        table=_table(samples),
        answered=len(samples) / result.duration_s,
        unexpected=f"**not as promised: {unexpected}**"
        if unexpected
        else "each as the API promises",
        accepted=len(result.accepted),
        wrongly_paid=f"**{wrongly_paid} not paid for once**"
        if wrongly_paid
        else "each paid for once",
        shares=", ".join(shares),
        busy=busy / result.duration_s,
    )


def _table(samples: Sequence[Sample]) -> str:
    head = ["| | calls | answers | p50 | p95 | p99 |", "|---|---|---|---|---|---|"]
    rows = [_row(kind, [sample for sample in samples if sample.kind == kind]) for kind in MIX]
    return "\n".join([*head, *rows, _row("all", samples)])


def _row(kind: str, samples: Sequence[Sample]) -> str:
    statuses = sorted(Counter(sample.status for sample in samples).items())
    answers = ", ".join(f"{status or 'lost'}: {count}" for status, count in statuses)
    seconds = sorted(sample.seconds for sample in samples) or [0.0]
    p50, p95, p99 = (
        f"{1000 * seconds[round(part * (len(seconds) - 1))]:.0f} ms" for part in (0.5, 0.95, 0.99)
    )
    return f"| {kind} | {len(samples)} | {answers} | {p50} | {p95} | {p99} |"


if __name__ == "__main__":
    typer.run(main)
