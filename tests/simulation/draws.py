"""The random choices of a storm: a list of small numbers that can be repeated and changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

T = TypeVar("T")


class Draws:
    """Fixed numbers first, then numbers from a seed; without a seed, zeros.

    Zero always is the simplest choice: no fault, no wait. So a storm becomes simpler when a drawn
    number is replaced by zero.
    """

    def __init__(self, seed: int | None = None, fixed: Sequence[int] = ()) -> None:
        self._rng = None if seed is None else random.Random(seed)  # noqa: S311  no secret
        self._fixed = fixed
        self.drawn: list[int] = []

    def which(self, *weights: float) -> int:
        """Draw the index of one of the weights."""
        number = self._next(weights)
        self.drawn.append(number)
        return number

    def one_of(self, items: Sequence[T]) -> T:
        """Draw one of several items that are equally likely."""
        return items[self.which(*(1 for _ in items))]

    def happens(self, chance: float) -> bool:
        """Draw whether something happens that has this chance."""
        return self.which(1 - chance, chance) == 1

    def fraction(self) -> float:
        """Draw a number from 0 to 1."""
        return self.which(*[1] * 9) / 8

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Bring the items into a random order."""
        left = list(items)
        for index in range(len(left)):
            items[index] = left.pop(self.which(*(1 for _ in left)))

    def _next(self, weights: Sequence[float]) -> int:
        if len(self.drawn) < len(self._fixed):
            return min(self._fixed[len(self.drawn)], len(weights) - 1)
        if self._rng is None:
            return 0
        left = self._rng.random() * sum(weights)
        for number, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return number
        return 0
