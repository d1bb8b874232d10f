"""Claims: only one invocation creates a job, writes its next revision, or takes a key.

**Creation.** A job whose id is new cannot have a second creator: its record is written without a
contest. A job that a repeat finds again (an upload, a call with an `Idempotency-Key`) is created
by the winner of a contest on its id.

**Revisions.** To claim a job is to win the contest on its id and revision. The winner is alone in
writing the next revision. A record that is owned cannot be claimed. The first generation of a
contest on a revision without an owner proves that the job is as it was read; after a dead holder
or owner it is read again.

**Notes** about a job whose record may not be written now are kept beside its claims. One has the
task id that VOD sent. Another says that the job is about to end; by it the sweep finds the claims
of the job.

**Removal.** The contests of a job are removed a lease after it has ended: an invocation that read
the job while it could be claimed is dead by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.jobs.ledger.notes import write_note
from aigc.jobs.ledger.slots import SLOT_SUBJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.ledger.contest import Contest
    from aigc.jobs.ledger.lease import Lease
    from aigc.jobs.ledger.records import Records
    from aigc.jobs.ledger.slots import Slots
    from aigc.jobs.ports import Listed, ObjectStore

WEBHOOK_SUBJECT = "webhook-"
"""Beginning of the subject of a claim on the delivery of a webhook."""


class Claims:
    """The claims on jobs and on other things of the ledger."""

    def __init__(
        self, store: ObjectStore, lease: Lease, contest: Contest, records: Records, slots: Slots
    ) -> None:
        self._store = store
        self._lease = lease
        self._contest = contest
        self._records = records
        self._slots = slots

    def find_or_win(self, job_id: str) -> Job | None:
        """Return the job with an id that several calls may create; None if only the caller may.

        Raises:
            AmbiguousError: Another invocation is about to create it.
        """
        existing = self._records.read(job_id)
        if existing is not None:
            return existing
        return self._contest.create_once(f"creations/{job_id}", lambda: self._records.read(job_id))

    def claim(self, job: Job) -> Job | None:
        """Get the sole right to write the next revision; None if another invocation may have it.

        Returns the job as it is now, which a dead holder may have changed.
        """
        if job.is_owned(self._lease.clock.now()):
            return None
        generation = self._contest.acquire(f"claims/{job.id}/{job.revision:06d}")
        if generation is None:
            return None
        if generation == 0 and job.owned_until is None:
            return job
        current = self._records.read(job.id)
        return current if current is not None and current.revision == job.revision else None

    def acquire(self, subject: str) -> int | None:
        """Get a claim for a lease; None if another invocation may hold it.

        Returns the generation. After generation 0 an earlier holder may have acted: read again.
        """
        return self._contest.acquire(f"claims/{subject}")

    def take_once(self, key: str) -> bool:
        """Take a key that is never released; False if it is taken."""
        return self._contest.take_once(key)

    def taken_once(self, prefix: str) -> set[str]:
        """List the keys below a prefix that were taken; a late listing lacks some."""
        keys = [listed.key for listed in self._store.list(prefix)]
        return {key.rsplit("/", 2)[0] for key in keys if key.endswith("/commit")}

    # Notes

    def note_task(self, job_id: str, session_id: str, task_id: str) -> None:
        """Note the task id of a session whose job may still have an owner."""
        write_note(self._store, _task_key(job_id, session_id), task_id.encode())

    def noted_task(self, job: Job) -> str:
        """Read the task id that was noted for the present attempt; empty if none was."""
        task_id = self._store.get(_task_key(job.id, job.attempt.session_id))
        return task_id.decode() if task_id else ""

    def note_end(self, job: Job) -> None:
        """Note that a job is about to end: it is to be counted, and its claims removed."""
        write_note(self._store, _ended_key(job.id))

    # Removal

    def list_claims(self, after: str = "") -> Sequence[Listed]:
        """List a page of the keys of claims; the second part of a key says what is claimed."""
        return self._store.list("claims/", after)

    def forget_expired(self, subject: str) -> None:
        """Remove the claims on a slot or a webhook once no invocation can contend for them."""
        keys = self._store.list(f"claims/{subject}/")
        if keys:
            latest = max(listed.modified for listed in keys)
            is_old = self._lease.has_expired(latest + self._lease.duration)
            if is_old and not self._is_contended(subject):
                self._store.delete(*(listed.key for listed in keys))

    def _is_contended(self, subject: str) -> bool:
        """Whether a claim is on a slot that still has its token; a webhook may be sent twice."""
        if not subject.startswith(SLOT_SUBJECT):
            return False
        token, lane, number = subject.removeprefix(SLOT_SUBJECT).split("~")
        return self._slots.has_token(lane, int(number), token)

    def is_over(self, job: Job) -> bool:
        """Whether a job ended a lease ago: an invocation that read it before has ended too."""
        return job.has_ended and self._lease.has_expired(job.updated_at)

    def forget_claims(self, job: Job) -> None:
        """Remove the contests of a job that is over, except the one on its last revision.

        A replay may have won that one and died; the next replay then takes it over.
        """
        last = f"claims/{job.id}/{job.revision:06d}/"
        keys = [listed.key for listed in self._store.list(f"claims/{job.id}/")]
        if job.is_repeatable:
            keys += [listed.key for listed in self._store.list(f"creations/{job.id}/")]
        # The note by which the sweep finds the job is removed last.
        note_of_end = _ended_key(job.id)
        others = [key for key in keys if not key.startswith(last) and key != note_of_end]
        self._store.delete(*others)
        self._store.delete(note_of_end)


def _task_key(job_id: str, session_id: str) -> str:
    return f"claims/{job_id}/task/{session_id}"


def _ended_key(job_id: str) -> str:
    return f"claims/{job_id}/ended"
