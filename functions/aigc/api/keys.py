"""API keys and their limits.

The stack's configuration has the digests of some keys, which have no limits. The other keys are in
the ledger, as `keys/<sha256>.json`; `aigc keys` creates them. A key's name is part of the ids and
records of its requests, so a name is used once and never again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from aigc.api.errors import HttpError
from aigc.wire import Record, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.jobs.job import Source
    from aigc.jobs.ports import ObjectStore
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

REMEMBERED_S = 30
"""Seconds for which an instance caches a key; a revoked key may still work for this time."""

MOST_REMEMBERED = 1000
"""Most cached keys, including wrong ones, so that many wrong keys cannot fill the memory."""

_SCHEMES = frozenset({"bearer", "key"})
_FORM = re.compile(r"aigc_([A-Za-z0-9_-]{43})([0-9a-f]{8})")


class Limits(Wire):
    """The limits of a key; None means no limit. A record with an unknown limit is refused."""

    kinds: tuple[str, ...] | None = None
    requests_per_minute: int | None = Field(default=None, gt=0)
    jobs_per_day: int | None = Field(default=None, gt=0)
    budget_per_month: Decimal | None = Field(default=None, gt=0)
    """In the currency of the table of prices."""
    own_only: bool = False
    """Whether it sees only its own requests."""
    visible_label: bool = False
    """Whether the vendor draws its logo into images if the task does not say."""
    operate: bool = False
    """Whether it may replay and restore the jobs that it sees."""


NO_LIMITS = Limits()
UNLIMITED = Limits(operate=True)
"""Limits of a key of the stack's configuration."""


class KeyRecord(Record):
    """The record of a key in the ledger; the key itself is not stored."""

    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Caller:
    """The key of a call, by its name."""

    name: str = ""
    limits: Limits = NO_LIMITS

    def may_see(self, source: Source) -> bool:
        """Return whether the caller may see jobs of this source."""
        is_own = source.type == "call" and source.name == self.name
        return is_own or not self.limits.own_only

    def may_submit(self, kind: str) -> bool:
        """Return whether the caller may submit tasks of this kind."""
        return self.limits.kinds is None or kind in self.limits.kinds


ANONYMOUS = Caller()
"""The caller of a route that needs no key."""


@dataclass(slots=True)
class KnownKeys:
    """The keys that an instance has read, and when; None for a key that may not call."""

    by_digest: dict[str, tuple[datetime, Caller | None]] = field(default_factory=dict)

    def note(self, digest: str, caller: Caller | None, now: datetime) -> None:
        """Remember a key; too many are forgotten all at once."""
        if len(self.by_digest) >= MOST_REMEMBERED:
            self.by_digest.clear()
        self.by_digest[digest] = (now, caller)

    def is_fresh(self, digest: str, now: datetime) -> bool:
        """Whether a key was read recently enough to use the cached caller."""
        remembered = timedelta(seconds=REMEMBERED_S)
        return digest in self.by_digest and now - self.by_digest[digest][0] < remembered


def unauthorized() -> HttpError:
    """Return the error for a missing or wrong key; it does not say which of the two it is."""
    return HttpError(
        401,
        "unauthorized",
        "the API key is missing or wrong: send the header `Authorization: Bearer <key>`",
        {"WWW-Authenticate": 'Bearer realm="AIGC Functions"'},
        field="Authorization",
    )


def check_operate(caller: Caller) -> None:
    """Refuse a key that may not replay or restore jobs.

    Raises:
        HttpError: It may not.
    """
    if not caller.limits.operate:
        detail = (
            f"the key {caller.name} may not replay or restore jobs; allowed: a key that was made"
            " with `aigc keys new --operate`, or one of the stack's configuration"
        )
        raise HttpError(403, "forbidden", detail)


def authenticate(authorization: str, runtime: Runtime) -> Caller:
    """Return the caller whose key an Authorization header has.

    All configured digests are compared, each in constant time, so the time of an answer does not
    reveal a key. The ledger is read only for texts in the form of its keys.

    Raises:
        HttpError: The key is missing or wrong.
    """
    scheme, _, key = authorization.strip().partition(" ")
    digest = digest_of(key.strip())
    caller = _configured(digest, runtime.settings.api_keys)
    if caller is None and is_well_formed(key.strip()):
        caller = _remembered(digest, runtime)
    if caller is None or scheme.lower() not in _SCHEMES:
        raise unauthorized()
    return caller


def new_key() -> str:
    """Create a key that cannot be guessed; its checksum detects typing errors."""
    body = secrets.token_urlsafe(32)
    return f"aigc_{body}{_checksum(body)}"


def is_well_formed(key: str) -> bool:
    """Whether a key could be one of the ledger's."""
    match = _FORM.fullmatch(key)
    return match is not None and match[2] == _checksum(match[1])


def digest_of(key: str) -> str:
    """Return the digest of a key; nothing else of a key is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def record_key(digest: str) -> str:
    """Return the ledger key of a key's record."""
    return f"keys/{digest}.json"


def read_key(digest: str, bucket: ObjectStore) -> KeyRecord | None:
    """Read a key's record; None if it is missing or cannot be read."""
    body = bucket.get(record_key(digest))
    try:
        return None if body is None else KeyRecord.model_validate_json(body)
    except ValidationError:
        logger.exception("key_unreadable", extra={"key": record_key(digest)})
        return None


def _configured(digest: str, digests: Mapping[str, str]) -> Caller | None:
    names = [
        name
        for name, expected in digests.items()
        if hmac.compare_digest(digest.encode(), expected.lower().encode())
    ]
    return Caller(names[0], UNLIMITED) if names else None


def _remembered(digest: str, runtime: Runtime) -> Caller | None:
    known, now = runtime.memory.of(KnownKeys), runtime.now()
    if not known.is_fresh(digest, now):
        known.note(digest, _in_ledger(digest, runtime), now)
    return known.by_digest[digest][1]


def _in_ledger(digest: str, runtime: Runtime) -> Caller | None:
    record = read_key(digest, runtime.ledger.bucket)
    if record is None or record.revoked_at is not None:
        return None
    if record.name in runtime.settings.api_keys:
        # Two keys of one name would see, and repeat, each other's requests.
        logger.error("key_name_taken", extra={"key": record.name})
        return None
    return Caller(record.name, record.limits)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
