"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is |
|---|---|
| `jobs/<id>.json` | the record |
| `index/<newest first>-<id>-<kind>-<source>` | the job, where jobs are listed |
| `lanes/<lane>/cuts/<time>-<limit>` | the vendor had no room: fewer slots for a while |
| `lanes/<lane>/slots/<n>/…` | a slot that is held or contended for: see `aigc.jobs.slots` |
| `lanes/<lane>/waiting/<order>-<id>-<nonce>` | the job waits; sorted by priority, then time |
| `creations/<id>/<g>/…` | a contest: one invocation only may write the first revision |
| `claims/<id>/<revision>/<g>/…` | a contest: one invocation only may write the next revision |
| `claims/<id>/told/<session>` | the task that VOD named while the job could not be written |
| `claims/<id>/ended` | the job ended or is about to: it is to be counted and tidied up |
| `unstored/<id>` | a job that gave its slot back before its pictures could be stored |
| `dead/jobs/<id>.json` | the record of a job that failed through no fault of its caller |
| `webhooks/…`, `deliveries/…` | see `aigc.jobs.webhooks` |

All that a lane is lies under one prefix, so that one request shows its cuts, its slots and the
head of its queue. A listing may be late: what it shows decides what is tried, never what is true.

**First revision.** A job whose id is new cannot have a second creator: its record is written
without a contest. A job that a repeat finds again (an upload, a call with an `Idempotency-Key`) is
created by the winner of a contest on its id. The first revision may already be owned
(`owned_until`): then its creator alone moves the job on, without a claim.

**Next revisions.** To claim a job is to win the contest on its id and revision. The winner is
alone in writing the next revision. A record that is owned is claimed by nobody. The first
generation of a contest on a revision without an owner proves that the job is as it was read;
after a dead holder or owner it is read again.

**Writes without an answer.** Such a write may take effect later. It is never repeated as it is,
since it could then replace a newer revision. The record is read: if the write is there, the
writer goes on. If not, and the writer has more to write, it stops, and its claim expires. If it
has nothing more to write, it writes the same revision again, owned for longer than the first
write may be late. Nobody writes a newer revision until then.

**Removal.** The contests of a job are removed a lease after it has ended: whoever read the job
while it could be claimed is dead by then.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from pydantic import ValidationError

from aigc.errors import AmbiguousError, BadRecordError
from aigc.jobs.contest import Contest
from aigc.jobs.job import Job, milliseconds
from aigc.jobs.ports import one_after_another
from aigc.jobs.slots import OF_A_SLOT, Slots, slot_entry, slot_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aigc.jobs.ports import Listed, ObjectStore, Parallel
    from aigc.jobs.slots import SlotEntry

PAGE = 1000  # the most that COS lists at once
HEAD = 100
"""Of a lane at first: its cuts, its slots and the next few that wait. To read a whole page takes
a function ten times as long."""
KEYS_OF_A_SLOT = 3
INDEX = "index/"
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

    def __init__(self, lane: str, page: Sequence[Listed], head: int, store: ObjectStore) -> None:
        self.lane = lane
        self._prefix = f"lanes/{lane}/"
        self._page = page
        self._head = head
        self._store = store

    @property
    def cuts(self) -> list[Cut]:
        """The cuts that were not taken back, the latest last."""
        return [_cut(one) for one in self._of("cuts/")]

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
        """Walk the queue in order, those included whose time has not come."""
        yield from map(_marker, self._of("waiting/"))
        page, asked = self._page, self._head
        while page and len(page) % asked == 0:
            page, asked = self._store.list(f"{self._prefix}waiting/", page[-1].key, PAGE), PAGE
            yield from map(_marker, page)

    def _of(self, part: str) -> list[Listed]:
        return [one for one in self._page if one.key.startswith(self._prefix + part)]


class Ledger:
    """The only reader and writer of the ledger bucket."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        lease: timedelta,
        now: Callable[[], datetime],
        parallel: Parallel = one_after_another,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._lease = lease
        self._now = now
        self._parallel = parallel
        self._contest = Contest(store, lease=lease, now=now, parallel=parallel, sleep=sleep)
        self.slots = Slots(store, self._contest, parallel)

    # Jobs

    def find_or_win(self, job_id: str) -> Job | None:
        """Return the job with an id that several may create; None where the caller alone may.

        Raises:
            AmbiguousError: Another invocation is about to create it.
        """
        existing = self.read(job_id)
        if existing is not None:
            return existing
        return self._contest.create_once(f"creations/{job_id}", lambda: self.read(job_id))

    def announce(self, job: Job) -> None:
        """Write the marker and the index entry of a job that is about to be written.

        A job that exists always has them.
        """
        self._parallel(
            lambda: self.write_note(job.marker), lambda: self.write_note(_index_key(job))
        )

    def write_new(self, job: Job) -> Job:
        """Write a job's first revision; only its one creator may."""
        return self._put(job)

    def newest(self, after: str = "", limit: int = PAGE) -> list[Indexed]:
        """List jobs, the newest first, those behind the entry `after` only.

        An entry whose job there is not belongs to a call that is under way, or died.
        """
        return [_indexed(one) for one in self._store.list(INDEX, after, limit)]

    def forget_indexed(self, entry: Indexed) -> None:
        """Remove an entry of the index whose job was never written, once nobody will."""
        if self.lease_expired(entry.modified):
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
        """Write the next revision; only the holder of the claim on the last may.

        Raises:
            AmbiguousError: The write may take effect later; the caller must not go on.
        """
        return self._put(job.revise(self._now()))

    def _put(self, job: Job) -> Job:
        try:
            self._store.put(_job_key(job.id), _dump(job))
        except AmbiguousError:
            found = self.read(job.id)
            if found is not None and found.revision >= job.revision:
                return job
            if job.owned_until is not None:
                raise
            job = job.own(self.landed_by())
            self._store.put(_job_key(job.id), _dump(job))
        return job

    def claim(self, job: Job) -> Job | None:
        """Become the only one that may move the job on; None where another may be at work."""
        if job.is_owned(self._now()):
            return None
        generation = self._contest.acquire(f"claims/{job.id}/{job.revision:06d}")
        if generation is None:
            return None
        if generation == 0 and job.owned_until is None:
            return job
        again = self.read(job.id)
        return again if again is not None and again.revision == job.revision else None

    def acquire(self, thing: str) -> int | None:
        """Become the only holder of something for a lease; None where another may be it.

        After generation 0 an earlier holder may have acted: read again.
        """
        return self._contest.acquire(f"claims/{thing}")

    def take_once(self, key: str) -> bool:
        """Take something that nobody gives back; False where it is taken."""
        return self._contest.take_once(key)

    def taken_once(self, prefix: str) -> set[str]:
        """List the things below a prefix that were taken; a late listing lacks some."""
        keys = [listed.key for listed in self._store.list(prefix)]
        return {key.rsplit("/", 2)[0] for key in keys if key.endswith("/commit")}

    def claimed_jobs(self) -> list[str]:
        """List jobs that claims are left of, a page's worth of claims at most.

        Claims on slots and webhooks are removed on the way, once nobody can contend for them.
        """
        claims: dict[str, list[Listed]] = {}
        for listed in self._store.list("claims/"):
            claims.setdefault(listed.key.split("/")[1], []).append(listed)
        others = [on for on in claims if on.startswith((OF_A_SLOT, OF_A_WEBHOOK))]
        for on in others:
            keys = claims.pop(on)
            latest = max(listed.modified for listed in keys)
            if self.lease_expired(latest + self._lease) and not self._is_contended(on):
                self._store.delete(*(listed.key for listed in keys))
        return list(claims)

    def _is_contended(self, on: str) -> bool:
        """Whether a slot still is the one that a claim is on; a webhook may be sent twice."""
        if not on.startswith(OF_A_SLOT):
            return False
        token, lane, number = on.removeprefix(OF_A_SLOT).split("~")
        return self.slots.has_token(lane, int(number), token)

    def is_over(self, job: Job) -> bool:
        """Whether a job ended a lease ago: nobody alive has read it before."""
        return job.has_ended and self.lease_expired(job.updated_at)

    def forget_claims(self, job: Job) -> None:
        """Remove the contests of a job that is over, but for those on its last revision.

        A replay that holds such a one may have died; the next one inherits it.
        """
        last = f"claims/{job.id}/{job.revision:06d}/"
        keys = [listed.key for listed in self._store.list(f"claims/{job.id}/")]
        if job.is_repeatable:
            keys += [listed.key for listed in self._store.list(f"creations/{job.id}/")]
        # What leads here goes last.
        leading = _ended_key(job.id)
        others = [key for key in keys if not key.startswith(last) and key != leading]
        self._store.delete(*others)
        self._store.delete(leading)

    def lease_expired(self, modified: datetime) -> bool:
        """Whether who wrote something then cannot be alive any more."""
        return self._now() - modified > self._lease

    def owned_until(self) -> datetime:
        """Until when the present holder of a claim may be at work."""
        return self._now() + self._lease

    def landed_by(self) -> datetime:
        """By when a write that has no answer has taken effect, or never will."""
        return self._now() + self._lease / 5

    # What is known of a job before it may be written into its record

    def note_task(self, job_id: str, session_id: str, task_id: str) -> None:
        """Keep the vendor's word on a session whose sender may still be at work."""
        self.write_note(_told_key(job_id, session_id), task_id.encode())

    def noted_task(self, job: Job) -> str:
        """Read what was kept of the present attempt's session; empty where nothing was."""
        told = self._store.get(_told_key(job.id, job.attempt.session_id))
        return told.decode() if told else ""

    def note_unstored(self, job: Job) -> None:
        """Remember a job without a slot whose pictures are still to be stored."""
        self.write_note(_unstored_key(job.id))

    def unstored_jobs(self) -> list[str]:
        """List the jobs whose pictures are still to be stored."""
        return [one.key.rsplit("/", 1)[1] for one in self._store.list("unstored/")]

    def forget_unstored(self, job_id: str) -> None:
        """Forget that a job's pictures were still to be stored."""
        self._store.delete(_unstored_key(job_id))

    def note_end(self, job: Job) -> None:
        """Remember that a job is about to end: it is to be counted, and its claims removed."""
        self.write_note(_ended_key(job.id))

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

    def lane(self, lane: str, slots: int = 0) -> LaneView:
        """Look at a lane: one request for its cuts, so many slots and the head of its queue."""
        prefix = f"lanes/{lane}/"
        head = min(PAGE, HEAD + KEYS_OF_A_SLOT * slots)
        page = [*self._store.list(prefix, "", head)]
        while page and len(page) % head == 0 and not page[-1].key.startswith(f"{prefix}waiting/"):
            page += self._store.list(prefix, page[-1].key, head)
        return LaneView(lane, page, head, self._store)

    def queue_again(self, job: Job) -> None:
        """Write the marker that the job's next revision will name."""
        self.write_note(job.marker)

    def remove_marker(self, key: str) -> None:
        """Remove a marker whose job does not wait any more."""
        self._store.delete(key)

    def cut(self, lane: str, limit: int) -> None:
        """Note that a lane has fewer places from now on."""
        self.write_note(f"lanes/{lane}/cuts/{milliseconds(self._now()):013d}-{limit}")

    def remove_cuts(self, cuts: Sequence[Cut]) -> None:
        """Remove cuts that a later one, or time, has made void."""
        for cut in cuts:
            self._store.delete(cut.key)

    def write_note(self, key: str, body: bytes = b"{}") -> None:
        """Write what may be written twice: its key, or its body, is the same each time."""
        try:
            self._store.put(key, body)
        except AmbiguousError:
            self._store.put(key, body)


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


def _ended_key(job_id: str) -> str:
    return f"claims/{job_id}/ended"


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True).encode()
