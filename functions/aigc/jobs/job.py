"""The record of a job: what was asked, what happened, what came of it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field

from aigc.wire import Record

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

ENDED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})


class JobError(Record):
    """Why a job, or one attempt of it, failed."""

    type: ErrorType
    message: str
    code: str = ""
    """The vendor's code, where it gave one."""
    request_id: str = ""
    retryable: bool = False
    """Whether the same request, made anew, may succeed."""


class Source(Record):
    """What caused the job."""

    type: Literal["call", "upload"]
    name: str
    """The key's name for a call, the rule's name for an upload."""
    bucket: str = ""
    key: str = ""
    request_id: str = ""


class Place(Record):
    """Where the results go: `<prefix><name>-<n>.<ext>` in the results bucket."""

    prefix: str
    """Empty, or ending in a slash."""
    name: str


class Slot(Record):
    """The place in the lane that an attempt holds."""

    number: int
    token: str
    """Unique to this taking of the place: no two attempts ever share one."""


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
    is_ambiguous: bool = False
    """The vendor may have accepted it without our knowing: only its word on this session helps."""
    image_urls: tuple[str, ...] = ()
    """What the vendor reported when it was done; they expire (VOD: 7 days, MPS: 12 hours)."""
    error: JobError | None = None

    @property
    def may_be_billed(self) -> bool:
        """Whether the vendor has a task of it, or may have one."""
        return bool(self.task_id) or self.is_ambiguous


class Picture(Record):
    """One finished picture in the results bucket."""

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
    """One task from the moment it was accepted; only written by who holds its claim."""

    id: str
    kind: str
    lane: str
    state: State
    is_repeatable: bool = False
    """Whether its id follows from what caused it, so that a repeat finds it."""
    revision: int = 0
    """Grows by one with each write: what a claim is for."""
    owned_until: datetime | None = None
    """Until then whoever wrote this revision is at work on it and nobody else may be."""
    deaths: int = 0
    """Owners that died over it: a job that kills who works on it must end too."""
    marker: str
    """Key of the queue marker that waits for this job."""
    priority: int = 0
    created_at: datetime
    updated_at: datetime
    source: Source
    task: dict[str, Any]
    fingerprint: str
    """SHA-256 of the task as it was asked for: tells a repeat from another request."""
    warnings: tuple[str, ...] = ()
    place: Place
    start_by: datetime | None = None
    """When the job is cancelled if it was not sent until then."""
    webhook_url: str = ""
    """Where its end is reported; it may hold a secret and is never logged."""
    webhook_marker: str = ""
    """Key of the marker for the first try to report it; of its last end, if it was replayed."""
    attempts: tuple[Attempt, ...] = Field(min_length=1)
    spent_attempts: int = 0
    """Attempts that were made before somebody had the job replayed."""
    pictures: tuple[Picture, ...] = ()
    error: JobError | None = None

    @property
    def attempt(self) -> Attempt:
        """The attempt that is under way, or was the last."""
        return self.attempts[-1]

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED

    @property
    def is_orphaned(self) -> bool:
        """Whether its owner died, where nobody owns it any more."""
        return self.owned_until is not None

    def is_owned(self, now: datetime) -> bool:
        """Whether somebody may still be at work on this revision."""
        return self.owned_until is not None and now < self.owned_until

    def with_attempt(self, **changes: Any) -> Job:  # noqa: ANN401  model_copy's own signature
        """Return the job with its last attempt changed."""
        return self.model_copy(
            update={"attempts": (*self.attempts[:-1], self.attempt.model_copy(update=changes))}
        )


def session_id(job_id: str, number: int) -> str:
    """Name an attempt upstream; at most 50 characters, as VOD demands."""
    return f"{job_id}-{number}"


def id_from(*parts: str) -> str:
    """Derive the id of a job from what caused it, so that a repeat finds the same job."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return digest[:32]


def fresh_id(now: datetime) -> str:
    """Make an id that no other job has; ids of later milliseconds sort later."""
    return f"{milliseconds(now):012x}{secrets.token_hex(10)}"


def milliseconds(moment: datetime) -> int:
    """Express a moment as Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def utc_now() -> datetime:
    """Tell the time, aware of its zone."""
    return datetime.now(timezone.utc)
