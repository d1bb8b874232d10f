"""`make load`: many calls a second on the local cloud, and what came of them."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.pressure import MIX, measure
from ops import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.pressure import Outcome, Sample

HEADING = "## Load\n"

TEXT = """
`make load` wrote this section on {day}.
It brings {rate} calls a second for {seconds:g} s on the gateway's address, by a schedule that \
waits for no answer.
Of 100 calls 60 ask for a status, 15 for a result, 10 for health, models or lanes; 5 submit, and \
10 repeat a submit with its `Idempotency-Key`.
Latency counts from when a call was due; the first calls meet functions without an instance.
Client, local cloud and function processes share the {cores} cores of the machine, on which other \
work took {others:.1f} cores meanwhile.

{table}

- {answered:.0f} calls a second were answered, {unexpected}.
- {accepted} requests were accepted; all their jobs ended, {misspent}.
- CPU time for each call: {shares}; together {busy:.1f} cores.
  What jobs cost that go on behind the calls (callbacks, storing, the sweep, drawing the pictures) \
is in it.
"""


def main(
    rate: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="Calls a second.")
    ] = 200,
    seconds: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="How long.")
    ] = 30,
    speed: Annotated[
        float, typer.Option(parser=options.speed, help="Tasks and waits pass N times faster.")
    ] = 1.0,
    page: Annotated[
        Path | None,
        typer.Option(parser=options.existing_file, help="The page whose section is written anew."),
    ] = None,
) -> None:
    """Run the load and print the outcome; the status is 1 if anything was not as promised."""
    outcome = measure(rate, seconds, speed=speed)
    text = report(outcome)
    print(text)
    if page is not None:
        content = page.read_text()
        rest = content.removesuffix(section(content)).rstrip()
        page.write_text(f"{rest}\n\n{HEADING}{text}")
    if outcome.unexpected or outcome.misspent:
        raise typer.Exit(1)


def section(page: str) -> str:
    """Find the section about the load, which is a page's last; empty where there is none."""
    at = page.find(HEADING)
    return page[at:] if at >= 0 else ""


def report(outcome: Outcome) -> str:
    """Lay out what came of a load, as Markdown."""
    samples, busy = outcome.samples, sum(outcome.cpu_s.values())
    shares = (f"{who} {1000 * s / len(samples):.1f} ms" for who, s in outcome.cpu_s.items())
    wrong = ", ".join(f"{what}: {count}" for what, count in outcome.unexpected.items())
    misspent = len(outcome.misspent)
    return TEXT.format(
        day=datetime.now(timezone.utc).date(),
        rate=outcome.rate,
        seconds=outcome.seconds,
        cores=os.cpu_count(),
        others=max(0.0, outcome.machine_s - busy) / outcome.took_s,
        table=_table(samples),
        answered=len(samples) / outcome.took_s,
        unexpected=f"**not as promised: {wrong}**" if wrong else "each as the API promises",
        accepted=len(outcome.accepted),
        misspent=f"**{misspent} not paid for once**" if misspent else "each paid for once",
        shares=", ".join(shares),
        busy=busy / outcome.took_s,
    )


def _table(samples: Sequence[Sample]) -> str:
    head = ["| | calls | answers | p50 | p95 | p99 |", "|---|---|---|---|---|---|"]
    rows = [_row(kind, [one for one in samples if one.kind == kind]) for kind in MIX]
    return "\n".join([*head, *rows, _row("all", samples)])


def _row(kind: str, samples: Sequence[Sample]) -> str:
    statuses = sorted(Counter(one.status for one in samples).items())
    answers = ", ".join(f"{status or 'lost'}: {count}" for status, count in statuses)
    seconds = sorted(one.seconds for one in samples) or [0.0]
    p50, p95, p99 = (
        f"{1000 * seconds[round(part * (len(seconds) - 1))]:.0f} ms" for part in (0.5, 0.95, 0.99)
    )
    return f"| {kind} | {len(samples)} | {answers} | {p50} | {p95} | {p99} |"


if __name__ == "__main__":
    typer.run(main)
