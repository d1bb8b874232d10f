"""Shared by the services of the control plane: actions by name, resources by id."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError

if TYPE_CHECKING:
    from localcloud.core import Caller

Json = dict[str, Any]
Action = Callable[[Json], Json]


class ActionService:
    """An API 3.0 service that carries out one action at a time."""

    name: str
    version: str

    def __init__(self, actions: dict[str, Action]) -> None:
        self._actions = actions
        self._lock = threading.RLock()

    def call(self, action: str, params: Json, caller: Caller) -> Json:  # noqa: ARG002  every caller gets the same
        """Carry an action out.

        Raises:
            ApiError: The service refuses.
        """
        if action not in self._actions:
            raise ApiError("UnsupportedOperation", f"the local cloud has no {self.name}.{action}")
        with self._lock:
            return self._actions[action](params)


class Resources:
    """Resources of one kind by their id, each in the fields of the API.

    Args:
        kind: What a refusal calls one of them.
        missing: The code that says that there is none.
    """

    def __init__(self, kind: str, missing: str) -> None:
        self._kind = kind
        self._missing = missing
        self._found: dict[str, Json] = {}

    def __iter__(self) -> Iterator[Json]:
        """Walk them in the order in which they were created."""
        return iter(tuple(self._found.values()))

    def __contains__(self, id_: object) -> bool:
        return id_ in self._found

    def __getitem__(self, id_: str) -> Json:
        """Find one.

        Raises:
            ApiError: There is none of this id.
        """
        self.check(id_)
        return self._found[id_]

    def check(self, id_: str) -> None:
        """Refuse an id of which there is none.

        Raises:
            ApiError: There is none of this id.
        """
        if id_ not in self._found:
            raise ApiError(self._missing, f"there is no {self._kind} {id_}")

    def add(self, id_: str, resource: Json) -> None:
        """Keep a new one."""
        self._found[id_] = resource

    def remove(self, id_: str) -> Json:
        """Forget one and hand it back.

        Raises:
            ApiError: There is none of this id.
        """
        removed = self[id_]
        del self._found[id_]
        return removed


def check_one_of(
    value: object, field: str, allowed: Collection[str], code: str = "InvalidParameterValue"
) -> None:
    """Refuse a value that is not one of those that a field may have.

    Raises:
        ApiError: It is none of them; the message names them all.
    """
    if value not in allowed:
        raise ApiError(code, f"{field} is {value!r}; allowed: {', '.join(allowed)}")


def new_id(prefix: str) -> str:
    """Make an id as most services do: `service-1f9c0a7e`."""
    return f"{prefix}-{secrets.token_hex(4)}"


def now_text() -> str:
    """Tell the time as most services do."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
