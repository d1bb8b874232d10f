"""What VOD pushes to a notification URL when a task has ended."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from aigc.errors import BadEventError
from aigc.wire import Event

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Signature:
    """VOD's proof that it knows the sign key; it does not cover the body."""

    sign: str
    expires_at: int
    """Unix seconds: `T`."""

    def is_valid(self, key: str, *, now: float) -> bool:
        """Check `Sign = MD5(SignKey + T)` and that T has not passed."""
        expected = hashlib.md5(f"{key}{self.expires_at}".encode()).hexdigest()  # noqa: S324  VOD's
        return now <= self.expires_at and hmac.compare_digest(
            expected.encode(), self.sign.lower().encode(errors="replace")
        )


@dataclass(frozen=True, slots=True)
class EndedTask:
    """An image task that VOD says has ended: a reason to ask, no proof of how."""

    task_id: str
    session_id: str
    session_context: str


@dataclass(frozen=True, slots=True)
class VodCallback:
    """One notification; a sub-application's own uploads are notified by the same URL."""

    event_type: str
    task: EndedTask | None
    """None where the event is not about an image task."""
    signature: Signature | None

    @classmethod
    def parse(cls, body: bytes, query: Mapping[str, tuple[str, ...]] | None = None) -> VodCallback:
        """Read the pushed event, and the signature where it stands: in the body or the query.

        Raises:
            BadEventError: The body is no event.
        """
        try:
            event = _EventContent.model_validate_json(body)
            return cls(event.type, event.ended_task(), event.signature() or _in_query(query or {}))
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "body"
            raise BadEventError(f"this is no VOD event: {where}: {fault['msg']}") from None


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
    # The documented type of a scene image's event is the name of its field, so the type alone
    # tells nothing: what counts is which object is there.
    image: _CompleteEvent | None = Field(default=None, alias="AigcImageCompleteEvent")
    scene_image: _CompleteEvent | None = Field(default=None, alias="SceneAigcImageCompleteEvent")

    def ended_task(self) -> EndedTask | None:
        ended = self.image or self.scene_image
        if ended is None:
            return None
        return EndedTask(ended.task_id, ended.session_id, ended.session_context)


def _in_query(query: Mapping[str, tuple[str, ...]]) -> Signature | None:
    given = {name: values[0] for name, values in query.items() if values}
    return _Signed.model_validate(given).signature()
