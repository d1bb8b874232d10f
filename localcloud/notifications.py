"""Tells a VOD application that a task ended: by a signed POST, or for it to pull."""

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
RETRIES_S = (10.0, 60.0)  # the vendor documents no figure
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
    """How an application wants to hear of events."""

    mode: str = "PUSH"
    url: str = ""
    sign_key: str = ""
    upload_switch: str = "OFF"
    delete_switch: str = "OFF"
    persistence_switch: str = "OFF"


@dataclass(slots=True)
class _Waiting:
    content: dict[str, Any]
    visible_at: float = 0.0


class Notifications:
    """The event configuration of each application, and the events on their way."""

    def __init__(self, journal: Journal, clock: Clock, faults: Faults) -> None:
        self._journal = journal
        self._clock = clock
        self._faults = faults
        self._configs = {int(app): EventConfig(**value) for app, value in journal.entries.items()}
        self._queues: dict[int, dict[str, _Waiting]] = {}
        self._arrived = threading.Condition()

    def configure(self, app: int, params: dict[str, Any]) -> None:
        """Change what is given and keep the rest.

        Raises:
            ApiError: A value is not allowed.
        """
        given = {name: params[name] for name in _FIELDS if params.get(name) is not None}
        for name, value in given.items():
            if not re.fullmatch(_ALLOWED[name], value):
                raise ApiError("InvalidParameterValue", f"{name}: allowed is {_ALLOWED[name]}.")
        changes = {_FIELDS[name]: value for name, value in given.items()}
        config = replace(self.config(app), **changes)
        self._configs[app] = config
        self._journal.write(str(app), asdict(config))

    def config(self, app: int) -> EventConfig:
        """Tell how an application wants to hear of events."""
        return self._configs.get(app, EventConfig())

    def describe(self, app: int) -> dict[str, str]:
        """Write the configuration as the API does, without its key."""
        config = asdict(self.config(app))
        return {name: config[own] for name, own in _FIELDS.items() if name != "SignKey"}

    def notify(self, app: int, content: dict[str, Any]) -> None:
        """Send an event on its way, as often and as late as the faults at `vod.callback` say."""
        fault = self._faults.take("vod.callback") or ""
        if fault == "drop":
            return
        delay = float(argument(fault)) if fault.startswith("delay:") else 0.0
        for _ in range(2 if fault == "repeat" else 1):
            self._clock.after(delay, lambda: self._send(app, content))

    def pull(self, app: int) -> list[dict[str, Any]]:
        """Hand out up to 16 events; wait a little for the first."""
        deadline = time.monotonic() + LONG_POLL_S / self._clock.speed
        with self._arrived:
            while not (found := self._visible(app)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                self._arrived.wait(left)
            hidden_until = time.monotonic() + INVISIBLE_S / self._clock.speed
            for waiting in found.values():
                waiting.visible_at = hidden_until
            return [{"EventHandle": handle, **one.content} for handle, one in found.items()]

    def confirm(self, app: int, handles: list[str]) -> None:
        """Remove events that were handled.

        Raises:
            ApiError: A handle is unknown, or its event is to be pulled again already.
        """
        if len(handles) > MAX_EVENTS:
            raise ApiError("InvalidParameterValue", f"At most {MAX_EVENTS} EventHandles.")
        with self._arrived:
            queue = self._queues.get(app, {})
            for handle in handles:
                waiting = queue.get(handle)
                if waiting is None or waiting.visible_at <= time.monotonic():
                    raise ApiError(
                        "InvalidParameter", f"EventHandle {handle} is not held any more."
                    )
            for handle in set(handles):
                del queue[handle]

    def _visible(self, app: int) -> dict[str, _Waiting]:
        queue = self._queues.get(app, {})
        now = time.monotonic()
        visible = [(handle, one) for handle, one in queue.items() if one.visible_at <= now]
        return dict(visible[:MAX_EVENTS])

    def _send(self, app: int, content: dict[str, Any]) -> None:
        config = self.config(app)
        if config.mode == "PULL":
            with self._arrived:
                self._queues.setdefault(app, {})[uuid.uuid4().hex] = _Waiting(content)
                self._arrived.notify_all()
        elif config.url:
            self._push(config, content, list(RETRIES_S))

    def _push(self, config: EventConfig, content: dict[str, Any], retries: list[float]) -> None:
        if _post(config.url, {**content, **self._signature(config.sign_key)}) or not retries:
            return
        wait, *left = retries
        self._clock.after(wait, lambda: self._push(config, content, left))

    def _signature(self, key: str) -> dict[str, Any]:
        if not key:
            return {}
        until = int(self._clock.now()) + SIGNATURE_S
        sign = hashlib.md5(f"{key}{until}".encode(), usedforsecurity=False).hexdigest()
        return {"Sign": sign, "T": until}


def _post(url: str, content: dict[str, Any]) -> bool:
    """Deliver to a listener on loopback; say whether there is nothing to repeat."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        logger.warning("a callback to %s was not sent: it is not on loopback", parts.hostname)
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
