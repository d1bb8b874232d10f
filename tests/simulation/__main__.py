"""The simulation for a given time: `python -m tests.simulation --seconds 600`.

Small cases are searched first, then storms run, one seed after another. What fails is printed as
a trace; a storm is shrunk before.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.cases import bounded
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutations import MUTATIONS
from tests.simulation.parts import ALL_CASES
from tests.simulation.shrink import shrink
from tests.simulation.storm import WEATHERS, Storm
from tests.simulation.tables import CASES_TABLE, MUTATIONS_TABLE
from tests.simulation.trial import SECONDS, table_rows, try_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.simulation.explore import Explored
    from tests.simulation.mutate import Mutation
    from tests.simulation.play import Case
    from tests.tables import Table

Titled = TypeVar("Titled", "Case", "Mutation")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the options say; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="CPU seconds in all")
    parser.add_argument("--seeds", type=int, help="storms of each weather, whatever they take")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=8, help="most jobs of a storm")
    parser.add_argument("--switches", type=int, help="switches in a small case; else its own")
    parser.add_argument("--every-order", action="store_true", help="no limit of switches")
    parser.add_argument(
        "--only", default="", help="cases, weathers and mutations whose title contains this"
    )
    parser.add_argument(
        "--new", action="store_true", help="only those that the table in the page lacks"
    )
    parser.add_argument("--trace", action="store_true", help="print the first storm")
    parser.add_argument("--mutations", action="store_true", help="try the mutations")
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    options = parser.parse_args(arguments)
    if options.mutations:
        return _try_mutations(options)
    if options.trace:
        return _print_storm(options.only, options.first_seed, options.jobs)
    return _search(options) or _run_storms(options)


def _wanted(every: Iterable[Titled], table: Table, options: argparse.Namespace) -> list[Titled]:
    """Select cases or mutations by the options."""
    known = table.read() if options.new else ()
    return [item for item in every if options.only in item.title and item.title not in known]


def _search(options: argparse.Namespace) -> int:
    cases = _wanted(ALL_CASES, CASES_TABLE, options)
    ends = time.process_time() + options.seconds / 2
    for number, case in enumerate(cases):
        left = (ends - time.process_time()) / (len(cases) - number)
        switches = case.quick_switches if options.switches is None else options.switches
        switches = None if options.every_order else switches
        explored = Search(bounded(case, switches)).run(max(left, 1))
        scope = "all of" if explored.is_complete else "part of"
        print(
            f"{case.title}: {scope} {explored.states} states, {explored.plays} plays,"
            f" {len(explored.deaths)} points of death, {explored.endings} ends,"
            f" {explored.seconds:.0f} s",
            flush=True,
        )
        if explored.problems:
            print(explored.trace, *explored.problems, sep="\n")
            return 1
        if options.write:
            CASES_TABLE.write([_row(explored, switches)])
    return 0


def _row(explored: Explored, switches: int | None) -> tuple[str, ...]:
    numbers = (explored.states, explored.plays, len(explored.deaths), explored.endings)
    return (
        explored.case.title,
        "no limit" if switches is None else str(switches),
        "all of it" if explored.is_complete else "part of it",
        *(f"{number:,}" for number in numbers),
    )


def _run_storms(options: argparse.Namespace) -> int:
    ends = time.process_time() + options.seconds / 2
    runs, requests, deaths, sweeps = 0, 0, 0, 0
    for seed, title in _seeds(options, ends):
        storm = Storm(Draws(seed), WEATHERS[title], options.jobs)
        if storm.run():
            _print_storm(title, seed, options.jobs)
            return 1
        runs, requests, deaths = runs + 1, requests + storm.requests, deaths + storm.deaths
        sweeps = max(sweeps, storm.sweeps_needed)
    print(
        f"{runs} storms: {requests} requests, {deaths} deaths,"
        f" at most {sweeps} sweeps from the last fault to the end"
    )
    return 0


def _seeds(options: argparse.Namespace, ends: float) -> Iterator[tuple[int, str]]:
    titles = [title for title in WEATHERS if options.only in title]
    seed, seeds = options.first_seed, options.seeds
    while titles and (
        time.process_time() < ends if seeds is None else seed < options.first_seed + seeds
    ):
        for title in titles:
            yield seed, title
        seed += 1


def _print_storm(only: str, seed: int, jobs: int) -> int:
    title = next(title for title in WEATHERS if only in title)
    storm = Storm(Draws(seed), WEATHERS[title], jobs)
    problems = storm.run()
    if problems:
        drawn = shrink(storm.draws.drawn, lambda fixed: bool(_repeat(fixed, title, jobs).run()))
        storm = _repeat(drawn, title, jobs)
        problems = storm.run()
    print(f"{title}, seed {seed}, {storm.storage}", storm.trace(), *problems, sep="\n")
    return int(bool(problems))


def _repeat(fixed: Sequence[int], title: str, jobs: int) -> Storm:
    return Storm(Draws(fixed=fixed), WEATHERS[title], jobs)


def _try_mutations(options: argparse.Namespace) -> int:
    seconds = min(options.seconds, SECONDS)
    mutations = _wanted(MUTATIONS, MUTATIONS_TABLE, options)
    trials = try_all(mutations, seconds, functools.partial(print, flush=True))
    if options.write:
        MUTATIONS_TABLE.write(table_rows(trials))
    unexpected = [trial.title for trial in trials if not trial.is_expected]
    print(f"{len(trials)} mutations, {len(unexpected)} unexpected results", *unexpected, sep="\n")
    return int(bool(unexpected))


if __name__ == "__main__":
    sys.exit(main())
