"""Records: what is known of each job, the index of all jobs, and the dead letters.

**First revision.** The creator of a job writes its queue marker and its index entry first, then
the record, so that a job that exists always has them. The first revision may already be owned
(`owned_until`): then its creator alone moves the job on, without a claim.

**Next revisions** are written by the holder of the claim on the last one: see
`aigc.jobs.ledger.claims`.

**Writes without an answer.** Such a write may take effect later. It is never repeated as it is,
since it could then replace a newer revision. The record is read: if the write is there, the
writer goes on. If not, and the writer has more to write, it stops, and its claim expires. If it
has nothing more to write, it writes the same revision again, owned for longer than the first
write may be late. No invocation writes a newer revision until then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from aigc.errors import AmbiguousError
from aigc.jobs.job import Job, from_milliseconds, milliseconds
from aigc.jobs.ledger.notes import write_note
from aigc.jobs.ports import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aigc.jobs.ledger.lease import Lease
    from aigc.jobs.ports import Listed, ObjectStore, Parallel

INDEX = "index/"
FOLLOW_UPS = "unstored/"
"""Prefix of the notes; the first ones were only of jobs whose images were not stored yet."""
SET_ASIDE = "dead/records/"
_LAST_MS = 10**13
"""Later than any time in milliseconds: the difference from it sorts the newest time first."""


class IndexEntry(NamedTuple):
    """The entry of a job in the index."""

    key: str
    job_id: str
    kind: str
    source_type: str
    source_name: str
    created_at: datetime
    modified: datetime


class FollowUp(NamedTuple):
    """A note by which the sweep finds a job without a slot, from a time on."""

    key: str
    job_id: str
    due: datetime
    modified: datetime


class Records:
    """The records of all jobs."""

    def __init__(self, store: ObjectStore, lease: Lease, parallel: Parallel) -> None:
        self._store = store
        self._lease = lease
        self._parallel = parallel

    def read(self, job_id: str) -> Job | None:
        """Read a record; None if there is none.

        Raises:
            BadRecordError: It is damaged, or of a later format.
        """
        body = self._store.get(_job_key(job_id))
        return None if body is None else Job.parse(job_id, body)

    def announce(self, job: Job) -> None:
        """Write the marker and the index entry of a job that is about to be written."""
        self._parallel(
            lambda: write_note(self._store, job.marker),
            lambda: write_note(self._store, _index_key(job)),
        )

    def write_new(self, job: Job) -> Job:
        """Write a job's first revision; only its creator may."""
        return self._put(job)

    def write(self, job: Job) -> Job:
        """Write the next revision; only the holder of the claim on the last revision may.

        Raises:
            AmbiguousError: The write may take effect later; the caller must not go on.
        """
        return self._put(job.revise(self._lease.clock.now()))

    def _put(self, job: Job) -> Job:
        try:
            self._store.put(_job_key(job.id), _dump(job))
        except AmbiguousError:
            stored = self.read(job.id)
            if stored is not None and stored.revision >= job.revision:
                return job
            if job.owned_until is not None:
                raise
            job = job.own(self._lease.effective_by())
            self._store.put(_job_key(job.id), _dump(job))
        return job

    # The index

    def newest(self, after: str = "", limit: int = PAGE) -> list[IndexEntry]:
        """List jobs, the newest first, beginning after the entry `after`.

        An entry without a job belongs to a call that is not finished, or that died.
        """
        return [_indexed(listed) for listed in self._store.list(INDEX, after, limit)]

    def remove_orphaned(self, entry: IndexEntry | FollowUp) -> None:
        """Remove an entry or note that no job needs, once no invocation can still write the job."""
        if self._lease.has_expired(entry.modified):
            self._store.delete(entry.key)

    # Jobs without a slot and without a marker

    def note_follow_up(self, job_id: str, due: datetime) -> None:
        """Write a note by which the sweep finds a job from a time on.

        It is written before or beside the record that has the same time, and before the job's slot
        is released: from then on the sweep finds the job only by the note.
        """
        write_note(self._store, _follow_up_key(job_id, due))

    def list_follow_ups(self, after: str = "") -> Sequence[Listed]:
        """List a page of the notes that are due now, the earliest first."""
        now = self._lease.clock.now()
        page = self._store.list(FOLLOW_UPS, after)
        return [listed for listed in page if follow_up_of(listed).due <= now]

    def forget_follow_up(self, job: Job) -> None:
        """Remove the note of a job that has ended, or waits in its lane again."""
        if job.store_after is not None:
            self._store.delete(_follow_up_key(job.id, job.store_after))

    # Dead letters

    def bury(self, job: Job) -> None:
        """Write a copy of the record of a job that is about to end as failed, for a replay."""
        self._store.put(_dead_key(job.id), _dump(job))

    def dead_jobs(self, after: str = "") -> list[str]:
        """List jobs that failed through no fault of their callers, at most a page of them."""
        return [_dead_id(listed.key) for listed in self._store.list("dead/jobs/", _dead_key(after))]

    def remove_dead_letter(self, job_id: str) -> None:
        """Remove the copy of a record that `bury` has written."""
        self._store.delete(_dead_key(job_id))

    # Records that cannot be read

    def set_aside(self, job_id: str, reason: str) -> bool:
        """Note that a record cannot be read; False if it was noted before."""
        at = self._lease.clock.now().isoformat()
        body = json.dumps({"job": job_id, "reason": reason, "at": at})
        return self._store.create(_aside_key(job_id), body.encode())

    def list_set_aside(self, after: str = "") -> Sequence[Listed]:
        """List a page of the notes of records that could not be read."""
        return self._store.list(SET_ASIDE, after)

    def jobs_set_aside(self) -> list[str]:
        """List the jobs whose records could not be read, at most a page of them."""
        return [job_set_aside(listed) for listed in self.list_set_aside()]

    def readmit(self, job_id: str) -> None:
        """Remove the note that a record cannot be read."""
        self._store.delete(_aside_key(job_id))


def _job_key(job_id: str) -> str:
    return f"jobs/{job_id}.json"


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True).encode()


def _index_key(job: Job) -> str:
    time = _LAST_MS - milliseconds(job.created_at)
    name = quote(job.source.name, safe="")
    return f"{INDEX}{time:013d}-{job.id}-{job.kind}-{job.source.type}-{name}"


def _indexed(listed: Listed) -> IndexEntry:
    time, job_id, kind, source_type, name = listed.key.removeprefix(INDEX).split("-", 4)
    created_at = from_milliseconds(_LAST_MS - int(time))
    return IndexEntry(
        listed.key, job_id, kind, source_type, unquote(name), created_at, listed.modified
    )


def _follow_up_key(job_id: str, due: datetime) -> str:
    return f"{FOLLOW_UPS}{milliseconds(due):013d}/{job_id}"


def follow_up_of(listed: Listed) -> FollowUp:
    """Parse the key of a note; before 2026-11-29 notes had no time, and were due at once."""
    due, _, job_id = listed.key.removeprefix(FOLLOW_UPS).rpartition("/")
    return FollowUp(listed.key, job_id, from_milliseconds(int(due or 0)), listed.modified)


def job_set_aside(listed: Listed) -> str:
    """Return the job whose record a note says could not be read."""
    return listed.key.removeprefix(SET_ASIDE).removesuffix(".json")


def _aside_key(job_id: str) -> str:
    return f"{SET_ASIDE}{job_id}.json"


def _dead_key(job_id: str) -> str:
    return f"dead/jobs/{job_id}.json"


def _dead_id(key: str) -> str:
    return key.removeprefix("dead/jobs/").removesuffix(".json")
