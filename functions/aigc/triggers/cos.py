"""Parses the events of the COS trigger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus, urlsplit

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 2000
"""Highest number of characters of a key with the path before it, and of any other string."""

CREATED = "cos:ObjectCreated:"  # followed by `Put`, for example, or `*` in the vendor's sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCreated:
    """One object that was created in a bucket."""

    bucket: str
    """Name with the APPID: `inbox-1250000000`."""
    key: str
    size: int
    region: str
    """Empty if the event has no full region name (`gz` is not one)."""
    event_name: str
    event_time: int
    """Unix seconds."""
    request_id: str
    """COS's request id of the upload; empty if the event has none."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """Headers of the object by lower-case name, including `x-cos-meta-*`."""
    other_keys: tuple[str, ...] = ()
    """Other possible keys of the object: see `_keys`."""

    @property
    def event(self) -> str:
        """How the object was created: `Put`, `Copy`, or `*` if the event does not say."""
        return self.event_name.removeprefix(CREATED)

    @property
    def occurrence(self) -> str:
        """Return an id of this upload: repeats of the event share it, a later upload does not."""
        return self.request_id or f"{self.event_time}-{self.size}"


@dataclass(frozen=True, slots=True)
class CosEvent:
    """One event; COS may merge several records into it."""

    created: tuple[ObjectCreated, ...]
    ignored: tuple[str, ...]
    """The reason for each other record, which is ignored."""

    @classmethod
    def parse(cls, event: object) -> CosEvent:
        """Parse each record separately, so that an unreadable record does not affect the others.

        Raises:
            BadEventError: The event has no records.
        """
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list) or not records:
            raise BadEventError("not a COS event: `Records` must be a list with at least one entry")
        parsed = [_parse_record(record) for record in records]
        return cls(
            created=tuple(item for item in parsed if isinstance(item, ObjectCreated)),
            ignored=tuple(item for item in parsed if isinstance(item, str)),
        )


class _Bucket(Event):
    name: str
    appid: str
    region: str = ""
    cos_region: str = Field(default="", alias="cosRegion")
    s3_region: str = Field(default="", alias="s3Region")


class _Object(Event):
    url: str = ""
    key: str = Field(min_length=1, max_length=LONGEST_TEXT)
    size: int = Field(ge=0)
    meta: dict[str, Any] = Field(default_factory=dict)


class _Cos(Event):
    object: _Object = Field(alias="cosObject")
    bucket: _Bucket = Field(alias="cosBucket")


class _EventInfo(Event):
    name: str = Field(alias="eventName", max_length=LONGEST_TEXT)
    time: int = Field(alias="eventTime")


class _Record(Event):
    cos: _Cos
    event: _EventInfo


def _parse_record(raw_record: object) -> ObjectCreated | str:
    try:
        record = _Record.model_validate(raw_record)
    except ValidationError as error:
        first_error = error.errors(include_input=False)[0]
        field = ".".join(map(str, first_error["loc"]))
        return f"unreadable: {field}: {first_error['msg']}"
    if not record.event.name.startswith(CREATED):
        return f"{record.event.name} is not {CREATED}*"
    return _created(record.cos.object, record.cos.bucket, record.event)


def _created(stored: _Object, bucket: _Bucket, info: _EventInfo) -> ObjectCreated:
    key, *other_keys = _keys(stored, bucket)
    # Values that are not text are left out, so that the upload is processed all the same.
    meta = {
        name.lower(): text.encode(
            errors="replace"
        ).decode()  # an unpaired surrogate cannot be encoded
        for name, text in stored.meta.items()
        if isinstance(text, str)
    }
    return ObjectCreated(
        bucket=f"{bucket.name}-{bucket.appid}",
        key=key,
        other_keys=tuple(other_keys),
        size=stored.size,
        region=_region(bucket),
        event_name=info.name,
        event_time=info.time,
        request_id=meta.get("x-cos-request-id", ""),
        meta=meta,
    )


def _keys(stored: _Object, bucket: _Bucket) -> list[str]:
    """Return the possible keys of the object, the most likely first.

    No document says whether `key` is percent-encoded, and published handlers disagree. `url` is
    encoded: if it decodes to the decoded `key`, that form is the most likely. The other forms
    have been observed: a space as `+`, an encoded key without a URL, a URL that is encoded twice.
    """
    key = stored.key.removeprefix(f"/{bucket.appid}/{bucket.name}/")
    path = _path(stored.url)
    from_url = unquote(path)
    most_likely = [from_url] if from_url and unquote(key) == from_url else []
    others = (unquote(key), unquote_plus(key), from_url, unquote_plus(path), unquote(from_url))
    return list(dict.fromkeys(filter(None, [*most_likely, key, *others, unquote_plus(from_url)])))


def _path(url: str) -> str:
    try:
        return urlsplit(url).path[1:]
    except ValueError:  # `http://[`
        return ""


def _region(bucket: _Bucket) -> str:
    candidates = (bucket.region, bucket.cos_region, bucket.s3_region)
    return next((region for region in candidates if "-" in region), "")
