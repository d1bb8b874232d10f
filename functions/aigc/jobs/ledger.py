"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is |
|---|---|
| `jobs/<id>.json` | the record |
| `index/<newest first>-<id>-<kind>-<source>` | the job, where jobs are listed |
| `lanes/<lane>/cuts/<time>-<limit>` | the vendor had no room: fewer slots for a while |
| `lanes/<lane>/slots/<n>/…` | a slot that is held or contended for: see `aigc.jobs.slots` |
| `lanes/<lane>/waiting/<order>-<id>-<nonce>` | the job waits; sorted by priority, then time |
| `creations/<id>/<g>/…` | a contest: only one invocation may write the first revision |
| `claims/<id>/<revision>/<g>/…` | a contest: only one invocation may write the next revision |
| `claims/<id>/task/<session>` | the task id that VOD sent while the record could not be written |
| `claims/<id>/ended` | the job ended or is about to: it is to be counted and tidied up |
| `unstored/<due>/<id>` | a job without a slot whose images are to be stored, from this time on |
| `dead/jobs/<id>.json` | the record of a job that failed through no fault of its caller |
| `dead/records/<id>.json` | why the record of a job cannot be read by the version that noted it |
| `webhooks/…`, `deliveries/…` | see `aigc.jobs.webhooks` |

All keys of a lane have one prefix, so that one request shows its cuts, its slots and the head of
its queue. A listing may be late: it decides what is tried, never what is true.

**First revision.** A job whose id is new cannot have a second creator: its record is written
without a contest. A job that a repeat finds again (an upload, a call with an `Idempotency-Key`) is
created by the winner of a contest on its id. The first revision may already be owned
(`owned_until`): then its creator alone moves the job on, without a claim.

**Next revisions.** To claim a job is to win the contest on its id and revision. The winner is
alone in writing the next revision. A record that is owned cannot be claimed. The first
generation of a contest on a revision without an owner proves that the job is as it was read;
after a dead holder or owner it is read again.

**Writes without an answer.** Such a write may take effect later. It is never repeated as it is,
since it could then replace a newer revision. The record is read: if the write is there, the
writer goes on. If not, and the writer has more to write, it stops, and its claim expires. If it
has nothing more to write, it writes the same revision again, owned for longer than the first
write may be late. No invocation writes a newer revision until then.

**Removal.** The contests of a job are removed a lease after it has ended: an invocation that read
the job while it could be claimed is dead by then.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from aigc.errors import AmbiguousError
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
"""Keys of a lane that are listed at first: its cuts, its slots and the head of its queue. A whole
page takes a function ten times as long."""
KEYS_OF_A_SLOT = 3
INDEX = "index/"
UNSTORED = "unstored/"
ASIDE = "dead/records/"
OF_A_WEBHOOK = "webhook-"
_LAST_MS = 10**13
"""More milliseconds than any date has: times subtracted from it sort the newest first."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A job that waits, as its marker names it."""

    key: str
    job_id: str
    not_before: datetime
    start_by: datetime | None
    """Time at which the job is cancelled if it still waits."""
    modified: datetime


@dataclass(frozen=True, slots=True)
class Indexed:
    """A job, as its entry in the index names it."""

    key: str
    job_id: str
    kind: str
    source_type: str
    source_name: str
    created_at: datetime
    modified: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """A note that a lane has fewer slots from this time on."""

    key: str
    at: datetime
    limit: int


@dataclass(frozen=True, slots=True)
class Unstored:
    """A note that the images of a job are to be stored."""

    key: str
    job_id: str
    due: datetime


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
        yield from map(_marker, self._of("waiting/"))
        page, asked = self._page, self._head
        while page and len(page) % asked == 0:
            page, asked = self._store.list(f"{self._prefix}waiting/", page[-1].key, PAGE), PAGE
            yield from map(_marker, page)

    def _of(self, part: str) -> list[Listed]:
        return [listed for listed in self._page if listed.key.startswith(self._prefix + part)]


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
        """Return the job with an id that several calls may create; None if only the caller may.

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
        """Write a job's first revision; only its creator may."""
        return self._put(job)

    def newest(self, after: str = "", limit: int = PAGE) -> list[Indexed]:
        """List jobs, the newest first, beginning after the entry `after`.

        An entry without a job belongs to a call that is under way, or died.
        """
        return [_indexed(listed) for listed in self._store.list(INDEX, after, limit)]

    def forget_indexed(self, entry: Indexed) -> None:
        """Remove an entry of the index whose job was never written, once its lease has expired."""
        if self.lease_expired(entry.modified):
            self._store.delete(entry.key)

    def read(self, job_id: str) -> Job | None:
        """Read a record; None if there is none.

        Raises:
            BadRecordError: It is damaged, or of a later format.
        """
        body = self._store.get(_job_key(job_id))
        return None if body is None else Job.parse(job_id, body)

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
            stored = self.read(job.id)
            if stored is not None and stored.revision >= job.revision:
                return job
            if job.owned_until is not None:
                raise
            job = job.own(self.landed_by())
            self._store.put(_job_key(job.id), _dump(job))
        return job

    def claim(self, job: Job) -> Job | None:
        """Become the only one that may write the next revision; None if another may be at work."""
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
        """Become the only holder of a claim for a lease; None if another invocation may hold it.

        Returns the generation. After generation 0 an earlier holder may have acted: read again.
        """
        return self._contest.acquire(f"claims/{thing}")

    def take_once(self, key: str) -> bool:
        """Take a key that is never given back; False if it is taken."""
        return self._contest.take_once(key)

    def taken_once(self, prefix: str) -> set[str]:
        """List the keys below a prefix that were taken; a late listing lacks some."""
        keys = [listed.key for listed in self._store.list(prefix)]
        return {key.rsplit("/", 2)[0] for key in keys if key.endswith("/commit")}

    def claimed_jobs(self) -> list[str]:
        """List the jobs that still have claims, from at most a page of claims.

        Claims on slots and webhooks are removed here once no invocation can contend for them.
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
        """Whether a claim is on a slot that still has its token; a webhook may be sent twice."""
        if not on.startswith(OF_A_SLOT):
            return False
        token, lane, number = on.removeprefix(OF_A_SLOT).split("~")
        return self.slots.has_token(lane, int(number), token)

    def is_over(self, job: Job) -> bool:
        """Whether a job ended a lease ago: no live invocation has read it before."""
        return job.has_ended and self.lease_expired(job.updated_at)

    def forget_claims(self, job: Job) -> None:
        """Remove the contests of a job that is over, except those on its last revision.

        A replay that holds one of these may have died; the next replay takes it over.
        """
        last = f"claims/{job.id}/{job.revision:06d}/"
        keys = [listed.key for listed in self._store.list(f"claims/{job.id}/")]
        if job.is_repeatable:
            keys += [listed.key for listed in self._store.list(f"creations/{job.id}/")]
        # The note by which the sweep finds the job is removed last.
        leading = _ended_key(job.id)
        others = [key for key in keys if not key.startswith(last) and key != leading]
        self._store.delete(*others)
        self._store.delete(leading)

    def lease_expired(self, modified: datetime) -> bool:
        """Whether an invocation that wrote at this time cannot be alive any more."""
        return self._now() - modified > self._lease

    def owned_until(self) -> datetime:
        """Time until which the present holder of a claim may be at work."""
        return self._now() + self._lease

    def landed_by(self) -> datetime:
        """Time by which a write without an answer has taken effect, or never will."""
        return self._now() + self._lease / 5

    # Notes: facts about a job that may not be written to its record yet

    def note_task(self, job_id: str, session_id: str, task_id: str) -> None:
        """Note the task id of a session whose job may still have an owner."""
        self.write_note(_task_key(job_id, session_id), task_id.encode())

    def noted_task(self, job: Job) -> str:
        """Read the task id that was noted for the present attempt; empty if none was."""
        task_id = self._store.get(_task_key(job.id, job.attempt.session_id))
        return task_id.decode() if task_id else ""

    def note_unstored(self, job_id: str, due: datetime) -> None:
        """Note that a job's images are to be stored, from this time on.

        It is written before or beside the record that names the same time, and before the job's
        slot is released: then only the note leads to the job.
        """
        self.write_note(_unstored_key(job_id, due))

    def unstored(self) -> list[Unstored]:
        """List the notes of images that are to be stored now, from a page of the earliest."""
        notes = map(_unstored, self._store.list(UNSTORED))
        return [note for note in notes if note.due <= self._now()]

    def forget_unstored(self, job: Job) -> None:
        """Remove the note of a job whose images are stored."""
        if job.store_after is not None:
            self._store.delete(_unstored_key(job.id, job.store_after))

    def remove_unstored(self, note: Unstored) -> None:
        """Remove a note that leads to no job any more."""
        self._store.delete(note.key)

    def note_end(self, job: Job) -> None:
        """Note that a job is about to end: it is to be counted, and its claims removed."""
        self.write_note(_ended_key(job.id))

    # Dead letters

    def bury(self, job: Job) -> None:
        """Keep the record of a job that is about to end as failed, for a replay."""
        self._store.put(_dead_key(job.id), _dump(job))

    def dead_jobs(self, after: str = "") -> list[str]:
        """List jobs that failed through no fault of their callers, at most a page of them."""
        return [_dead_id(listed.key) for listed in self._store.list("dead/jobs/", _dead_key(after))]

    def exhume(self, job_id: str) -> None:
        """Remove the record of a dead job."""
        self._store.delete(_dead_key(job_id))

    def set_aside(self, job_id: str, reason: str) -> bool:
        """Note that a record cannot be read; False if it was noted before."""
        body = json.dumps({"job": job_id, "reason": reason, "at": self._now().isoformat()})
        return self._store.create(_aside_key(job_id), body.encode())

    def jobs_set_aside(self) -> list[str]:
        """List the jobs whose records could not be read, a page of them."""
        keys = [listed.key for listed in self._store.list(ASIDE)]
        return [key.removeprefix(ASIDE).removesuffix(".json") for key in keys]

    def readmit(self, job_id: str) -> None:
        """Remove the note that a record cannot be read."""
        self._store.delete(_aside_key(job_id))

    # Lanes

    def lane(self, lane: str, slots: int = 0) -> LaneView:
        """List a lane's cuts, so many slots and the head of its queue in one request."""
        prefix = f"lanes/{lane}/"
        head = min(PAGE, HEAD + KEYS_OF_A_SLOT * slots)
        page = [*self._store.list(prefix, "", head)]
        while page and len(page) % head == 0 and not page[-1].key.startswith(f"{prefix}waiting/"):
            page += self._store.list(prefix, page[-1].key, head)
        return LaneView(lane, page, head, self._store)

    def queue_again(self, job: Job) -> None:
        """Write the marker that the job's next revision names."""
        self.write_note(job.marker)

    def remove_marker(self, key: str) -> None:
        """Remove a marker whose job waits no longer."""
        self._store.delete(key)

    def cut(self, lane: str, limit: int) -> None:
        """Note that a lane has fewer slots from now on."""
        self.write_note(f"lanes/{lane}/cuts/{milliseconds(self._now()):013d}-{limit}")

    def remove_cuts(self, cuts: Sequence[Cut]) -> None:
        """Remove cuts that a later cut replaces, or that have no effect any more."""
        for cut in cuts:
            self._store.delete(cut.key)

    def write_note(self, key: str, body: bytes = b"{}") -> None:
        """Write an object that may be written twice: its key is unique, or its body constant."""
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


def _task_key(job_id: str, session_id: str) -> str:
    return f"claims/{job_id}/task/{session_id}"


def _unstored_key(job_id: str, due: datetime) -> str:
    return f"{UNSTORED}{milliseconds(due):013d}/{job_id}"


def _unstored(listed: Listed) -> Unstored:
    """Parse the key of a note; before 2026-11-29 notes had no time, and were due at once."""
    due, _, job_id = listed.key.removeprefix(UNSTORED).rpartition("/")
    return Unstored(listed.key, job_id, _moment(due or 0))


def _aside_key(job_id: str) -> str:
    return f"{ASIDE}{job_id}.json"


def _ended_key(job_id: str) -> str:
    return f"claims/{job_id}/ended"


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True).encode()
