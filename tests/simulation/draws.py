"""What a run draws: a list of small numbers, which say all that happened and can be changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

T = TypeVar("T")


class Draws:
    """Numbers that are told, and behind them those of a seed; without a seed, zeros.

    Zero always is the plainest choice: nothing goes wrong, nothing waits. So a run is made
    simpler by telling it zeros in the place of what it drew.
    """

    def __init__(self, seed: int | None = None, told: Sequence[int] = ()) -> None:
        self._rng = None if seed is None else random.Random(seed)  # noqa: S311  no secret
        self._told = told
        self.drawn: list[int] = []

    def which(self, *weights: float) -> int:
        """Draw one of several, by weight."""
        number = self._next(weights)
        self.drawn.append(number)
        return number

    def one_of(self, things: Sequence[T]) -> T:
        """Draw one of several that are equally likely."""
        return things[self.which(*(1 for _ in things))]

    def happens(self, chance: float) -> bool:
        """Draw whether something that is this likely happens."""
        return self.which(1 - chance, chance) == 1

    def fraction(self) -> float:
        """Draw a number from 0 to 1."""
        return self.which(*[1] * 9) / 8

    def shuffle(self, things: MutableSequence[T]) -> None:
        """Bring things into another order."""
        left = list(things)
        for place in range(len(left)):
            things[place] = left.pop(self.which(*(1 for _ in left)))

    def _next(self, weights: Sequence[float]) -> int:
        if len(self.drawn) < len(self._told):
            return min(self._told[len(self.drawn)], len(weights) - 1)
        if self._rng is None:
            return 0
        drawn = self._rng.random() * sum(weights)
        for number, weight in enumerate(weights):
            drawn -= weight
            if drawn < 0:
                return number
        return 0
