"""`aigc backfill`: make jobs of the objects that are in the inbox already."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from aigc.errors import CloudError
from aigc.prices import Prices, requested_images
from aigc.uploads.backfill import EarlierJobs, Scope, backfill, objects_without_jobs
from aigc.uploads.checks import sample_task
from aigc.uploads.deployed import as_deployed
from aigc.uploads.rules import DeployedRules
from aigc_cli import options
from aigc_cli.deployment import StackOption, deployment
from aigc_cli.exits import FAILED
from aigc_cli.output import JsonOption, print_json, print_table, progress_bar
from aigc_cli.prices import load_prices
from aigc_cli.questions import confirm
from aigc_cli.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.rule import Rule

AT_ONCE = 8
"""Objects that are processed at the same time."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="Only objects whose key begins like this.")
    ] = "",
    rule: Annotated[
        str, typer.Option(metavar="NAME", help="Only objects that this rule may match.")
    ] = "",
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=options.moment, metavar="TIME", help="Only objects written since, in UTC."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(parser=options.whole(1), metavar="N", help="At most this many objects."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and estimate; make no job.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    stack: StackOption = None,
) -> int:
    """Make jobs of the objects of the inbox that have none; the sweep starts them.

    If it is interrupted, the same command continues.

    Example: aigc backfill --prefix photos/ --dry-run
    """
    runtime = as_deployed(deployment(stack, None, None).runtime())
    _check_rule(rule, runtime)
    scope = Scope(prefix=prefix, rule=rule, since=since)
    objects = list(islice(objects_without_jobs(scope, runtime), limit))
    estimate = _estimate(Counter(name for name, _ in objects), runtime)
    if not as_json and objects:
        _print_estimate(estimate)
    outcomes: Counter[str] = Counter()
    if objects and not dry_run:
        if not yes:
            confirm(f"Make up to {len(objects)} jobs?")
        outcomes = _process_all([listed for _, listed in objects], runtime)
    _print_outcomes(estimate, outcomes, as_json=as_json)
    return FAILED if outcomes[FAILURE] else 0


def _check_rule(name: str, runtime: Runtime) -> None:
    names = [rule.name for rule in runtime.memory.of(DeployedRules).rules.rule]
    if name and name not in names:
        raise typer.BadParameter(f"there is no rule {name!r}; allowed: {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The number of objects for one rule, and the cost of their tasks."""

    rule: str
    objects: int
    kind: str
    cost: Decimal | None
    """None if a price is unknown."""
    currency: str

    def cells(self) -> tuple[str, ...]:
        """Return a row of the table."""
        cost = self.cost
        money = "no price" if cost is None else f"{cost:.2f} {self.currency}"
        return self.rule, str(self.objects), self.kind, money


def _estimate(counts: Counter[str], runtime: Runtime) -> list[Estimate]:
    """Return the estimate for each rule by prices.toml."""
    path = ROOT / "prices.toml"
    prices = load_prices(path) if path.is_file() else Prices()
    rules = {rule.name: rule for rule in runtime.memory.of(DeployedRules).rules.rule}
    return [
        Estimate(name, count, rules[name].kind, _cost(rules[name], count, prices), prices.currency)
        for name, count in counts.items()
    ]


def _print_estimate(estimate: Sequence[Estimate]) -> None:
    costs = [row.cost for row in estimate if row.cost is not None]
    cost = sum(costs, Decimal()) if len(costs) == len(estimate) else None
    count = sum(row.objects for row in estimate)
    total = Estimate("all", count, "", cost, estimate[0].currency)
    rows = [row.cells() for row in (*estimate, total)]
    print_table([("RULE", "OBJECTS", "KIND", "ESTIMATE"), *rows])


def _print_outcomes(estimate: Sequence[Estimate], outcomes: Counter[str], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {**asdict(row), "cost": None if row.cost is None else f"{row.cost:.2f}"}
            for row in estimate
        ]
        print_json({"estimate": rows, "outcomes": dict(outcomes)})
        return
    for outcome, count in sorted(outcomes.items()):
        print(f"{count} {outcome}")
    if not estimate:
        print("each of these objects has a job, or no rule matches it")


def _cost(rule: Rule, count: int, prices: Prices) -> Decimal | None:
    if rule.is_batch:
        return None
    task = sample_task(rule)
    return prices.estimate(rule.kind, task, requested_images(task) * count)


def _process_all(objects: Sequence[Listed], runtime: Runtime) -> Counter[str]:
    """Process all objects and show the progress; return the number for each outcome."""
    outcomes: Counter[str] = Counter()
    earlier = EarlierJobs.read(runtime)
    bar = progress_bar(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task("", total=len(objects))
        futures = [pool.submit(_process, listed, earlier, runtime) for listed in objects]
        try:
            for future in as_completed(futures):
                outcomes[future.result()] += 1
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


NEW, KNOWN, NONE, FAILURE = "new jobs", "jobs that existed", "objects without a job", "failed"


def _process(listed: Listed, earlier: EarlierJobs, runtime: Runtime) -> str:
    try:
        processed = backfill(listed, earlier, runtime)
    except CloudError as error:
        print(f"{listed.key}: {error}; the same command tries again", file=sys.stderr)
        return FAILURE
    if processed is None:
        return KNOWN
    if processed.is_new:
        return NEW
    return NONE if processed.entry.reason else KNOWN
