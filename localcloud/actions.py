"""Base classes of the control plane's services: actions by name, resources by id."""

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
    """An API 3.0 service that runs one action at a time."""

    name: str
    version: str

    def __init__(self, actions: dict[str, Action]) -> None:
        self._actions = actions
        self._lock = threading.RLock()

    def call(self, action: str, params: Json, caller: Caller) -> Json:  # noqa: ARG002  all callers get the same response
        """Carry out an action.

        Raises:
            ApiError: The service refuses.
        """
        if action not in self._actions:
            raise ApiError("UnsupportedOperation", f"the local cloud has no {self.name}.{action}")
        with self._lock:
            return self._actions[action](params)


class Resources:
    """The resources of one kind by id, each with the fields of the API.

    Args:
        kind: The noun that error messages use for a resource.
        missing: The error code for an unknown id.
    """

    def __init__(self, kind: str, missing: str) -> None:
        self._kind = kind
        self._missing = missing
        self._resources: dict[str, Json] = {}

    def __iter__(self) -> Iterator[Json]:
        """Iterate over the resources in creation order."""
        return iter(tuple(self._resources.values()))

    def __contains__(self, id_: object) -> bool:
        return id_ in self._resources

    def __getitem__(self, id_: str) -> Json:
        """Return the resource with this id.

        Raises:
            ApiError: No resource has this id.
        """
        self.check(id_)
        return self._resources[id_]

    def check(self, id_: str) -> None:
        """Raise if no resource has this id.

        Raises:
            ApiError: No resource has this id.
        """
        if id_ not in self._resources:
            raise ApiError(self._missing, f"there is no {self._kind} {id_}")

    def add(self, id_: str, resource: Json) -> None:
        """Add a new resource."""
        self._resources[id_] = resource

    def remove(self, id_: str) -> Json:
        """Remove a resource and return it.

        Raises:
            ApiError: No resource has this id.
        """
        removed = self[id_]
        del self._resources[id_]
        return removed


def check_one_of(
    value: object, field: str, allowed: Collection[str], code: str = "InvalidParameterValue"
) -> None:
    """Raise if the value of a field is not allowed.

    Raises:
        ApiError: The value is not allowed; the message lists the allowed values.
    """
    if value not in allowed:
        raise ApiError(code, f"{field} is {value!r}; allowed: {', '.join(allowed)}")


def new_id(prefix: str) -> str:
    """Create an id in the form of most services: `service-1f9c0a7e`."""
    return f"{prefix}-{secrets.token_hex(4)}"


def now_text() -> str:
    """Return the current time in the format of most services."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
