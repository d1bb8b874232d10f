"""The account, keys, callers, clock and errors, which all parts of the local cloud use."""

from __future__ import annotations

import heapq
import itertools
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class ApiError(Exception):
    """An API 3.0 error: the response is `{"Response": {"Error": {"Code", "Message"}}}`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Account:
    """The account of this cloud."""

    app_id: int = 1250000000
    uin: str = "100000000001"
    region: str = "ap-guangzhou"
    site: str = "cn"


@dataclass(frozen=True, slots=True)
class Caller:
    """The signer of a request: the account's own key, or a role by its temporary key."""

    secret_id: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A secret key; a temporary key also has a token, a role and an expiry time."""

    secret_id: str
    secret_key: str
    token: str = ""
    role: str | None = None
    expires_at: float | None = None


class Keys:
    """All valid keys of this cloud."""

    def __init__(self, owner: Key | None = None) -> None:
        self.owner = owner or Key("AKID" + secrets.token_hex(16), secrets.token_hex(16))
        self._keys = {self.owner.secret_id: self.owner}

    def issue(self, role: str, *, expires_at: float) -> Key:
        """Create and return a temporary key for a role, as STS does."""
        key = Key(
            "AKID" + secrets.token_hex(24),
            secrets.token_hex(16),
            token=secrets.token_urlsafe(48),
            role=role,
            expires_at=expires_at,
        )
        self._keys[key.secret_id] = key
        return key

    def find(self, secret_id: str) -> Key | None:
        """Return the key with this SecretId; None if there is none."""
        return self._keys.get(secret_id)


@dataclass(order=True)
class _Timer:
    due: float
    order: int
    action: Callable[[], None] = field(compare=False)


class Clock:
    """Wall-clock time, and durations that pass `speed` times faster than in the cloud."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._timers: list[_Timer] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def now(self) -> float:
        """Return Unix time; it is not scaled, since signatures depend on it."""
        return time.time()

    def wait_real(self, seconds: float) -> None:
        """Wait in real time, which the speed does not scale."""
        time.sleep(seconds)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action once in its own thread, after this many seconds of cloud time."""
        with self._changed:
            due = time.monotonic() + seconds / self.speed
            heapq.heappush(self._timers, _Timer(due, next(self._count), action))
            self._changed.notify()

    def stop(self) -> None:
        """Cancel all timers."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            threading.Thread(target=timer.action, daemon=True).start()

    def _next(self) -> _Timer | None:
        with self._changed:
            while not self._stopped:
                if not self._timers:
                    self._changed.wait()
                    continue
                wait = self._timers[0].due - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self._timers)
                self._changed.wait(wait)
            return None


class Service(Protocol):
    """An API 3.0 service; its parameters are already checked against the SDK's models."""

    name: str
    version: str

    def call(self, action: str, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Carry out an action and return the content of `Response`.

        Raises:
            ApiError: The service refuses.
        """
