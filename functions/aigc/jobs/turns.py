"""Turns: the parts of a sweep share its time, and each continues where it stopped.

A part is one kind of work that no event reports: to continue jobs, to remove keys. Each part gets
a turn in each sweep if there is at least one second for each of them. Otherwise some parts get
their turn in one of the next sweeps, since a sweep begins with the first part that had no turn
before. When all parts have had a turn, those that stopped because time ran out share the rest.

If the last sweep was killed, the order is random: in a fixed order the cause could come first each
time.

The cursor says where a part stopped. It only saves time: a sweep without it, or with an older one,
repeats some work, which must change nothing.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aigc.jobs.ports import PAGE
from aigc.jobs.runtime import START_S
from aigc.jobs.sweep_state import Progress
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.sweep_state import SweepState

logger = logging.getLogger(__name__)

LEAST_S = 1.0
"""Seconds in which a part may begin work, at least."""

Item = TypeVar("Item")


@dataclass(slots=True)
class SweepReport:
    """The counts of one sweep, for its log line."""

    slots: int = 0
    """Slots that were taken."""
    waiting: int = 0
    """Jobs that wait for a slot; in a long queue, as the last whole walk counted them."""
    oldest_waiting_s: int = 0
    """Seconds since the oldest of them was queued, for the last time."""
    moved: int = 0
    """Jobs that the sweep changed."""
    failed: int = 0
    """Parts and items that failed; a later sweep tries them again."""
    forgotten: int = 0
    """Jobs that ended a lease ago and whose claims were removed."""
    webhooks: int = 0
    """Tries to deliver a webhook."""
    uploads: int = 0
    """Jobs of uploads that no event reported."""
    turns: int = 0
    """Parts that had a turn."""
    turns_missed: int = 0
    """Parts that had no turn because time ran out; the next sweep begins with the first of them."""
    parts: str = ""
    """Items and seconds of each part that had any."""
    unfinished: str = ""
    """The parts that had a turn and stopped because time ran out."""


@dataclass(slots=True)
class Turn:
    """One part's share of a sweep."""

    part: Part
    lane: str
    """The lane, if the part has a turn for each lane."""
    runtime: Runtime
    """The runtime of the sweep. Its deadline is the end of this share, plus `START_S`."""
    report: SweepReport
    cursor: str = ""
    """The last item that was handled; empty if the walk begins at the beginning."""
    seen: int = 0
    """Items since the beginning of this walk."""
    total: int = 0
    """Items of the last whole walk."""
    items: int = 0
    """Items whose work was begun."""
    counted: int = 0
    """The number that this turn has added to a count of the report."""
    seconds: float = 0
    is_in_order: bool = True
    """Whether items are taken in order; not after a sweep that was killed."""
    is_taken: bool = False
    is_cut_short: bool = False
    """Whether the part stopped because time ran out."""

    @property
    def name(self) -> str:
        """The name of the part, and of the lane if there is one."""
        return f"{self.part.name}/{self.lane}" if self.lane else self.part.name

    @property
    def summary(self) -> str:
        """The items and seconds of the part in this sweep, for the log."""
        return f"{self.name}: {self.items} items, {self.seconds:.1f} s"

    @property
    def progress(self) -> Progress:
        """The position of the walk, for the next sweep."""
        return Progress(cursor=self.cursor, seen=self.seen, total=self.total)

    def resume(self, progress: Progress) -> None:
        """Continue the walk of an earlier sweep."""
        self.cursor, self.seen, self.total = progress.cursor, progress.seen, progress.total

    def take(self, runtime: Runtime) -> None:
        """Let the part work; an error is logged and does not stop the other parts."""
        self.runtime, self.is_taken, self.is_cut_short = runtime, True, False
        time_left = runtime.time_left()
        try:
            self.part.work(self)
        except Exception:
            self.report.failed += 1
            logger.exception("sweep_part_failed", extra={"part": self.name})
        self.seconds += time_left - runtime.time_left()

    def has_time(self) -> bool:
        """Whether another item may be begun; if not, the part is cut short."""
        self.is_cut_short = not self.runtime.may_start()
        return not self.is_cut_short

    def in_turn(self, items: Iterable[str]) -> Iterator[str]:
        """Yield all items, beginning after the cursor, as long as there is time."""
        ordered = sorted(items)
        after_cursor = [item for item in ordered if item > self.cursor]
        ordered = after_cursor + ordered[: len(ordered) - len(after_cursor)]
        if not self.is_in_order:
            random.shuffle(ordered)
        for item in ordered:
            if not self.has_time():
                return
            yield item
            self._advance(item)

    def walk(
        self, list_after: Callable[[str], Sequence[Listed]], *, pages: int
    ) -> Iterator[Listed]:
        """Yield listed objects in order of keys, as long as there is time.

        The walk begins after the cursor. At the end of the list it continues from the beginning,
        up to the key where it began.

        Args:
            list_after: Lists a page of the objects after a key.
            pages: Most listings.
        """
        first, is_second_half = self.cursor, False
        for _ in range(pages):
            page = list_after(self.cursor)
            for listed in page:
                if (is_second_half and listed.key > first) or not self.has_time():
                    return
                yield listed
                self._advance(listed.key)
            if len(page) < PAGE:
                self.resume(Progress(total=self.seen))
                if is_second_half or not first:
                    return
                is_second_half = True

    def count(self, name: str, number: int) -> None:
        """Add a number to a count of the report; a later round of the part replaces it."""
        setattr(self.report, name, getattr(self.report, name) + number - self.counted)
        self.counted = number

    def each(self, items: Iterable[Item], work: Callable[[Item], object]) -> None:
        """Do the work for each item; an error in one does not stop the others."""
        for item in items:
            self.items += 1
            try:
                work(item)
            except Exception:
                self.report.failed += 1
                logger.exception("sweep_item_failed", extra={"part": self.name, "item": str(item)})

    def _advance(self, cursor: str) -> None:
        self.cursor = cursor
        self.seen += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One kind of work of the sweep."""

    name: str
    does: str
    """Its work, in words."""
    bound: str
    """The most work of one turn, beside its time."""
    work: Callable[[Turn], object]
    each_lane: bool = False
    """Whether it has a turn for each lane."""
    least_s: float = LEAST_S
    """Seconds that a turn has at least, if the sweep has them."""


def take_turns(
    parts: Sequence[Part], runtime: Runtime, state: SweepState
) -> tuple[SweepReport, SweepState]:
    """Let each part work; return the report of the sweep and the state for the next one."""
    report = SweepReport()
    turns = _turns(parts, runtime, state, report)
    unfinished = turns
    while unfinished and runtime.may_start():
        unfinished = _take_round(unfinished, runtime)
    taken = [turn for turn in turns if turn.is_taken]
    missed = [turn for turn in turns if not turn.is_taken]
    report.turns, report.turns_missed = len(taken), len(missed)
    report.parts = "; ".join(turn.summary for turn in taken if turn.items or turn.seconds >= 1)
    report.unfinished = ", ".join(turn.name for turn in taken if turn.is_cut_short)
    next_first = missed[0] if missed else turns[1 % len(turns)]
    progress = {turn.name: turn.progress for turn in turns if turn.progress != Progress()}
    return report, with_fields(state, begins_with=next_first.name, progress=progress)


def _turns(
    parts: Sequence[Part], runtime: Runtime, state: SweepState, report: SweepReport
) -> list[Turn]:
    """List the turns of a sweep in their order, which begins with the one that the state names.

    After a sweep that was killed the order is random.
    """
    turns = [
        Turn(part, lane, runtime, report)
        for part in parts
        for lane in (runtime.settings.lanes if part.each_lane else ("",))
    ]
    for turn in turns:
        turn.resume(state.progress.get(turn.name, Progress()))
        turn.is_in_order = not state.is_unfinished
    if state.is_unfinished:
        random.shuffle(turns)
        return turns
    names = [turn.name for turn in turns]
    first = names.index(state.begins_with) if state.begins_with in names else 0
    return turns[first:] + turns[:first]


def _take_round(turns: list[Turn], runtime: Runtime) -> list[Turn]:
    """Give each turn an equal share of the time; return those that were cut short.

    The share limits when work may begin. Work that has begun may take until the sweep's deadline.
    """
    cut_short = []
    for number, turn in enumerate(turns):
        if not runtime.may_start():
            break
        free_s = runtime.time_left() - START_S
        share_s = max(turn.part.least_s, free_s / (len(turns) - number))
        turn.take(runtime.limited_to(share_s + START_S))
        if turn.is_cut_short:
            cut_short.append(turn)
    return cut_short
