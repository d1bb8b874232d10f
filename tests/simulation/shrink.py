"""Shrinking: a failing storm without everything that it does not need in order to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_TRIES = 1500


def shrink(drawn: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Replace ever smaller pieces of what was drawn by zeros, as long as it still fails."""
    kept = list(drawn)
    size, tries = len(kept), 0
    while size and tries < MOST_TRIES:
        for start in range(0, len(kept), size):
            piece = kept[start : start + size]
            if not any(piece) or tries == MOST_TRIES:
                continue
            tries += 1
            simpler = [*kept[:start], *[0] * len(piece), *kept[start + size :]]
            if fails(simpler):
                kept = simpler
        size //= 2
    while kept and not kept[-1]:
        kept.pop()
    return kept
