"""Making what failed simpler: whatever can be left out of it without its failing any less."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_TRIES = 1500


def simplest(drawn: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Put zeros in the place of what was drawn, in ever smaller pieces, as long as it fails."""
    kept = list(drawn)
    size, tries = len(kept), 0
    while size and tries < MOST_TRIES:
        for start in range(0, len(kept), size):
            piece = kept[start : start + size]
            if not any(piece) or tries == MOST_TRIES:
                continue
            tries += 1
            told = [*kept[:start], *[0] * len(piece), *kept[start + size :]]
            if fails(told):
                kept = told
        size //= 2
    while kept and not kept[-1]:
        kept.pop()
    return kept
