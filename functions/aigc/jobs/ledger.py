"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is |
|---|---|
| `jobs/<id>.json` | the record; created if absent, which makes a repeat find the first |
| `index/<newest first>-<id>-<kind>-<source>` | the job, where jobs are listed |
| `lanes/<lane>/cuts/<time>-<limit>` | the vendor had no room: fewer places for a while |
| `lanes/<lane>/slots/<n>` | a place in the lane is taken; created if absent: a semaphore |
| `lanes/<lane>/waiting/<order>-<id>-<nonce>` | the job waits; sorted by priority, then time |
| `claims/<id>/<revision>/<k>` | one caller only may move the job on from this revision |
| `claims/<id>/told/<session>` | the task that VOD named while the job could not be written |
| `unstored/<id>` | a job that gave its slot back before its pictures could be stored |
| `dead/jobs/<id>.json` | the record of a job that failed through no fault of its caller |
| `webhooks/…`, `deliveries/…` | see `aigc.jobs.webhooks` |

All that a lane is lies under one prefix, so that one request shows its cuts, its slots and the
head of its queue.

COS has no compare-and-swap but it has create-if-absent (`x-cos-forbid-overwrite`), and a claim
turns the one into the other: whoever creates `claims/<id>/<revision>/0` is alone in writing the
next revision. A holder that died is succeeded by creating `…/1`, once the claim is older than a
lease, which is longer than any function may run. Claims are removed a lease after the job has
ended, and not before: who read the job while it still could be claimed must be dead by then, or
it would claim a revision that was claimed, used and left behind long ago.
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from pydantic import ValidationError

from aigc.errors import AmbiguousError, BadRecordError, CloudError
from aigc.jobs.job import Job, Slot, milliseconds
from aigc.wire import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aigc.jobs.ports import Listed, ObjectStore

logger = logging.getLogger(__name__)

PAGE = 1000  # the most that COS lists at once
HEAD = 100
"""Of a lane at first: its cuts, its slots and the next few that wait. To read a whole page takes
a function ten times as long."""
INDEX = "index/"
_OF_A_SLOT = "slot-"
OF_A_WEBHOOK = "webhook-"
_LAST_MS = 10**13
"""Beyond the milliseconds of any date to come: what is taken from it sorts the newest first."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A job that waits, as its queue marker tells it."""

    key: str
    job_id: str
    not_before: datetime
    start_by: datetime | None
    """When the job is to be cancelled if it was not sent."""
    modified: datetime


@dataclass(frozen=True, slots=True)
class Indexed:
    """A job, as its entry in the index tells it."""

    key: str
    job_id: str
    kind: str
    source_type: str
    source_name: str
    created_at: datetime
    modified: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """The moment at which a lane was given fewer places."""

    key: str
    at: datetime
    limit: int


class LaneView:
    """A lane as one look at it showed it: what it may run, what runs, what waits."""

    def __init__(self, lane: str, page: Sequence[Listed], store: ObjectStore) -> None:
        self._prefix = f"lanes/{lane}/"
        self._page = page
        self._store = store

    @property
    def cuts(self) -> list[Cut]:
        """The cuts that were not taken back, the latest last."""
        return [_cut(one) for one in self._of("cuts/")]

    @property
    def slots(self) -> frozenset[int]:
        """The numbers of the places that are taken."""
        return frozenset(_slot_number(one.key) for one in self._of("slots/"))

    def waiting(self) -> Iterator[Marker]:
        """Walk the queue in order, those included whose time has not come."""
        yield from map(_marker, self._of("waiting/"))
        page, asked = self._page, HEAD
        while page and len(page) % asked == 0:
            page, asked = self._store.list(f"{self._prefix}waiting/", page[-1].key, PAGE), PAGE
            yield from map(_marker, page)

    def _of(self, part: str) -> list[Listed]:
        return [one for one in self._page if one.key.startswith(self._prefix + part)]


class TakenSlot(Record):
    """The body of a slot: who took it, when, and for which job."""

    job_id: str
    token: str
    taken_at: datetime


class Ledger:
    """The only reader and writer of the ledger bucket."""

    def __init__(
        self, store: ObjectStore, *, lease: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._lease = lease
        self._now = now

    # Jobs

    def create(self, job: Job) -> Job:
        """Write a new job's marker and its entry in the index, then its record.

        Returns the job that has the id. Marker and entry come first, so that a job that exists
        always has them. Their keys are unique to this call: when the record turns out to exist,
        removing them takes nobody else's away.
        """
        self._store.create(job.marker, b"{}")
        self._store.create(_index_key(job), b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            return job
        self._store.delete(job.marker)
        existing = self.read(job.id)
        if existing is None:
            return job
        if _index_key(existing) != _index_key(job):
            self._store.delete(_index_key(job))
        return existing

    def newest(self, after: str = "", limit: int = PAGE) -> list[Indexed]:
        """List jobs, the newest first, those behind the entry `after` only.

        An entry whose job there is not belongs to a call that is under way, or died.
        """
        return [_indexed(one) for one in self._store.list(INDEX, after, limit)]

    def forget_indexed(self, entry: Indexed) -> None:
        """Remove an entry of the index whose job was never written, once nobody will."""
        if self.is_old(entry.modified):
            self._store.delete(entry.key)

    def read(self, job_id: str) -> Job | None:
        """Read a record; None where there is none.

        Raises:
            BadRecordError: There is one, but it is not a job's.
        """
        body = self._store.get(_job_key(job_id))
        if body is None:
            return None
        try:
            return Job.model_validate_json(body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
            raise BadRecordError(f"the record of job {job_id} cannot be read: {faults}") from None

    def write(self, job: Job) -> Job:
        """Write the next revision; only the holder of the claim on the last may."""
        written = job.model_copy(update={"revision": job.revision + 1, "updated_at": self._now()})
        try:
            self._store.put(_job_key(job.id), _dump(written))
        except AmbiguousError:
            self._write_unless_written(written)
        return written

    def _write_unless_written(self, job: Job) -> None:
        """Find out whether a write arrived whose reply was lost; if not, write again.

        Nobody else may write this revision; but once it is there, others may have gone on from it.
        """
        found = self.read(job.id)
        if found is None or found.revision < job.revision:
            self._store.put(_job_key(job.id), _dump(job))

    def claim(self, job: Job) -> Job | None:
        """Become the only one who may move the job on; None where somebody else is.

        A first claim on a revision that nobody owned proves that the job is as it was read.
        Otherwise the dead holder or owner may have moved it on after we read it and before it
        died, so it is read again.
        """
        if job.is_owned(self._now()):
            return None
        prefix = f"claims/{job.id}/{job.revision:06d}/"
        if self._store.create(prefix + "000", _unique()):
            if job.owned_until is None:
                return job
        elif not self._inherit(prefix):
            return None
        again = self.read(job.id)
        return again if again is not None and again.revision == job.revision else None

    def _inherit(self, prefix: str) -> bool:
        held = self._store.list(prefix)
        if not held or not self.is_old(held[-1].modified):
            return False
        return self._store.create(f"{prefix}{len(held):03d}", _unique())

    def claimed_jobs(self) -> list[str]:
        """List jobs that claims are left of, a page's worth of claims at most.

        Claims on slots and webhooks are left only by who died over them; they are removed on the
        way, once the last holder's is old: before, a claim anew would meet that holder at work.
        """
        claims: dict[str, list[Listed]] = {}
        for one in self._store.list("claims/"):
            claims.setdefault(one.key.split("/")[1], []).append(one)
        others = [on for on in claims if on.startswith((_OF_A_SLOT, OF_A_WEBHOOK))]
        for on in others:
            held = claims.pop(on)
            if self.is_old(held[-1].modified) and not self._holds_on(on):
                self._store.delete(*(one.key for one in held))
        return list(claims)

    def _holds_on(self, on: str) -> bool:
        """Whether the slot that a claim is on is still the one that its holder wanted to free.

        While it is, somebody may inherit the claim this moment, and a claim anew would meet him.
        """
        if not on.startswith(_OF_A_SLOT):
            return False
        token, lane, number = on.removeprefix(_OF_A_SLOT).split("~")
        taken = self.read_slot(lane, int(number))
        return taken is not None and taken.token == token

    def is_over(self, job: Job) -> bool:
        """Whether a job ended a lease ago: nobody alive has read it before."""
        return job.has_ended and self.is_old(job.updated_at)

    def forget_claims(self, job: Job) -> None:
        """Remove the claims of a job that is over, but for those on its last revision.

        Whoever replays it holds such a one; if he dies over it, the next inherits it.
        """
        prefix = f"claims/{job.id}/"
        last = f"{prefix}{job.revision:06d}/"
        told = {_told_key(job.id, attempt.session_id) for attempt in job.attempts}
        held = [one.key for one in self._store.list(prefix)]
        self._store.delete(*(key for key in held if key < last or key in told))

    def is_old(self, modified: datetime) -> bool:
        """Whether who wrote something then cannot be alive any more."""
        return self._now() - modified > self._lease

    def hold(self, thing: str) -> bool:
        """Become the only one who is at work on something, for a lease at most."""
        prefix = f"claims/{thing}/"
        return self._store.create(prefix + "000", _unique()) or self._inherit(prefix)

    def let_go(self, thing: str) -> None:
        """Let others hold it; who does must look again at what he holds it for."""
        for held in self._store.list(f"claims/{thing}/"):
            self._store.delete(held.key)

    def owned_until(self) -> datetime:
        """Until when the present holder of a claim may be at work."""
        return self._now() + self._lease

    # What is known of a job before it may be written into its record

    def note_task(self, job_id: str, session_id: str, task_id: str) -> None:
        """Keep the vendor's word on a session whose sender may still be at work."""
        self._store.create(_told_key(job_id, session_id), task_id.encode())

    def noted_task(self, job: Job) -> str:
        """Read what was kept of the present attempt's session; empty where nothing was."""
        told = self._store.get(_told_key(job.id, job.attempt.session_id))
        return told.decode() if told else ""

    def note_unstored(self, job: Job) -> None:
        """Remember a job without a slot whose pictures are still to be stored."""
        self._store.create(_unstored_key(job.id), b"{}")

    def unstored_jobs(self) -> list[str]:
        """List the jobs whose pictures are still to be stored."""
        return [one.key.rsplit("/", 1)[1] for one in self._store.list("unstored/")]

    def forget_unstored(self, job_id: str) -> None:
        """Forget that a job's pictures were still to be stored."""
        self._store.delete(_unstored_key(job_id))

    # The dead

    def bury(self, job: Job) -> None:
        """Keep what is known of a job that is about to end as failed, for who replays it."""
        self._store.put(_dead_key(job.id), _dump(job))

    def dead_jobs(self, after: str = "") -> list[str]:
        """List jobs that failed through no fault of their callers, a page of them at most."""
        return [_dead_id(one.key) for one in self._store.list("dead/jobs/", _dead_key(after))]

    def exhume(self, job_id: str) -> None:
        """Forget that a job was dead."""
        self._store.delete(_dead_key(job_id))

    # Lanes

    def lane(self, lane: str) -> LaneView:
        """Look at a lane: one request for its cuts, its slots and the head of its queue."""
        prefix = f"lanes/{lane}/"
        page = [*self._store.list(prefix, "", HEAD)]
        while page and len(page) % HEAD == 0 and not page[-1].key.startswith(f"{prefix}waiting/"):
            page += self._store.list(prefix, page[-1].key, HEAD)
        return LaneView(lane, page, self._store)

    def queue_again(self, job: Job) -> None:
        """Write the marker that the job's next revision will name."""
        self._store.create(job.marker, b"{}")

    def remove_marker(self, key: str) -> None:
        """Remove a marker whose job does not wait any more."""
        self._store.delete(key)

    def cut(self, lane: str, limit: int) -> None:
        """Note that a lane has fewer places from now on."""
        self._store.create(f"lanes/{lane}/cuts/{milliseconds(self._now()):013d}-{limit}", _unique())

    def forget_cuts(self, cuts: Sequence[Cut]) -> None:
        """Remove cuts that a later one, or time, has made void."""
        for cut in cuts:
            self._store.delete(cut.key)

    # Slots

    def take_slot(self, lane: str, number: int, job_id: str) -> Slot | None:
        """Take a place in the lane for a job; None where somebody was faster."""
        slot = Slot(number=number, token=secrets.token_hex(16))
        taken = TakenSlot(job_id=job_id, token=slot.token, taken_at=self._now())
        body = taken.model_dump_json().encode()
        return slot if self._store.create(_slot_key(lane, number), body) else None

    def read_slot(self, lane: str, number: int) -> TakenSlot | None:
        """Read who took a slot; None where it is free."""
        body = self._store.get(_slot_key(lane, number))
        return None if body is None else TakenSlot.model_validate_json(body)

    def release_slot(self, lane: str, slot: Slot) -> bool:
        """Give a place back, if it still is the one that was taken; False where that failed.

        The sweep gives it back later then: a place that is taken a while too long costs time, and
        one that is given back twice would be another's.
        """
        try:
            taken = self.read_slot(lane, slot.number)
            if taken is not None and taken.token == slot.token:
                self._store.delete_once(_slot_key(lane, slot.number))
        except CloudError as error:
            logger.warning("slot_left_to_sweep", extra={"lane": lane, "code": error.code})
            return False
        return True

    def release_slot_of_the_dead(self, lane: str, slot: Slot) -> None:
        """Give back a place whose taker is dead; of several that try, one does.

        Without the claim a slow caller could remove the slot of the next taker.
        """
        thing = f"{_OF_A_SLOT}{slot.token}~{lane}~{slot.number}"
        if self.hold(thing) and self.release_slot(lane, slot):
            self.let_go(thing)


def marker_key(
    job_id: str, lane: str, priority: int, *, after: datetime, by: datetime | None
) -> str:
    """Name a queue marker so that markers sort by priority (10 first), then by time."""
    order = f"{10 - priority:02d}-{milliseconds(after):013d}"
    deadline = f"-{milliseconds(by)}" if by else ""
    return f"lanes/{lane}/waiting/{order}-{job_id}-{secrets.token_hex(4)}{deadline}"


def _marker(listed: Listed) -> Marker:
    _, time, job_id, _, *deadline = listed.key.rsplit("/", 1)[1].split("-")
    start_by = _moment(deadline[0]) if deadline else None
    return Marker(listed.key, job_id, _moment(time), start_by, listed.modified)


def _cut(listed: Listed) -> Cut:
    time, limit = listed.key.rsplit("/", 1)[1].split("-")
    return Cut(listed.key, _moment(time), int(limit))


def _index_key(job: Job) -> str:
    time = _LAST_MS - milliseconds(job.created_at)
    name = quote(job.source.name, safe="")
    return f"{INDEX}{time:013d}-{job.id}-{job.kind}-{job.source.type}-{name}"


def _indexed(listed: Listed) -> Indexed:
    time, job_id, kind, source_type, name = listed.key.removeprefix(INDEX).split("-", 4)
    created_at = _moment(_LAST_MS - int(time))
    return Indexed(
        listed.key, job_id, kind, source_type, unquote(name), created_at, listed.modified
    )


def _moment(unix_ms: str | int) -> datetime:
    return datetime.fromtimestamp(int(unix_ms) / 1000, timezone.utc)


def _job_key(job_id: str) -> str:
    return f"jobs/{job_id}.json"


def _dead_key(job_id: str) -> str:
    return f"dead/jobs/{job_id}.json"


def _dead_id(key: str) -> str:
    return key.removeprefix("dead/jobs/").removesuffix(".json")


def _told_key(job_id: str, session_id: str) -> str:
    return f"claims/{job_id}/told/{session_id}"


def _unstored_key(job_id: str) -> str:
    return f"unstored/{job_id}"


def _slot_key(lane: str, number: int) -> str:
    return f"lanes/{lane}/slots/{number:04d}"


def _slot_number(key: str) -> int:
    return int(key.rsplit("/", 1)[1])


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True).encode()


def _unique() -> bytes:
    return json.dumps({"claimed_by": secrets.token_hex(16)}).encode()
