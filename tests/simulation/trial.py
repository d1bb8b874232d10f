"""Trials of mutations: what the simulation notices, and the table of it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.cases import bounded
from tests.simulation.draws import Draws
from tests.simulation.explore import Search
from tests.simulation.mutate import StaleMutationError
from tests.simulation.mutations import MUTATIONS
from tests.simulation.parts import ALL_CASES
from tests.simulation.storm import WEATHERS, Storm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.mutate import Mutation
    from tests.simulation.play import Case

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- mutations: begin -->", "<!-- mutations: end -->"
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


def try_all(only: str, seconds: float, report: Callable[[str], object]) -> list[Trial]:
    """Try the mutations whose title contains a text.

    Raises:
        StaleMutationError: One does not fit the code.
    """
    trials = []
    for mutation in MUTATIONS:
        if only in mutation.title:
            trial = try_out(mutation, seconds)
            noticed = f"{trial.noticed_by}, {trial.after}: {trial.problem}"
            report(f"{trial.title}: {noticed if trial.noticed_by else 'not noticed'}")
            trials.append(trial)
    return trials


def write_table(trials: Sequence[Trial]) -> None:
    """Write the table of the trials into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join(_table(trials))
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _table(trials: Sequence[Trial]) -> Iterator[str]:
    yield "| left out or changed | noticed by | after |"
    yield "|---|---|---|"
    for trial in trials:
        noticed = trial.noticed_by or f"not noticed: {trial.harmless or 'unexplained'}"
        yield f"| {trial.title} | {noticed} | {trial.after} |"


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
