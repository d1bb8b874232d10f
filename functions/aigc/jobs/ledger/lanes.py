"""Lanes: the queue of each kind, and its cuts.

A queue marker sorts by priority, then by time. All keys of a lane have one prefix, so that one
request shows its cuts, its slots and the head of its queue.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from aigc.jobs.job import from_milliseconds, milliseconds
from aigc.jobs.ledger.notes import write_note
from aigc.jobs.ledger.slots import slot_entry, slot_number
from aigc.jobs.ports import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.ledger.slots import SlotEntry
    from aigc.jobs.ports import Clock, Listed, ObjectStore

HEAD = 100
"""Keys of the first listing of a lane: its cuts and the head of its queue; keys of slots are added.
A page of 1,000 keys takes a function ten times as long."""

KEYS_OF_A_SLOT = 3

HIGHEST_PRIORITY = 10
"""The priority of jobs that start before all others of their lane."""

HELD = "held/"
"""Prefix of the markers of jobs that wait outside their lanes, for a share of a ceiling."""


class Marker(NamedTuple):
    """A job that waits, as its marker names it."""

    key: str
    priority: str
    """The part of the key by which markers sort; a lower number is a higher priority."""
    job_id: str
    not_before: datetime
    start_by: datetime | None
    """Time at which the job is cancelled if it still waits."""
    modified: datetime


class Cut(NamedTuple):
    """A note that a lane has fewer slots from this time on."""

    key: str
    at: datetime
    limit: int


class LaneView:
    """A lane as one listing shows it: its cuts, its slots and its queue."""

    def __init__(self, lane: str, page: Sequence[Listed], head: int, store: ObjectStore) -> None:
        self.lane = lane
        self._prefix = f"lanes/{lane}/"
        self._page = page
        self._head = head
        self._store = store

    @property
    def cuts(self) -> list[Cut]:
        """The cuts that were not removed, the latest last."""
        return [_cut(listed) for listed in self._of("cuts/")]

    @property
    def is_refused(self) -> bool:
        """Whether the lane has a pause, active or suspected; only its object says which."""
        return bool(self._of("pause"))

    @property
    def slots(self) -> frozenset[int]:
        """The numbers of the slots that are held or contended for."""
        prefix = f"{self._prefix}slots/"
        return frozenset(slot_number(listed, prefix) for listed in self._of("slots/"))

    def entries(self, number: int) -> list[SlotEntry]:
        """The jobs that contend for a slot or hold it."""
        prefix = f"{self._prefix}slots/"
        entries = (slot_entry(listed, prefix) for listed in self._of(f"slots/{number:04d}/"))
        return [entry for entry in entries if entry is not None]

    def waiting(self) -> Iterator[Marker]:
        """Yield the markers of the queue in order, including those whose wait is not over."""
        yield from map(queue_marker, self._of("waiting/"))
        page, page_size = self._page, self._head
        while page and len(page) % page_size == 0:
            page, page_size = self._store.list(f"{self._prefix}waiting/", page[-1].key, PAGE), PAGE
            yield from map(queue_marker, page)

    def due(self, now: datetime) -> Iterator[Marker]:
        """Yield the markers whose wait is over, in order.

        Markers of one priority sort by time. So after the first whose wait is not over, the rest of
        its priority is skipped, and a long queue takes no more listings than a short one.
        """
        page, page_size, skipped = self._page, self._head, ""
        while page:
            for marker in map(queue_marker, self._waiting_on(page)):
                if marker.key <= skipped:
                    continue
                if marker.not_before <= now:
                    yield marker
                else:
                    skipped = f"{self._prefix}waiting/{marker.priority}-~"
            if len(page) % page_size:
                return
            after = max(page[-1].key, skipped)
            page, page_size = self._store.list(f"{self._prefix}waiting/", after, PAGE), PAGE

    def _waiting_on(self, page: Sequence[Listed]) -> list[Listed]:
        return [listed for listed in page if listed.key.startswith(f"{self._prefix}waiting/")]

    def _of(self, part: str) -> list[Listed]:
        return [listed for listed in self._page if listed.key.startswith(self._prefix + part)]


class Lanes:
    """The queues and the cuts of all lanes."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def view(self, lane: str, slots: int = 0) -> LaneView:
        """List a lane's cuts, its slots and the head of its queue, in one request if it is short.

        Args:
            lane: The lane.
            slots: Number of its slots, whose keys the first listing should include.
        """
        prefix = f"lanes/{lane}/"
        head = min(PAGE, HEAD + KEYS_OF_A_SLOT * slots)
        page = [*self._store.list(prefix, "", head)]
        while page and len(page) % head == 0 and not page[-1].key.startswith(f"{prefix}waiting/"):
            page += self._store.list(prefix, page[-1].key, head)
        return LaneView(lane, page, head, self._store)

    def deferral_groups(self) -> list[str]:
        """List the groups of deferred jobs, with one request for each and one more."""
        groups: list[str] = []
        after = ""
        while page := self._store.list(HELD, after, 1):
            groups.append(page[0].key.split("/")[1])
            after = f"{HELD}{groups[-1]}0"  # "0" is the character after the slash
        return groups

    def list_deferred(self, group: str) -> Iterator[Marker]:
        """Yield the markers of the jobs of a group of deferred jobs, in order."""
        prefix, after = f"{HELD}{group}/", ""
        while page := self._store.list(prefix, after, PAGE):
            yield from map(queue_marker, page)
            after = page[-1].key

    def list_queue(self, lane: str, after: str = "") -> Sequence[Listed]:
        """List a page of the markers of a queue, those after a key only."""
        return self._store.list(f"lanes/{lane}/waiting/", after)

    def enqueue(self, job: Job) -> None:
        """Write the marker that a job names."""
        write_note(self._store, job.marker)

    def remove_marker(self, key: str) -> None:
        """Remove a marker whose job waits no longer."""
        self._store.delete(key)

    def cut(self, lane: str, limit: int) -> None:
        """Note that a lane has only `limit` slots from now on."""
        at = milliseconds(self._clock.now())
        write_note(self._store, f"lanes/{lane}/cuts/{at:013d}-{limit}")

    def remove_cuts(self, cuts: Sequence[Cut]) -> None:
        """Remove cuts that a later cut replaces, or that have no effect any more."""
        for cut in cuts:
            self._store.delete(cut.key)


def deferred_key(job: Job, group: str) -> str:
    """Name the marker of a deferred job, so that markers sort by priority, then by age."""
    queue_key = marker_key(
        job.id, job.lane, job.priority, not_before=job.created_at, start_by=job.start_by
    )
    return f"{HELD}{group}/{queue_key.rpartition('/')[2]}"


def marker_key(
    job_id: str, lane: str, priority: int, *, not_before: datetime, start_by: datetime | None
) -> str:
    """Name a queue marker so that markers sort by priority (highest first), then by time."""
    order = f"{HIGHEST_PRIORITY - priority:02d}-{milliseconds(not_before):013d}"
    deadline = f"-{milliseconds(start_by)}" if start_by else ""
    return f"lanes/{lane}/waiting/{order}-{job_id}-{secrets.token_hex(4)}{deadline}"


def queue_marker(listed: Listed) -> Marker:
    """Parse the key of a marker of a queue."""
    priority, time, job_id, _, *deadline = listed.key.rsplit("/", 1)[1].split("-")
    start_by = from_milliseconds(deadline[0]) if deadline else None
    not_before = from_milliseconds(time)
    return Marker(listed.key, priority, job_id, not_before, start_by, listed.modified)


def due_time(marker: str) -> datetime:
    """Return the time before which the job of a queue marker is not sent."""
    return from_milliseconds(marker.rsplit("/", 1)[1].split("-")[1])


def _cut(listed: Listed) -> Cut:
    time, limit = listed.key.rsplit("/", 1)[1].split("-")
    return Cut(listed.key, from_milliseconds(time), int(limit))
