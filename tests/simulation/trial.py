"""Trials of mutations: what the simulation notices."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from tests.simulation.cases import bounded
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutate import StaleMutationError
from tests.simulation.parts import ALL_CASES
from tests.simulation.storm import WEATHERS, Storm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulation.mutate import Mutation
    from tests.simulation.play import Case

SECONDS = 30
FIRST_SEEDS = 12
_NONSENSE = ("AttributeError", "NameError", "TypeError", "UnboundLocalError")
"""Errors of a mutation that makes no sense: such a crash proves nothing."""
CASE_S = 2
"""How long a case is searched that was not named as likely."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """What noticed a mutation, if anything did."""

    title: str
    harmless: str
    noticed_by: str
    after: str
    problem: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether it was noticed, or is known to be harmless."""
        return bool(self.noticed_by) != bool(self.harmless)


def try_out(mutation: Mutation, seconds: float = SECONDS) -> Trial:
    """Search for a broken promise with a mutation installed, for so many seconds of CPU time.

    Raises:
        StaleMutationError: It does not fit the code.
    """
    ends = time.process_time() + seconds
    with mutation.installed():
        for noticed_by, after, problems in _attempts(mutation.look_in, ends):
            if problems:
                problem = problems[0].strip().splitlines()[-1]
                if problem.startswith(_NONSENSE):
                    raise StaleMutationError(f"{mutation.title}: {problem}")
                return Trial(mutation.title, mutation.harmless, noticed_by, after, problem)
            if time.process_time() > ends:
                break
    return Trial(mutation.title, mutation.harmless, "", f"{seconds:g} s")


def try_all(
    mutations: Iterable[Mutation], seconds: float, report: Callable[[str], object]
) -> list[Trial]:
    """Try mutations, and report each.

    Raises:
        StaleMutationError: One does not fit the code.
    """
    trials = []
    for mutation in mutations:
        trial = try_out(mutation, seconds)
        noticed = f"{trial.noticed_by}, {trial.after}: {trial.problem}"
        report(f"{trial.title}: {noticed if trial.noticed_by else 'not noticed'}")
        trials.append(trial)
    return trials


def table_rows(trials: Sequence[Trial]) -> list[tuple[str, str, str]]:
    """Return the rows of the page's table."""
    return [
        (
            trial.title,
            trial.noticed_by or f"not noticed: {trial.harmless or 'unexplained'}",
            trial.after,
        )
        for trial in trials
    ]


def _attempts(likely: str, ends: float) -> Iterator[tuple[str, str, list[str]]]:
    """Search where the mutation is likely to be noticed, then where searches are cheap."""
    every = ALL_CASES
    if likely:
        for more in (0, 1):
            for case in every:
                if likely in case.title:
                    yield _search(case, ends - time.process_time(), more)
    yield from _storms(range(FIRST_SEEDS), likely)
    for case in every:
        yield _search(case, min(CASE_S, ends - time.process_time()))
    yield from _storms(range(FIRST_SEEDS, 10**6), likely)


def _search(case: Case, seconds: float, more: int = 0) -> tuple[str, str, list[str]]:
    switches = None if case.quick_switches is None else case.quick_switches + more
    explored = Search(bounded(case, switches)).run(seconds)
    return case.title, f"{explored.plays} plays", explored.problems


def _storms(seeds: range, likely: str) -> Iterator[tuple[str, str, list[str]]]:
    titles = sorted(WEATHERS, key=lambda title: not likely or likely not in title)
    for number, seed in enumerate(seeds):
        for place, title in enumerate(titles):
            problems = Storm(Draws(seed), WEATHERS[title]).run()
            yield title, f"{number * len(titles) + place + 1} storms", problems
