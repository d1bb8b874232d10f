"""A search through every order of a small case.

A play cannot be copied in the middle, but it can be repeated: the search keeps lists of moves,
plays one of them until it reaches a known state, and continues with the last choice that is left.
Two things keep it small; neither leaves out a state that could break a promise. States are
compared by a digest of everything that the cloud holds and of all answers that each worker got.
And of moves that do not touch the same keys only one order is tried (sleep sets, Godefroid).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.play import Play, captured_log
from tests.simulation.workers import KILLING, controlled_randomness

if TYPE_CHECKING:
    from tests.simulation.play import Case, Move

    Sleep = frozenset[Move]


@dataclass(slots=True)
class Explored:
    """The result of a search."""

    case: Case
    states: int = 0
    steps: int = 0
    """Moves between them."""
    plays: int = 0
    """Plays that it took; each differs from all others."""
    deaths: set[tuple[str, str]] = field(default_factory=set)
    """The worker and the request of each death."""
    endings: int = 0
    """States without a next move."""
    is_complete: bool = False
    problems: list[str] = field(default_factory=list)
    trace: str = ""
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class _Trail:
    """The moves that led to a state."""

    before: _Trail | None
    move: Move

    def moves(self) -> list[Move]:
        moves: list[Move] = []
        trail: _Trail | None = self
        while trail is not None:
            moves.append(trail.move)
            trail = trail.before
        return moves[::-1]


@dataclass(frozen=True, slots=True)
class _Branch:
    trail: _Trail | None
    move: Move
    sleep: Sleep


class Search:
    """A search of one case."""

    def __init__(self, case: Case, *, is_reduced: bool = True) -> None:
        self._case = case
        self._is_reduced = is_reduced
        self._seen: dict[int, Sleep] = {}
        self._moves: dict[int, frozenset[Move]] = {}
        self._branches: list[_Branch] = []
        self.explored = Explored(case)

    def run(self, seconds: float = 3600) -> Explored:
        """Search until all states are known, a promise is broken, or the time is over."""
        began = time.process_time()
        explored = self.explored
        with controlled_randomness(), captured_log() as errors:
            self._play(None)
            while self._branches and not explored.problems:
                if time.process_time() - began > seconds:
                    break
                self._play(self._branches.pop())
                explored.problems += errors.found
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
            self.explored.trace = play.trace()
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
        """Return the moves to try from this state, and note that they are tried."""
        digest = play.digest()
        moves = play.moves()
        # A digest that leaves out something important shows here: states that it takes for equal
        # would have different moves.
        assert self._moves.setdefault(digest, frozenset(moves)) == frozenset(moves)
        if digest not in self._seen:
            self._seen[digest] = sleep
            self.explored.endings += not moves
            return [move for move in moves if move not in sleep]
        missed = self._seen[digest] - sleep
        self._seen[digest] &= sleep
        return [move for move in moves if move in missed]

    def _asleep(self, play: Play, move: Move, sleep: Sleep, before: list[Move]) -> Sleep:
        """Return the moves that need not be tried after this one: they are tried before it."""
        if not self._is_reduced:
            return frozenset()
        return frozenset(one for one in (*sleep, *before) if play.are_independent(one, move))

    def _make(self, play: Play, move: Move) -> None:
        if move.event in KILLING:
            branch = play.branch(move.subject)
            assert branch is not None
            assert branch.pending is not None
            request = f"{branch.pending.verb} {' '.join(branch.pending.keys)}"
            self.explored.deaths.add((branch.worker.name, request))
        self.explored.steps += 1
        play.make(move)
