"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is |
|---|---|
| `jobs/<id>.json` | the record; created if absent, which makes a repeat find the first |
| `queue/<lane>/<order>-<id>-<nonce>` | the job waits; sorted by priority, then time |
| `slots/<lane>/<n>` | a place in the lane is taken; created if absent: a semaphore |
| `claims/<id>/<revision>/<k>` | one caller only may move the job on from this revision |

COS has no compare-and-swap but it has create-if-absent (`x-cos-forbid-overwrite`), and a claim
turns the one into the other: whoever creates `claims/<id>/<revision>/0` is alone in writing the
next revision. A holder that died is succeeded by creating `…/1`, once the claim is older than a
lease, which is longer than any function may run. Claims are removed a lease after the job has
ended, and not before: who read the job while it still could be claimed must be dead by then, or
it would claim a revision that was claimed, used and left behind long ago.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from aigc.jobs.job import Job, Slot, milliseconds
from aigc.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc.jobs.ports import Listed, ObjectStore

PAGE = 1000  # the most that COS lists at once
_OF_A_SLOT = "slot-"


@dataclass(frozen=True, slots=True)
class Marker:
    """A job that waits, as its queue marker tells it."""

    key: str
    job_id: str
    not_before: datetime
    modified: datetime


class TakenSlot(Wire):
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

    @property
    def lease(self) -> timedelta:
        """How long whoever holds something may still be alive."""
        return self._lease

    # Jobs

    def create(self, job: Job) -> Job:
        """Write a new job's marker, then its record; return the job that has the id.

        The marker comes first, so that a job that exists always has one. Its key is unique to
        this call: when the record turns out to exist, removing it takes nobody else's away.
        """
        self._store.put(job.marker, b"{}")
        if self._store.create(_job_key(job.id), _dump(job)):
            return job
        self._store.delete(job.marker)
        existing = self.read(job.id)
        return existing if existing is not None else job

    def read(self, job_id: str) -> Job | None:
        """Read a record; None where there is none."""
        body = self._store.get(_job_key(job_id))
        return None if body is None else Job.model_validate_json(body)

    def write(self, job: Job) -> Job:
        """Write the next revision; only the holder of the claim on the last may."""
        written = job.model_copy(update={"revision": job.revision + 1, "updated_at": self._now()})
        self._store.put(_job_key(job.id), _dump(written))
        return written

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
        """List jobs that claims are left of, a page's worth of claims at most."""
        ids = (listed.key.split("/")[1] for listed in self._store.list("claims/"))
        return [job_id for job_id in dict.fromkeys(ids) if not job_id.startswith(_OF_A_SLOT)]

    def forget_claims(self, job: Job) -> bool:
        """Remove the claims of a job that ended a lease ago; say whether it was done."""
        if not job.has_ended or not self.is_old(job.updated_at):
            return False
        self._store.delete(*(one.key for one in self._store.list(f"claims/{job.id}/")))
        return True

    def is_old(self, modified: datetime) -> bool:
        """Whether who wrote something then cannot be alive any more."""
        return self._now() - modified > self._lease

    def owned_until(self) -> datetime:
        """Until when the present holder of a claim may be at work."""
        return self._now() + self._lease

    # The queue

    def queue_again(self, job: Job) -> None:
        """Write the marker that the job's next revision will name."""
        self._store.put(job.marker, b"{}")

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

    def release_slot(self, lane: str, slot: Slot) -> None:
        """Give a place back, if it still is the one that was taken."""
        taken = self.read_slot(lane, slot.number)
        if taken is not None and taken.token == slot.token:
            self._store.delete(_slot_key(lane, slot.number))

    def release_slot_of_the_dead(self, lane: str, slot: Slot) -> None:
        """Give back a place whose taker is dead; of several that try, one does.

        Without the claim a slow caller could remove the slot of the next taker.
        """
        prefix = f"claims/{_OF_A_SLOT}{slot.token}/"
        if self._store.create(prefix + "000", _unique()) or self._inherit(prefix):
            self.release_slot(lane, slot)
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


def _slot_key(lane: str, number: int) -> str:
    return f"slots/{lane}/{number:04d}"


def _dump(job: Job) -> bytes:
    return job.model_dump_json(exclude_none=True, exclude_defaults=False).encode()


def _unique() -> bytes:
    return json.dumps({"claimed_by": secrets.token_hex(16)}).encode()
