"""Every order of a small case, told apart by state: a search that leaves nothing out.

A play cannot be copied in the middle, but it can be played again: the search keeps lists of
moves, plays one until it meets a state that it has seen, and goes back to the last choice. Two
things keep it small, and neither leaves out a state that could go wrong. What has been seen is
known by its digest: all that the cloud holds, and all that each actor has been answered. And of
moves that do not touch the same keys only one order is tried (sleep sets, after Godefroid).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.actors import determined
from tests.simulation.play import Play, watched

if TYPE_CHECKING:
    from tests.simulation.play import Case, Move

    Sleep = frozenset[Move]


@dataclass(slots=True)
class Explored:
    """What a search of a case has seen."""

    case: Case
    states: int = 0
    steps: int = 0
    """Moves between them."""
    plays: int = 0
    """Plays that it took: each goes its own way from some state on."""
    deaths: set[tuple[str, str]] = field(default_factory=set)
    """The points at which somebody died: who, and over which request."""
    endings: int = 0
    """States in which all was done."""
    is_complete: bool = False
    problems: list[str] = field(default_factory=list)
    story: str = ""
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class _Trail:
    """How a state was reached."""

    before: _Trail | None
    move: Move

    def moves(self) -> list[Move]:
        found: list[Move] = []
        trail: _Trail | None = self
        while trail is not None:
            found.append(trail.move)
            trail = trail.before
        return found[::-1]


@dataclass(frozen=True, slots=True)
class _Branch:
    trail: _Trail | None
    move: Move
    sleep: Sleep


class Search:
    """A search of one case."""

    def __init__(self, case: Case, *, is_reduced: bool = True) -> None:
        self._case = case
        self._is_reduced = is_reduced and case.switches is None
        self._seen: dict[int, Sleep] = {}
        self._branches: list[_Branch] = []
        self.explored = Explored(case)

    def run(self, seconds: float = 3600) -> Explored:
        """Search until all has been seen, something is wrong, or time is up."""
        began = time.process_time()
        explored = self.explored
        with determined(), watched() as faults:
            self._play(None)
            while self._branches and not explored.problems:
                if time.process_time() - began > seconds:
                    break
                self._play(self._branches.pop())
                explored.problems += faults.found
        explored.is_complete = not self._branches and not explored.problems
        explored.states = len(self._seen)
        explored.seconds = time.process_time() - began
        return explored

    def _play(self, branch: _Branch | None) -> None:
        play = Play(self._case)
        self.explored.plays += 1
        trail: _Trail | None = None
        sleep: Sleep = frozenset()
        if branch is not None:
            for move in branch.trail.moves() if branch.trail else ():
                play.make(move)
            self._make(play, branch.move)
            trail, sleep = _Trail(branch.trail, branch.move), branch.sleep
        self._go_on(play, trail, sleep)
        if play.problems():
            self.explored.problems = list(play.problems())
            self.explored.story = play.story()
        play.close()

    def _go_on(self, play: Play, trail: _Trail | None, sleep: Sleep) -> None:
        while not play.problems():
            todo = self._todo(play, sleep)
            if not todo:
                return
            first, *others = todo
            for number, move in enumerate(others, start=1):
                kept = self._asleep(play, move, sleep, todo[:number])
                self._branches.append(_Branch(trail, move, kept))
            sleep = self._asleep(play, first, sleep, [])
            self._make(play, first)
            trail = _Trail(trail, first)

    def _todo(self, play: Play, sleep: Sleep) -> list[Move]:
        """List the moves that are to be tried from here, and note that they are."""
        digest = play.digest()
        moves = play.moves()
        if digest not in self._seen:
            self._seen[digest] = sleep
            self.explored.endings += not moves
            return [move for move in moves if move not in sleep]
        missed = self._seen[digest] - sleep
        self._seen[digest] &= sleep
        return [move for move in moves if move in missed]

    def _asleep(self, play: Play, move: Move, sleep: Sleep, before: list[Move]) -> Sleep:
        """Say which moves need not be tried after this one, as they were before it."""
        if not self._is_reduced:
            return frozenset()
        return frozenset(one for one in (*sleep, *before) if play.are_independent(one, move))

    def _make(self, play: Play, move: Move) -> None:
        if move.what == "dies":
            pending = play.actors[move.who].pending
            assert pending is not None
            self.explored.deaths.add((move.who, f"{pending.verb} {' '.join(pending.keys)}"))
        self.explored.steps += 1
        play.make(move)
