"""Simulate for a given time: `python -m tests.simulation --seconds 600`.

Small cases first, in every order; then storms, seed after seed. What goes wrong is told as a
story, a storm's after everything was left out of it that can be.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import sys
import time
from typing import TYPE_CHECKING

from tests.simulation.cases import CASES, bounded
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutations import SECONDS, check, unexpected, write_table
from tests.simulation.shrink import shrink
from tests.simulation.storm import WEATHERS, Storm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.simulation.play import Case

FIRST_SEEDS = 6
CASE_S = 2
"""How long one case may be searched for what a mutation breaks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="in all")
    parser.add_argument("--seeds", type=int, help="storms of each weather, whatever it takes")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=8, help="most jobs of a storm")
    parser.add_argument("--switches", type=int, default=2, help="interruptions in a small case")
    parser.add_argument("--every-order", action="store_true", help="no limit to interruptions")
    parser.add_argument("--only", default="", help="cases and weathers with this in their titles")
    parser.add_argument("--story", action="store_true", help="tell the first storm")
    parser.add_argument("--find", metavar="WHERE", help="look for one fault, there first, as JSON")
    parser.add_argument("--mutations", action="store_true", help="try what the protocol needs")
    parser.add_argument("--write", action="store_true", help="put their table into the page")
    given = parser.parse_args(arguments)
    if given.mutations:
        return _mutate(given)
    if given.find is not None:
        print(json.dumps(_found(given.find, given.seconds)))
        return 0
    if given.story:
        return _tell(given.only, given.first_seed, given.jobs)
    return _search(given) or _storm(given)


def _search(given: argparse.Namespace) -> int:
    cases = [case for case in CASES if given.only in case.title]
    ends = time.process_time() + given.seconds / 2
    for number, case in enumerate(cases):
        left = (ends - time.process_time()) / (len(cases) - number)
        wanted = bounded(case, None if given.every_order else given.switches)
        explored = Search(wanted).run(max(left, 1))
        scope = "all of" if explored.is_complete else "part of"
        print(
            f"{case.title}: {scope} {explored.states} states, {explored.steps} steps between them,"
            f" {len(explored.deaths)} points of death, {explored.endings} ends,"
            f" {explored.seconds:.0f} s",
            flush=True,
        )
        if explored.problems:
            print(explored.trace, *explored.problems, sep="\n")
            return 1
    return 0


def _storm(given: argparse.Namespace) -> int:
    ends = time.process_time() + given.seconds / 2
    runs, requests, deaths, sweeps = 0, 0, 0, 0
    for seed, title in _seeds(given, ends):
        storm = Storm(Draws(seed), WEATHERS[title], given.jobs)
        if storm.run():
            _tell(title, seed, given.jobs)
            return 1
        runs, requests, deaths = runs + 1, requests + storm.requests, deaths + storm.deaths
        sweeps = max(sweeps, storm.sweeps_needed)
    print(
        f"{runs} storms: {requests} requests, {deaths} deaths,"
        f" at most {sweeps} sweeps from the last fault to the end"
    )
    return 0


def _seeds(given: argparse.Namespace, ends: float) -> Iterator[tuple[int, str]]:
    titles = [title for title in WEATHERS if given.only in title]
    seed = given.first_seed
    while titles and (
        time.process_time() < ends if given.seeds is None else seed < given.first_seed + given.seeds
    ):
        for title in titles:
            yield seed, title
        seed += 1


def _tell(only: str, seed: int, jobs: int) -> int:
    title = next(title for title in WEATHERS if only in title)
    storm = Storm(Draws(seed), WEATHERS[title], jobs)
    problems = storm.run()
    if problems:
        draws = shrink(storm.draws.drawn, lambda told: bool(_told(told, title, jobs).run()))
        storm = _told(draws, title, jobs)
        problems = storm.run()
    print(f"{title}, seed {seed}", storm.trace(), *problems, sep="\n")
    return int(bool(problems))


def _told(draws: Sequence[int], title: str, jobs: int) -> Storm:
    return Storm(Draws(fixed=draws), WEATHERS[title], jobs)


# Mutations


def _mutate(given: argparse.Namespace) -> int:
    results = check(given.only, min(given.seconds, SECONDS), functools.partial(print, flush=True))
    if given.write:
        write_table(results)
    wrong = unexpected(results)
    print(f"{len(results)} mutations, {len(wrong)} not as they should be", *wrong, sep="\n")
    return int(bool(wrong))


def _found(where: str, seconds: float) -> dict[str, str]:
    """Look for one fault, where it is likely first, then with what is quick to find one."""
    ends = time.process_time() + seconds
    for attempt in _attempts(where, ends):
        if attempt["by"]:
            return attempt
    return {"by": "", "after": f"{seconds:g} s", "problem": ""}


def _attempts(where: str, ends: float) -> Iterator[dict[str, str]]:
    likely = [case for case in CASES if where and where in case.title]
    for more in (0, 1):
        for case in likely:
            freer = dataclasses.replace(case, quick_switches=case.quick_switches + more)
            yield _by_case(freer, ends - time.process_time())
    yield from _by_storms(range(FIRST_SEEDS), ends)
    for case in CASES:
        yield _by_case(case, min(CASE_S, ends - time.process_time()))
    yield from _by_storms(range(FIRST_SEEDS, 10**6), ends)


def _by_case(case: Case, seconds: float) -> dict[str, str]:
    explored = Search(bounded(case, case.quick_switches)).run(seconds)
    by = case.title if explored.problems else ""
    return {"by": by, "after": f"{explored.plays} plays", "problem": _first(explored.problems)}


def _by_storms(seeds: range, ends: float) -> Iterator[dict[str, str]]:
    for number, seed in enumerate(seeds):
        for place, title in enumerate(WEATHERS):
            if time.process_time() > ends:
                return
            problems = Storm(Draws(seed), WEATHERS[title]).run()
            runs = (seeds.start + number) * len(WEATHERS) + place + 1
            yield {
                "by": title if problems else "",
                "after": f"{runs} storms",
                "problem": _first(problems),
            }


def _first(problems: Sequence[str]) -> str:
    return problems[0].strip().splitlines()[-1] if problems else ""


if __name__ == "__main__":
    sys.exit(main())
