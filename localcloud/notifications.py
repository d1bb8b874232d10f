"""VOD's events about ended tasks: sent as signed callbacks, or pulled from a queue."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localcloud.core import ApiError
from localcloud.faults import argument

if TYPE_CHECKING:
    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.journal import Journal

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "localhost"})
RETRIES_S = (10.0, 60.0)  # the vendor does not document the times
SIGNATURE_S = 600
MAX_EVENTS = 16
INVISIBLE_S = 30.0
LONG_POLL_S = 5.0
_TIMEOUT_S = 10

_FIELDS = {
    "Mode": "mode",
    "NotificationUrl": "url",
    "SignKey": "sign_key",
    "UploadMediaCompleteEventSwitch": "upload_switch",
    "DeleteMediaCompleteEventSwitch": "delete_switch",
    "PersistenceCompleteEventSwitch": "persistence_switch",
}
_ALLOWED = {
    "Mode": r"PUSH|PULL",
    "NotificationUrl": r"(https?://\S+)?",
    "SignKey": r"[A-Za-z0-9]{0,32}",
    "UploadMediaCompleteEventSwitch": r"ON|OFF",
    "DeleteMediaCompleteEventSwitch": r"ON|OFF",
    "PersistenceCompleteEventSwitch": r"ON|OFF",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConfig:
    """The event configuration of an application."""

    mode: str = "PUSH"
    url: str = ""
    sign_key: str = ""
    upload_switch: str = "OFF"
    delete_switch: str = "OFF"
    persistence_switch: str = "OFF"


@dataclass(slots=True)
class _QueuedEvent:
    content: dict[str, Any]
    visible_at: float = 0.0


class Notifications:
    """The event configurations and the undelivered events of all applications."""

    def __init__(self, journal: Journal, clock: Clock, faults: Faults) -> None:
        self._journal = journal
        self._clock = clock
        self._faults = faults
        self._configs = {int(id_): EventConfig(**value) for id_, value in journal.entries.items()}
        self._queues: dict[int, dict[str, _QueuedEvent]] = {}
        self._changed = threading.Condition()

    def configure(self, sub_app_id: int, params: dict[str, Any]) -> None:
        """Change those settings that the parameters contain.

        Raises:
            ApiError: A value is not allowed.
        """
        settings = {name: params[name] for name in _FIELDS if params.get(name) is not None}
        for name, value in settings.items():
            if not re.fullmatch(_ALLOWED[name], value):
                raise ApiError("InvalidParameterValue", f"{name} must match {_ALLOWED[name]}.")
        changes = {_FIELDS[name]: value for name, value in settings.items()}
        config = replace(self.config(sub_app_id), **changes)
        self._configs[sub_app_id] = config
        self._journal.write(str(sub_app_id), asdict(config))

    def config(self, sub_app_id: int) -> EventConfig:
        """Return the event configuration of an application."""
        return self._configs.get(sub_app_id, EventConfig())

    def describe(self, sub_app_id: int) -> dict[str, str]:
        """Return the configuration in the API's fields, without SignKey."""
        config = asdict(self.config(sub_app_id))
        return {name: config[key] for name, key in _FIELDS.items() if name != "SignKey"}

    def notify(self, sub_app_id: int, content: dict[str, Any]) -> None:
        """Send an event; faults at `vod.callback` can drop, repeat or delay it."""
        fault = self._faults.take("vod.callback") or ""
        if fault == "drop":
            return
        delay = float(argument(fault)) if fault.startswith("delay:") else 0.0
        for _ in range(2 if fault == "repeat" else 1):
            self._clock.after(delay, lambda: self._send(sub_app_id, content))

    def pull(self, sub_app_id: int) -> list[dict[str, Any]]:
        """Return up to 16 events; if there is none, wait for a few seconds."""
        deadline = time.monotonic() + LONG_POLL_S / self._clock.speed
        with self._changed:
            while not (visible := self._visible(sub_app_id)):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return []
                self._changed.wait(remaining)
            hidden_until = time.monotonic() + INVISIBLE_S / self._clock.speed
            for event in visible.values():
                event.visible_at = hidden_until
            return [{"EventHandle": handle, **event.content} for handle, event in visible.items()]

    def confirm(self, sub_app_id: int, handles: list[str]) -> None:
        """Remove events from the queue that the application has handled.

        Raises:
            ApiError: A handle is unknown, or its event is visible to pulls again.
        """
        if len(handles) > MAX_EVENTS:
            raise ApiError(
                "InvalidParameterValue",
                f"EventHandles has {len(handles)} items; allowed: {MAX_EVENTS}.",
            )
        with self._changed:
            queue = self._queues.get(sub_app_id, {})
            for handle in handles:
                event = queue.get(handle)
                if event is None or event.visible_at <= time.monotonic():
                    raise ApiError(
                        "InvalidParameter", f"EventHandle {handle} is unknown or has expired."
                    )
            for handle in set(handles):
                del queue[handle]

    def _visible(self, sub_app_id: int) -> dict[str, _QueuedEvent]:
        queue = self._queues.get(sub_app_id, {})
        now = time.monotonic()
        visible = [(handle, event) for handle, event in queue.items() if event.visible_at <= now]
        return dict(visible[:MAX_EVENTS])

    def _send(self, sub_app_id: int, content: dict[str, Any]) -> None:
        config = self.config(sub_app_id)
        if config.mode == "PULL":
            with self._changed:
                self._queues.setdefault(sub_app_id, {})[uuid.uuid4().hex] = _QueuedEvent(content)
                self._changed.notify_all()
        elif config.url:
            self._push(config, content, list(RETRIES_S))

    def _push(self, config: EventConfig, content: dict[str, Any], retries: list[float]) -> None:
        if _post(config.url, {**content, **self._signature(config.sign_key)}) or not retries:
            return
        wait, *remaining = retries
        self._clock.after(wait, lambda: self._push(config, content, remaining))

    def _signature(self, key: str) -> dict[str, Any]:
        if not key:
            return {}
        expires_at = int(self._clock.now()) + SIGNATURE_S
        sign = hashlib.md5(f"{key}{expires_at}".encode(), usedforsecurity=False).hexdigest()
        return {"Sign": sign, "T": expires_at}


def _post(url: str, content: dict[str, Any]) -> bool:
    """Post to a server on loopback; return False if the post is to be repeated."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        logger.warning("a callback to %s was not sent: the host is not loopback", parts.hostname)
        return True
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(content), headers)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
