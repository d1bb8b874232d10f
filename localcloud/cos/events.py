"""The event that COS publishes when an object is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.faults import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.core import Clock
    from localcloud.faults import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCreated:
    """An object was written, by a PUT, a form, a copy or a completed upload."""

    bucket: str
    """The full name, with the APPID."""
    region: str
    app_id: int
    key: str
    size: int
    event: str
    """`cos:ObjectCreated:Put`, `…:Post`, `…:Copy` or `…:CompleteMultipartUpload`."""
    request_id: str
    meta: Mapping[str, str]
    """The `x-cos-meta-*` headers of the object and its Content-Type."""
    time: float
    source_ip: str


class Events:
    """Delivers events at least once, in the thread of the request that caused them."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._listeners: list[Callable[[ObjectCreated], None]] = []

    def subscribe(self, listener: Callable[[ObjectCreated], None]) -> None:
        """Call a listener for each event; the listener must return at once."""
        self._listeners.append(listener)

    def publish(self, event: ObjectCreated) -> None:
        """Call all listeners; faults at `cos.event` drop, repeat or delay the event."""
        fault = self._faults.take("cos.event") or ""
        if fault == "drop":
            return
        if fault.startswith("delay:"):
            self._clock.after(float(argument(fault)), lambda: self._deliver(event))
            return
        self._deliver(event)
        if fault == "repeat":
            self._deliver(event)

    def _deliver(self, event: ObjectCreated) -> None:
        for listener in self._listeners:
            listener(event)
