"""Policies: what a role is allowed by its documents, and what it was seen to do."""

from __future__ import annotations

import collections
import functools
import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localcloud.core import Caller

Grant = tuple[str, str]
"""An action, and the resource as the statement that covers it names it."""

SEGMENTS = 6
"""Of `qcs:<project>:<service>:<region>:<account>:<resource>`, the last of which may have colons."""

OWN = frozenset({"", "uin/", "uid/"})
"""Region or account left out: any region, and the account that the policy belongs to."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a statement says of one resource, of an action that it is about."""

    effect: str
    resource: str


class Guard:
    """Lets roles do what their policies allow; the account's own key may do everything."""

    def __init__(self, policies_of: Callable[[str], list[str]]) -> None:
        self._policies_of = policies_of
        self._used: dict[str, set[Grant]] = collections.defaultdict(set)
        self._denied: dict[str, set[Grant]] = collections.defaultdict(set)

    def authorize(self, caller: Caller, action: str, resource: str) -> None:
        """Hold what somebody is about to do against what he may.

        Raises:
            ApiError: A role does what no policy of it allows, or one denies.
        """
        if caller.role is None:
            return
        for needed in _needed(action):
            self._authorize(caller.role, needed, resource)

    def seen(self) -> dict[str, dict[str, list[Grant]]]:
        """Tell for each role which of its grants it used, and what it was denied."""
        roles = sorted({*self._used, *self._denied})
        return {
            role: {"used": sorted(self._used[role]), "denied": sorted(self._denied[role])}
            for role in roles
        }

    def _authorize(self, role: str, action: str, resource: str) -> None:
        covering = list(_covering(self._policies_of(role), action, resource))
        if not covering or any(rule.effect == "deny" for rule in covering):
            self._denied[role].add((action, resource))
            raise ApiError(
                "AuthFailure.UnauthorizedOperation",
                f"the role {role} is not authorized to {action} on {resource}",
            )
        self._used[role].update((action, rule.resource) for rule in covering)


def trusts(document: str, service: str) -> bool:
    """Whether a role's trust document lets a service become the role."""
    for statement in json.loads(document)["statement"]:
        services = _listed(statement["principal"].get("service", ()))
        if statement["effect"] == "allow" and service in services:
            return True
    return False


def _needed(action: str) -> tuple[str, ...]:
    """MPS asks one permission more of whoever calls it by the SDK.

    https://cloud.tencent.com/document/faq/862/117336
    """
    return (action, "mps:RequestFromSdk") if action.startswith("mps:") else (action,)


def _covering(documents: list[str], action: str, resource: str) -> Iterator[Rule]:
    for document in documents:
        for rule in _rules(document, action):
            if _covers(rule.resource, resource):
                yield rule


@functools.lru_cache(maxsize=4096)
def _rules(document: str, action: str) -> tuple[Rule, ...]:
    """Find what a document says of an action, once: each request of a role asks that."""
    return tuple(
        Rule(statement["effect"], resource)
        for statement in json.loads(document).get("statement", ())
        if any(_fits(pattern, action) for pattern in _listed(statement["action"]))
        for resource in _listed(statement["resource"])
    )


def _covers(pattern: str, resource: str) -> bool:
    """What has no resource level is covered by `*` alone."""
    if pattern == "*":
        return True
    wanted, named = pattern.split(":", SEGMENTS - 1), resource.split(":", SEGMENTS - 1)
    if len(wanted) != SEGMENTS or len(named) != SEGMENTS:
        return False
    return all(itertools.starmap(_segment_fits, zip(wanted, named, strict=True)))


def _segment_fits(wanted: str, named: str) -> bool:
    return wanted in OWN or _fits(wanted, named)


def _fits(pattern: str, text: str) -> bool:
    if "*" not in pattern:
        return pattern == text
    return _compiled(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _listed(value: Any) -> list[str]:  # noqa: ANN401  CAM takes one or several
    return [value] if isinstance(value, str) else list(value)
