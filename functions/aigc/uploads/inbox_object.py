"""Objects of the inbox, as they are read: headers and first bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aigc.errors import AigcError, RefusedError
from aigc.image_files import HEAD, content_type_of
from aigc.jobs.job import id_from
from aigc.object_keys import checked_key
from aigc.uploads.conditions import UploadFacts, own_metadata
from aigc.uploads.entries import Entry, seconds

if TYPE_CHECKING:
    from aigc.jobs.ports import Peek
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.entries import Kind, Reason
    from aigc.uploads.rule import Rule

UNREADABLE_CODES = frozenset({"InvalidObjectState"})
"""COS's codes for an object that cannot be read, since it is archived."""


class UnwantedError(AigcError):
    """An object does not become a job; the message has the reason."""

    def __init__(self, message: str, reason: Reason = "no_rule") -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class InboxObject:
    """An object of the inbox: its headers and its first bytes, from one request."""

    bucket: str
    key: str
    peek: Peek

    @property
    def metadata(self) -> dict[str, str]:
        """The object's own metadata by name, decoded."""
        return own_metadata(self.peek.headers)

    @property
    def facts(self) -> UploadFacts:
        """The properties that rules can use."""
        return UploadFacts(
            bucket=self.bucket,
            key=self.key,
            size=self.peek.size,
            content_type=content_type_of(self.peek.head) or "",
            metadata=self.metadata,
        )

    @property
    def metadata_digest(self) -> str:
        """A digest of the object's own metadata; empty if it has none."""
        if not self.metadata:
            return ""
        text = "\0".join(f"{name}={value}" for name, value in sorted(self.metadata.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def modified(self) -> datetime:
        """When the object was written, to the second."""
        return self.peek.modified or datetime.fromtimestamp(0, timezone.utc)

    def entry(self, kind: Kind, runtime: Runtime) -> Entry:
        """Return an entry for this content."""
        return Entry(
            key=self.key,
            etag=self.peek.etag,
            size=self.peek.size,
            modified=self.modified,
            kind=kind,
            noted_at=runtime.now(),
            metadata=self.metadata_digest,
        )

    def job_id(self, rule: Rule) -> str:
        """Return the id of the job that a rule makes of this content."""
        parts = ["upload", self.bucket, self.key, self.peek.etag, rule.name, self.metadata_digest]
        if rule.repeat:
            parts.append(str(seconds(self.modified)))
        return id_from(*parts)


def read_object(key: str, runtime: Runtime) -> InboxObject | None:
    """Read the first bytes and the headers of an object; None if it does not exist.

    Raises:
        UnwantedError: The key cannot be used in requests, or the object is archived.
        CloudError: COS did not answer, or refuses the function.
    """
    try:
        checked_key(key)
    except ValueError as reason:
        raise UnwantedError(f"its key {reason}", "unusable_key") from None
    try:
        peek = runtime.buckets.inbox.peek(key, HEAD)
    except RefusedError as error:
        if error.code not in UNREADABLE_CODES:
            raise
        raise UnwantedError(f"it cannot be read: {error.code}", "unreadable") from None
    return None if peek is None else InboxObject(runtime.settings.inbox_bucket, key, peek)
