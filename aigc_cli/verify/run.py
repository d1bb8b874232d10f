"""Runs checks: groups at the same time, the checks of a group one after another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING

import requests

from aigc_cli.account import RefusalError
from aigc_cli.verify.check import DiffersError, SkipError
from aigc_cli.verify.scratch import Answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aigc_cli.verify.check import Check
    from aigc_cli.verify.world import World

SKIPPED = "skipped"


class Run:
    """One run of some checks."""

    def __init__(self, world: World, on_answer: Callable[[Check, Answered], None]) -> None:
        self._world = world
        self._on_answer = on_answer
        self._is_stopped = False

    def ask(self, checks: Sequence[Check]) -> None:
        """Run the checks that have no answer in this run yet.

        Raises:
            KeyboardInterrupt: The user stopped the run; each group has ended its current check.
        """
        groups = [list(members) for _, members in groupby(checks, lambda check: check.group)]
        with ThreadPoolExecutor(max(1, len(groups))) as pool:
            try:
                list(pool.map(self._ask_group, groups))
            except KeyboardInterrupt:
                self._is_stopped = True
                raise

    def _ask_group(self, checks: Iterable[Check]) -> None:
        for check in checks:
            if self._is_stopped:
                return
            answered = self._world.scratch.answers.get(check.name)
            if answered is None:
                answered = self._answer(check)
                self._world.scratch.answer(check.name, answered)
            self._on_answer(check, answered)

    def _answer(self, check: Check) -> Answered:
        try:
            return Answered(result="passed", seen=check.ask(self._world))
        except SkipError as reason:
            return Answered(result=SKIPPED, seen=str(reason))
        except DiffersError as error:
            return Answered(result="failed", seen=str(error))
        except (RefusalError, requests.RequestException) as error:
            return Answered(result="failed", seen=f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001  the other checks must run
            return Answered(result="failed", seen=f"unexpected {type(error).__name__}: {error}")
