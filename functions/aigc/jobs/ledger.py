"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is |
|---|---|
| `jobs/<id>.json` | the record; created if absent, which makes a repeat find the first |
| `queue/<lane>/<order>-<id>-<nonce>` | the job waits; sorted by priority, then time |
| `slots/<lane>/<n>` | a place in the lane is taken; created if absent: a semaphore |
| `claims/<id>/<revision>/<k>` | one caller only may move the job on from this revision |
| `claims/<id>/told/<session>` | the task that VOD named while the job could not be written |
| `unstored/<id>` | a job that gave its slot back before its pictures could be stored |

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

from pydantic import ValidationError

from aigc.errors import AmbiguousError, BadRecordError, CloudError
from aigc.jobs.job import Job, Slot, milliseconds
from aigc.wire import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc.jobs.ports import Listed, ObjectStore

logger = logging.getLogger(__name__)

PAGE = 1000  # the most that COS lists at once
_OF_A_SLOT = "slot-"


@dataclass(frozen=True, slots=True)
class Marker:
    """A job that waits, as its queue marker tells it."""

    key: str
    job_id: str
    not_before: datetime
    modified: datetime


class TakenSlot(Record):
    """The body of a slot: who took it, and for which job."""

    job_id: str
    token: str


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
        """Write a new job's marker, then its record; return the job that has the id.

        The marker comes first, so that a job that exists always has one. Its key is unique to
        this call: when the record turns out to exist, removing it takes nobody else's away.
        """
        self._store.create(job.marker, b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            return job
        self._store.delete(job.marker)
        existing = self.read(job.id)
        return existing if existing is not None else job

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
            raise BadRecordError(f"the record of job {job_id} cannot be read: {error}") from None

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

        Claims on slots are left only by who died over them; they are removed on the way.
        """
        claims = self._store.list("claims/")
        of_slots = [one for one in claims if one.key.startswith(f"claims/{_OF_A_SLOT}")]
        self._store.delete(*(one.key for one in of_slots if self.is_old(one.modified)))
        ids = (one.key.split("/")[1] for one in claims if one not in of_slots)
        return list(dict.fromkeys(ids))

    def is_over(self, job: Job) -> bool:
        """Whether a job ended a lease ago: nobody alive has read it before."""
        return job.has_ended and self.is_old(job.updated_at)

    def forget_claims(self, job: Job) -> None:
        """Remove the claims of a job that is over."""
        self._store.delete(*(one.key for one in self._store.list(f"claims/{job.id}/")))

    def is_old(self, modified: datetime) -> bool:
        """Whether who wrote something then cannot be alive any more."""
        return self._now() - modified > self._lease

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

    # The queue

    def queue_again(self, job: Job) -> None:
        """Write the marker that the job's next revision will name."""
        self._store.create(job.marker, b"{}")

    def remove_marker(self, key: str) -> None:
        """Remove a marker whose job does not wait any more."""
        self._store.delete(key)

    def waiting(self, lane: str) -> Iterator[Marker]:
        """Walk the lane's queue in order, those included whose time has not come."""
        prefix = f"queue/{lane}/"
        after = ""
        while True:
            page = self._store.list(prefix, after, PAGE)
            for listed in page:
                yield _marker(listed)
            if len(page) < PAGE:
                return
            after = page[-1].key

    # Slots

    def taken_slots(self, lane: str) -> dict[int, datetime]:
        """List the lane's slots that are taken, with the time each was."""
        listed = self._store.list(f"slots/{lane}/")
        return {int(one.key.rsplit("/", 1)[1]): one.modified for one in listed}

    def take_slot(self, lane: str, number: int, job_id: str) -> Slot | None:
        """Take a place in the lane for a job; None where somebody was faster."""
        slot = Slot(number=number, token=secrets.token_hex(16))
        body = TakenSlot(job_id=job_id, token=slot.token).model_dump_json().encode()
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
        prefix = f"claims/{_OF_A_SLOT}{slot.token}/"
        if self._store.create(prefix + "000", _unique()) or self._inherit(prefix):
            if not self.release_slot(lane, slot):
                return
            self._store.delete(*(listed.key for listed in self._store.list(prefix)))


def marker_key(lane: str, priority: int, not_before: datetime, job_id: str) -> str:
    """Name a queue marker so that markers sort by priority (10 first), then by time."""
    order = f"{10 - priority:02d}-{milliseconds(not_before):013d}"
    return f"queue/{lane}/{order}-{job_id}-{secrets.token_hex(4)}"


def _marker(listed: Listed) -> Marker:
    _, time, job_id, _ = listed.key.rsplit("/", 1)[1].split("-")
    not_before = datetime.fromtimestamp(int(time) / 1000, timezone.utc)
    return Marker(listed.key, job_id, not_before, listed.modified)


def _job_key(job_id: str) -> str:
    return f"jobs/{job_id}.json"


def _told_key(job_id: str, session_id: str) -> str:
    return f"claims/{job_id}/told/{session_id}"


def _unstored_key(job_id: str) -> str:
    return f"unstored/{job_id}"


def _slot_key(lane: str, number: int) -> str:
    return f"slots/{lane}/{number:04d}"


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True, exclude_defaults=False).encode()


def _unique() -> bytes:
    return json.dumps({"claimed_by": secrets.token_hex(16)}).encode()
