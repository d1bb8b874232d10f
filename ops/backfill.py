"""`aigc backfill`: make jobs of what lies in the inbox already."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from aigc.errors import CloudError
from aigc.prices import asked_pictures
from aigc.uploads.backfill import EarlierJobs, Scope, backfill, objects_without_jobs
from aigc.uploads.checks import sample_task
from aigc.uploads.deployed import as_deployed
from aigc.uploads.rules import DeployedRules
from ops import options
from ops.deployment import BucketOption, RegionOption, StackOption, deployment
from ops.prices import ROOT, load_prices
from ops.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.prices import Prices
    from aigc.uploads.rules import Rule

AT_ONCE = 8
"""Objects that are taken in at the same time."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    prefix: Annotated[str, typer.Option(help="Only objects whose key begins like this.")] = "",
    rule: Annotated[
        str, typer.Option(metavar="NAME", help="Only objects that this rule concerns.")
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
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> int:
    """Make jobs of the objects of the inbox that have none; the sweep starts them.

    If it is interrupted, the same command continues.

    Example: aigc backfill --prefix photos/ --dry-run
    """
    runtime = as_deployed(deployment(stack, bucket, region).runtime())
    _check_rule(rule, runtime)
    scope = Scope(prefix=prefix, rule=rule, since=since)
    objects = list(islice(objects_without_jobs(scope, runtime), limit))
    if not objects:
        print("each of these objects has a job, or no rule concerns it")
        return 0
    _print_estimate(Counter(name for name, _ in objects), runtime)
    if dry_run:
        return 0
    if not yes:
        typer.confirm(f"Make up to {len(objects)} jobs?", abort=True)
    return _take_in([listed for _, listed in objects], runtime)


def _check_rule(name: str, runtime: Runtime) -> None:
    names = [rule.name for rule in runtime.memory.of(DeployedRules).rules.rule]
    if name and name not in names:
        raise typer.BadParameter(f"there is no rule {name!r}; allowed: {', '.join(names)}")


def _print_estimate(counts: Counter[str], runtime: Runtime) -> None:
    """Print how many objects each rule concerns, and what their tasks cost by prices.toml."""
    path = ROOT / "prices.toml"
    prices = load_prices(path)
    rules = {rule.name: rule for rule in runtime.memory.of(DeployedRules).rules.rule}
    rows = [("RULE", "OBJECTS", "KIND", "ESTIMATE")]
    costs = [(name, count, _cost(rules[name], count, prices)) for name, count in counts.items()]
    rows += [
        (name, str(count), rules[name].kind, _money(cost, prices)) for name, count, cost in costs
    ]
    known = [cost for _, _, cost in costs if cost is not None]
    total = sum(known, Decimal()) if len(known) == len(costs) else None
    print_table([*rows, ("all", str(counts.total()), "", _money(total, prices))])


def _cost(rule: Rule, count: int, prices: Prices) -> Decimal | None:
    if rule.is_batch:
        return None
    task = sample_task(rule)
    return prices.estimate(rule.kind, task, asked_pictures(task) * count)


def _money(cost: Decimal | None, prices: Prices) -> str:
    return "unknown: prices.toml has no price" if cost is None else f"{cost:.2f} {prices.currency}"


def _take_in(objects: Sequence[Listed], runtime: Runtime) -> int:
    """Take in all objects and show the progress; return the exit status."""
    outcomes: Counter[str] = Counter()
    earlier = EarlierJobs.read(runtime)
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    with bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task("", total=len(objects))
        futures = [pool.submit(_take_in_one, listed, earlier, runtime) for listed in objects]
        try:
            for future in as_completed(futures):
                outcomes[future.result()] += 1
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for outcome, count in sorted(outcomes.items()):
        print(f"{count} {outcome}")
    return 1 if outcomes[FAILED] else 0


NEW, KNOWN, NONE, FAILED = "new jobs", "jobs that existed", "objects without a job", "failed"


def _take_in_one(listed: Listed, earlier: EarlierJobs, runtime: Runtime) -> str:
    try:
        taken = backfill(listed, earlier, runtime)
    except CloudError as error:
        print(f"{listed.key}: {error}; the same command tries it again", file=sys.stderr)
        return FAILED
    if taken is None:
        return KNOWN
    if taken.is_new:
        return NEW
    return NONE if taken.entry.reason else KNOWN
