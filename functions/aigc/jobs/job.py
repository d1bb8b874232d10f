"""The record of a job, and every change that it can go through.

A job is immutable. Each transition is a method that returns the changed job and writes nothing:

| transition | from | to |
|---|---|---|
| `submit` | queued | submitting, owned |
| `give_back` | queued, submitting | the same state, free for a new claim |
| `defer` | queued | the same state, waiting for a share of a ceiling |
| `requeue` | queued | the same state, waiting in its lane again |
| `withdraw` | submitting | queued: the task was not sent |
| `hold` | submitting | queued, in the same attempt: the account was refused |
| `submit_again` | submitting | submitting, ambiguous and owned |
| `mark_ambiguous` | submitting | submitting, ambiguous |
| `wait_to_repeat` | submitting | submitting, ambiguous and without a slot |
| `run` | submitting | running |
| `mark_overdue` | running | running, without a slot |
| `finish_attempt` | submitting, running | the same state |
| `store` | submitting, running, storing | storing, owned |
| `leave_slot`, `renew_urls` | storing | storing |
| `add_image` | storing | storing, owned |
| `store_later` | storing | storing |
| `succeed` | storing | succeeded |
| `fail` | submitting, running, storing | failed |
| `cancel` | queued, running | cancelled |
| `queue_again` | submitting, running | queued, with a new attempt |
| `replay` | failed | queued, with a new attempt |
| `restore` | failed | storing: the vendor still has the images |
| `name_webhook` | succeeded, failed, cancelled | the same state |

From any other state a transition raises `IllegalTransitionError`.

A record has the number of its format. A version keeps fields that it does not know, and refuses a
record of a later format. So a new field that an earlier version may ignore needs no new format; a
new state, or a field with another meaning, does.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationError

from aigc.errors import BadRecordError, IllegalTransitionError
from aigc.wire import Record, describe_errors, with_fields

State = Literal["queued", "submitting", "running", "storing", "succeeded", "failed", "cancelled"]
ErrorType = Literal[
    "moderated",
    "refused",
    "task_failed",
    "throttled",
    "submission_unknown",
    "result_unusable",
    "not_started",
]

FORMAT = 2
"""Format of the records that this version writes; the first records do not name theirs."""

ENDED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})


class JobError(Record):
    """Why a job, or one attempt of it, failed."""

    type: ErrorType
    message: str
    code: str = ""
    """The vendor's error code; empty if it sent none."""
    request_id: str = ""
    retryable: bool = False
    """Whether a new request with the same task may succeed."""


class Source(Record):
    """What caused the job."""

    type: Literal["call", "upload"]
    name: str
    """The key's name for a call, the rule's name for an upload."""
    bucket: str = ""
    key: str = ""
    request_id: str = ""
    batch: str = ""
    """Id of the batch that contains it."""
    line: int = 0
    """Number of its line in the batch."""
    custom_id: str = ""
    """The caller's own name for the job."""


class Deferral(Record):
    """Why a job waits outside its lane."""

    reason: Literal["over_budget", "price_unknown"]
    ceiling: str
    """The name of the ceiling that has no share left for it, or that needs its price."""
    since: datetime


class OutputLocation(Record):
    """Where the results go: `<prefix><name>-<n>.<ext>` in the results bucket."""

    prefix: str
    """Empty, or ending in a slash."""
    name: str


class Slot(Record):
    """The slot of the lane that an attempt holds."""

    number: int
    token: str
    """Unique to this attempt to take the slot."""


class Attempt(Record):
    """One try to have the vendor run the task."""

    number: int
    session_id: str
    slot: Slot | None = None
    task_id: str = ""
    request_id: str = ""
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    vendor_status: str = ""
    overdue_at: datetime | None = None
    """When its slot was released: the task ran far longer than its kind usually does, or it was
    unknown for a long time whether the vendor accepted it."""
    is_ambiguous: bool = False
    """No answer shows whether the vendor accepted the task; only one about this session can."""
    image_urls: tuple[str, ...] = ()
    """URLs that the vendor reported; they expire (VOD: 7 days, MPS: 12 hours)."""
    error: JobError | None = None

    @property
    def may_be_billed(self) -> bool:
        """Whether the vendor has a task for it, or may have one."""
        return bool(self.task_id) or self.is_ambiguous


class StoredImage(Record):
    """One finished image in the results bucket."""

    key: str
    content_type: str
    width: int
    height: int
    size: int
    """Bytes."""
    labels: tuple[str, ...] = ()
    """Which labels of AI-generated content the file has: tc260, iptc, c2pa, visible."""
    unlabelled: str = ""
    """Why the metadata was not written; empty where it was, or where it is switched off."""


class Job(Record):
    """One task from the moment it was accepted; only the holder of its claim writes it."""

    id: str
    kind: str
    lane: str
    state: State
    is_repeatable: bool = False
    """Whether its id is derived from its cause, so that a repeat finds it."""
    record_format: int = FORMAT
    revision: int = 0
    """Grows by one with each write; a claim is the right to write the next one."""
    owned_until: datetime | None = None
    """Until then only the invocation that wrote this revision may write the next one."""
    deaths: int = 0
    """Owners that died while they owned it; a job that kills its owners must end too."""
    refusals: int = 0
    """How often a pause of the lane, or a suspicion of one, began with this job."""
    marker: str
    """Key of the marker by which the job waits in its lane."""
    priority: int = 0
    created_at: datetime
    updated_at: datetime
    source: Source
    task: dict[str, Any]
    fingerprint: str
    """SHA-256 of the task as requested; distinguishes a repeat from another request."""
    warnings: tuple[str, ...] = ()
    output_location: OutputLocation
    start_by: datetime | None = None
    """Time at which the job is cancelled if it still waits."""
    deferral: Deferral | None = None
    """Why it waits outside its lane; None if it does not."""
    webhook_url: str = ""
    """URL that receives the webhook; it may contain a secret and is never logged."""
    webhook_marker: str = ""
    """Key of the marker for the first try of the webhook; after a replay, of the last end's."""
    attempts: tuple[Attempt, ...] = Field(min_length=1)
    spent_attempts: int = 0
    """Attempts that were made before the last replay."""
    restores: int = 0
    """How often its images were restored after it had failed; each time it ends once more."""
    images: tuple[StoredImage, ...] = Field((), validation_alias=AliasChoices("images", "pictures"))
    """The images that are stored, in order; while the job is in `storing`, those so far.

    Records of format 1 call them `pictures`.
    """
    stored_names: tuple[str, ...] = ()
    """The vendor's names of these images, by which a repeat knows them."""
    store_after: datetime | None = None
    """Time of the next try to store images; the note that leads to the job has it too."""
    store_until: datetime | None = None
    """Time until which storing is tried; the vendor keeps the images a little longer."""
    fruitless_tries: int = 0
    """Tries in a row that ended, by an error or a death, without another stored image."""
    storing_error: str = ""
    """Why the last try to store images failed; it stays when a later one succeeds."""
    error: JobError | None = None

    @classmethod
    def parse(cls, job_id: str, body: bytes) -> Job:
        """Read a record.

        Raises:
            BadRecordError: It is damaged, or of a later format.
        """
        try:
            job = cls.model_validate_json(body)
        except ValidationError as error:
            raise BadRecordError(job_id, _format_problem(body) or describe_errors(error)) from None
        if job.record_format > FORMAT:
            raise BadRecordError(job_id, _format_problem(body))
        return job

    @property
    def attempt(self) -> Attempt:
        """The attempt that is under way, or was the last."""
        return self.attempts[-1]

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED

    @property
    def waits_for_slot(self) -> bool:
        """Whether it waits for a slot: it was not sent, or its call is to be repeated."""
        is_unexplained = self.state == "submitting" and self.attempt.slot is None
        return self.state == "queued" or is_unexplained

    @property
    def is_orphaned(self) -> bool:
        """Whether its last owner did not finish; call it only when the lease has expired."""
        return self.owned_until is not None

    @property
    def is_storing_over(self) -> bool:
        """Whether the next try to store images would come too late."""
        if self.store_after is None or self.store_until is None:
            return False
        return self.store_after >= self.store_until

    def is_owned(self, now: datetime) -> bool:
        """Whether the owner may still be at work on this revision."""
        return self.owned_until is not None and now < self.owned_until

    def submit(self, slot: Slot, at: datetime, owned_until: datetime) -> Job:
        """Record that the owner of this revision is about to send the task."""
        self._allow("submit", "queued")
        job = self._with_attempt(slot=slot, submitted_at=at)
        return with_fields(job, state="submitting", owned_until=owned_until)

    def give_back(self) -> Job:
        """Allow another claim: the next revision, without an owner, can be claimed."""
        self._allow("give_back", "queued", "submitting")
        return with_fields(self, owned_until=None)

    def defer(self, deferral: Deferral, marker: str) -> Job:
        """Wait outside the lane until a ceiling has a share for the job."""
        self._allow("defer", "queued")
        return with_fields(self, owned_until=None, deferral=deferral, marker=marker)

    def requeue(self, marker: str) -> Job:
        """Wait in the lane again."""
        self._allow("requeue", "queued")
        return with_fields(self, owned_until=None, deferral=None, marker=marker)

    def withdraw(self) -> Job:
        """Return to the queue: the task was not sent, since the slot was not won."""
        self._allow("withdraw", "submitting")
        job = self._with_attempt(slot=None, submitted_at=None)
        return with_fields(job, state="queued", owned_until=None)

    def hold(self, marker: str, *, refusals: int) -> Job:
        """Wait in the same attempt, since the vendor refused the account or gave no clear reason.

        The attempt keeps its session: if the vendor has accepted the task, it refuses a second one.
        """
        self._allow("hold", "submitting")
        job = self._with_attempt(slot=None, submitted_at=None)
        return with_fields(job, state="queued", owned_until=None, marker=marker, refusals=refusals)

    def submit_again(self, slot: Slot | None, owned_until: datetime) -> Job:
        """Record that the call is about to be repeated; the earlier one may have arrived."""
        self._allow("submit_again", "submitting")
        job = self._with_attempt(slot=slot, is_ambiguous=True)
        return with_fields(job, owned_until=owned_until, deaths=self.deaths + self.is_orphaned)

    def mark_ambiguous(self) -> Job:
        """Record that no answer shows whether the vendor accepted the task."""
        self._allow("mark_ambiguous", "submitting")
        return with_fields(self._with_attempt(is_ambiguous=True), owned_until=None)

    def wait_to_repeat(self, marker: str, at: datetime) -> Job:
        """Wait for a slot in which the call is repeated, since its outcome stays unknown."""
        self._allow("wait_to_repeat", "submitting")
        overdue_at = self.attempt.overdue_at or at
        job = self._with_attempt(slot=None, is_ambiguous=True, overdue_at=overdue_at)
        return with_fields(job, owned_until=None, marker=marker)

    def run(self, task_id: str, request_id: str = "") -> Job:
        """Record that the vendor has the task."""
        self._allow("run", "submitting")
        job = self._with_attempt(task_id=task_id, request_id=request_id)
        return with_fields(job, state="running", owned_until=None)

    def mark_overdue(self, at: datetime, *, is_slot_released: bool) -> Job:
        """Record that the task runs far longer than usual, and whether its slot was released."""
        self._allow("mark_overdue", "running")
        slot = None if is_slot_released else self.attempt.slot
        return self._with_attempt(slot=slot, overdue_at=self.attempt.overdue_at or at)

    def finish_attempt(
        self, at: datetime, vendor_status: str = "", image_urls: tuple[str, ...] = ()
    ) -> Job:
        """Record how the vendor's task ended."""
        self._allow("finish_attempt", "submitting", "running")
        return self._with_attempt(
            vendor_status=vendor_status, image_urls=image_urls, finished_at=at
        )

    def store(self, owned_until: datetime, store_after: datetime, store_until: datetime) -> Job:
        """Record that the owner of this revision is about to store the images.

        Args:
            owned_until: When another invocation may take over.
            store_after: When another invocation should take over if this one dies.
            store_until: Time until which storing is tried, unless an earlier try has set it.
        """
        self._allow("store", "submitting", "running", "storing")
        owner_died = self.state == "storing" and self.is_orphaned
        return with_fields(
            self,
            state="storing",
            owned_until=owned_until,
            store_after=store_after,
            store_until=self.store_until or store_until,
            fruitless_tries=self.fruitless_tries + owner_died,
        )

    def leave_slot(self) -> Job:
        """Release the slot in the record: the vendor's task has ended."""
        self._allow("leave_slot", "storing")
        return self._with_attempt(slot=None)

    def renew_urls(self, image_urls: tuple[str, ...]) -> Job:
        """Replace the URLs of the images by new ones of the same images."""
        self._allow("renew_urls", "storing")
        return self._with_attempt(image_urls=image_urls)

    def add_image(self, name: str, image: StoredImage) -> Job:
        """Record that another image is stored; the owner continues with the next one."""
        self._allow("add_image", "storing")
        return with_fields(
            self,
            images=(*self.images, image),
            stored_names=(*self.stored_names, name),
            fruitless_tries=0,
        )

    def store_later(self, store_after: datetime, error: str = "") -> Job:
        """Leave the other images to a later try, after an error or because time ran out."""
        self._allow("store_later", "storing")
        return with_fields(
            self,
            owned_until=None,
            store_after=store_after,
            fruitless_tries=self.fruitless_tries + bool(error),
            storing_error=error or self.storing_error,
        )

    def succeed(self) -> Job:
        """End with images in the results bucket."""
        self._allow("succeed", "storing")
        return with_fields(self, state="succeeded", owned_until=None)

    def fail(self, error: JobError, at: datetime) -> Job:
        """End without a result; the time at which the vendor's task ended stays as it is."""
        self._allow("fail", "submitting", "running", "storing")
        job = self._with_attempt(error=error, finished_at=self.attempt.finished_at or at)
        return with_fields(job, state="failed", owned_until=None, error=error)

    def cancel(self, error: JobError | None = None) -> Job:
        """End without having run."""
        self._allow("cancel", "queued", "running")
        return with_fields(self, state="cancelled", owned_until=None, deferral=None, error=error)

    def queue_again(self, error: JobError, at: datetime, marker: str) -> Job:
        """Wait for another attempt, since the vendor had no capacity for this one."""
        self._allow("queue_again", "submitting", "running")
        finished = with_fields(self.attempt, error=error, finished_at=at)
        attempts = (*self.attempts[:-1], finished, self._next_attempt())
        return with_fields(self, state="queued", owned_until=None, marker=marker, attempts=attempts)

    def replay(self, marker: str) -> Job:
        """Wait for another attempt after a failure, with a count of attempts from zero."""
        self._allow("replay", "failed")
        return with_fields(
            self,
            state="queued",
            attempts=(*self.attempts, self._next_attempt()),
            marker=marker,
            start_by=None,
            deaths=0,
            refusals=0,
            error=None,
            spent_attempts=self.attempt.number,
            images=(),
            stored_names=(),
            store_after=None,
            store_until=None,
            fruitless_tries=0,
        )

    def restore(
        self,
        image_urls: tuple[str, ...],
        at: datetime,
        store_after: datetime,
        store_until: datetime,
    ) -> Job:
        """Store the images of a task that succeeded although the job failed; nothing is paid.

        Args:
            image_urls: Where the vendor has the images; empty if they are in the staging folder.
            at: The time at which the task ended, unless the record has it.
            store_after: When the first try is to be made.
            store_until: Time until which storing is tried.
        """
        self._allow("restore", "failed")
        job = self._with_attempt(
            image_urls=image_urls or self.attempt.image_urls,
            finished_at=self.attempt.finished_at or at,
            slot=None,
            error=None,
        )
        return with_fields(
            job,
            state="storing",
            restores=self.restores + 1,
            error=None,
            deaths=0,
            fruitless_tries=0,
            store_after=store_after,
            store_until=store_until,
        )

    def name_webhook(self, marker: str) -> Job:
        """Name the marker of the webhook that reports this end."""
        self._allow("name_webhook", *ENDED)
        return with_fields(self, webhook_marker=marker)

    def own(self, until: datetime) -> Job:
        """Reserve the next revision for the invocation that writes this one, until a time."""
        return with_fields(self, owned_until=until)

    def revise(self, at: datetime) -> Job:
        """Return the job as its next revision, in the format of this version."""
        return with_fields(self, revision=self.revision + 1, updated_at=at, record_format=FORMAT)

    def _allow(self, transition: str, *states: State) -> None:
        if self.state not in states:
            raise IllegalTransitionError(self.id, transition, self.state)

    def _with_attempt(self, **values: object) -> Job:
        changed = with_fields(self.attempt, **values)
        return with_fields(self, attempts=(*self.attempts[:-1], changed))

    def _next_attempt(self) -> Attempt:
        """Return a new attempt, whose session differs from the last one's in its number only."""
        number = self.attempt.number + 1
        stem = self.attempt.session_id.rpartition("-")[0]
        return Attempt(number=number, session_id=session_id(stem, number))


def first_attempt(job_id: str, ledger_bucket: str) -> Attempt:
    """Return the first attempt of a new job.

    Its session contains the ledger's digest: ledgers that share a VOD application can have jobs
    of the same id. A bucket's name is unique in all of COS and never changes.
    """
    ledger = hashlib.sha256(ledger_bucket.encode()).hexdigest()[:10]
    return Attempt(number=1, session_id=session_id(f"{ledger}-{job_id}", 1))


def session_id(stem: str, number: int) -> str:
    """Return the session of an attempt.

    It has at most 50 characters, as VOD demands, up to attempt 999999.
    """
    return f"{stem}-{number}"


def _format_problem(body: bytes) -> str:
    """Describe that a record is of a later format; empty if it is not."""
    try:
        record_format = json.loads(body)["record_format"]
    except (KeyError, TypeError, ValueError):
        return ""
    if type(record_format) is not int or record_format <= FORMAT:
        return ""
    return f"it has format {record_format}; this version reads formats up to {FORMAT}"


def id_from(*parts: str) -> str:
    """Derive the id of a job from what caused it, so that a repeat finds the same job."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return digest[:32]


def fresh_id(now: datetime) -> str:
    """Make an id that no other job has; ids of later milliseconds sort later."""
    return f"{milliseconds(now):012x}{secrets.token_hex(10)}"


def milliseconds(moment: datetime) -> int:
    """Convert a moment to Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(unix_ms: str | int) -> datetime:
    """Convert Unix milliseconds to a moment in UTC."""
    return datetime.fromtimestamp(int(unix_ms) / 1000, timezone.utc)


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(timezone.utc)
