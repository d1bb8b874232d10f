"""Uploads, as the COS trigger reports them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 2000
"""Characters of a key with all that COS puts before it, and of any other word."""

CREATED = "cos:ObjectCreated:"  # what follows differs: `Put`, or `*` in the vendor's own sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCreated:
    """An object that somebody wrote."""

    bucket: str
    """With the app id: `inbox-1250000000`."""
    key: str
    size: int
    region: str
    """Empty where the event does not tell it in full (`gz` alone is no region)."""
    event_name: str
    event_time: int
    """Unix seconds."""
    request_id: str
    """COS's own id of the upload; empty where the event lacks it."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """The object's headers by name in lower case, `x-cos-meta-*` among them."""
    other_key: str = ""
    """The event's key as it stood, where it may be the true one: see `_keys`."""

    @property
    def occurrence(self) -> str:
        """Tell this upload of the key from a later one; the same in every repeat of the event."""
        return self.request_id or f"{self.event_time}-{self.size}"


@dataclass(frozen=True, slots=True)
class CosEvent:
    """One event: COS may merge several records in it."""

    created: tuple[ObjectCreated, ...]
    ignored: tuple[str, ...]
    """Why the other records are not among them."""

    @classmethod
    def parse(cls, event: object) -> CosEvent:
        """Read the records, each by itself: one that is unreadable does not hide the others.

        Raises:
            BadEventError: There are no records at all.
        """
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list) or not records:
            raise BadEventError("this is no COS event: `Records` must be a list with an entry")
        read = [_read(record) for record in records]
        return cls(
            created=tuple(one for one in read if isinstance(one, ObjectCreated)),
            ignored=tuple(one for one in read if isinstance(one, str)),
        )


class _Bucket(Event):
    name: str
    appid: str
    region: str = ""
    cos_region: str = Field(default="", alias="cosRegion")
    s3_region: str = Field(default="", alias="s3Region")


class _Object(Event):
    url: str = ""
    key: str = Field(min_length=1, max_length=LONGEST)
    size: int = Field(ge=0)
    meta: dict[str, Any] = Field(default_factory=dict)


class _Cos(Event):
    object: _Object = Field(alias="cosObject")
    bucket: _Bucket = Field(alias="cosBucket")


class _Happening(Event):
    name: str = Field(alias="eventName", max_length=LONGEST)
    time: int = Field(alias="eventTime")


class _Record(Event):
    cos: _Cos
    event: _Happening


def _read(record: object) -> ObjectCreated | str:
    try:
        read = _Record.model_validate(record)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        return f"unreadable: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    if not read.event.name.startswith(CREATED):
        return f"{read.event.name} is not {CREATED}*"
    return _created(read.cos.object, read.cos.bucket, read.event)


def _created(stored: _Object, bucket: _Bucket, happening: _Happening) -> ObjectCreated:
    key, other_key = _keys(stored, bucket)
    # A header is text; whatever else stands there is none, and no reason to lose the upload.
    meta = {
        name.lower(): text.encode(errors="replace").decode()  # half a character cannot be hashed
        for name, text in stored.meta.items()
        if isinstance(text, str)
    }
    return ObjectCreated(
        bucket=f"{bucket.name}-{bucket.appid}",
        key=key,
        other_key=other_key,
        size=stored.size,
        region=_region(bucket),
        event_name=happening.name,
        event_time=happening.time,
        request_id=meta.get("x-cos-request-id", ""),
        meta=meta,
    )


def _keys(stored: _Object, bucket: _Bucket) -> tuple[str, str]:
    """Return the object's key, and what else it may be.

    Whether `key` is percent-encoded is not documented, and handlers in the field disagree;
    `url` is encoded, so it settles the matter wherever both say the same.
    """
    key = stored.key.removeprefix(f"/{bucket.appid}/{bucket.name}/")
    told_by_url = _path(stored.url)
    if told_by_url != key and unquote(key) == told_by_url:
        return told_by_url, key
    return key, ""


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path[1:])
    except ValueError:  # `http://[`
        return ""


def _region(bucket: _Bucket) -> str:
    told = (bucket.region, bucket.cos_region, bucket.s3_region)
    return next((region for region in told if "-" in region), "")
