"""Parses the events that VOD sends to the notification URL when tasks have ended."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signature(NamedTuple):
    """VOD's signature; it proves knowledge of the sign key and does not cover the body."""

    sign: str
    expires_at: int
    """Unix seconds: `T`."""

    def is_valid(self, key: str, *, now: float) -> bool:
        """Return whether `Sign = MD5(SignKey + T)` holds and T is not in the past."""
        expected = hashlib.md5(f"{key}{self.expires_at}".encode()).hexdigest()  # noqa: S324  VOD defines it
        return now <= self.expires_at and hmac.compare_digest(
            expected.encode(), self.sign.lower().encode(errors="replace")
        )


class EndedTask(NamedTuple):
    """An image task that has ended according to VOD; its result must be queried."""

    task_id: str
    session_id: str
    session_context: str


class VodCallback(NamedTuple):
    """One notification; VOD uses the same URL for events about uploads."""

    event_type: str
    task: EndedTask | None
    """None if the event is not about an image task."""
    signature: Signature | None

    @classmethod
    def parse(cls, body: bytes, query: Mapping[str, tuple[str, ...]] | None = None) -> VodCallback:
        """Parse the event and its signature, which is in the body or in the query.

        Raises:
            BadEventError: The body is not a VOD event.
        """
        try:
            event = _EventContent.model_validate_json(body)
            return cls(event.type, event.ended_task(), event.signature() or _in_query(query or {}))
        except ValidationError as error:
            first_error = error.errors(include_input=False)[0]
            field = ".".join(map(str, first_error["loc"])) or "body"
            raise BadEventError(f"not a VOD event: {field}: {first_error['msg']}") from None


class _CompleteEvent(Event):
    task_id: str = Field(alias="TaskId", min_length=1, max_length=300)
    session_id: str = Field(default="", alias="SessionId")
    session_context: str = Field(default="", alias="SessionContext")


class _Signed(Event):
    sign: str = Field(default="", alias="Sign", max_length=300)
    expires_at: int = Field(default=0, alias="T", lt=2**63)

    def signature(self) -> Signature | None:
        return Signature(self.sign, self.expires_at) if self.sign else None


class _EventContent(_Signed):
    type: str = Field(default="", alias="EventType")
    # The documented event type of a scene image equals the name of its field. So the type is not
    # used: the event is about an image task if one of these objects is present.
    image: _CompleteEvent | None = Field(default=None, alias="AigcImageCompleteEvent")
    scene_image: _CompleteEvent | None = Field(default=None, alias="SceneAigcImageCompleteEvent")

    def ended_task(self) -> EndedTask | None:
        ended = self.image or self.scene_image
        if ended is None:
            return None
        return EndedTask(ended.task_id, ended.session_id, ended.session_context)


def _in_query(query: Mapping[str, tuple[str, ...]]) -> Signature | None:
    first_values = {name: values[0] for name, values in query.items() if values}
    return _Signed.model_validate(first_values).signature()
