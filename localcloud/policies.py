"""Enforces the policies of roles, and records which grants they used and which were denied."""

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
"""An action, and the resource pattern of the statement that covers it."""

SEGMENTS = 6
"""`qcs:<project>:<service>:<region>:<account>:<resource>`; the last segment may have colons."""

MATCH_ALL = frozenset({"", "uin/", "uid/"})
"""Pattern segments that match every value: without a region, or with the policy's own account."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The effect of a statement on a resource pattern, for an action that it covers."""

    effect: str
    resource: str


class Guard:
    """Enforces the policies of roles; the account's own key is allowed everything."""

    def __init__(self, policies_of: Callable[[str], list[str]]) -> None:
        self._policies_of = policies_of
        self._used: dict[str, set[Grant]] = collections.defaultdict(set)
        self._denied: dict[str, set[Grant]] = collections.defaultdict(set)

    def authorize(self, caller: Caller, action: str, resource: str) -> None:
        """Check that a caller is allowed an action on a resource.

        Raises:
            ApiError: No policy of the caller's role allows the action, or a policy denies it.
        """
        if caller.role is None:
            return
        for required in _required_actions(action):
            self._authorize(caller.role, required, resource)

    def usage(self) -> dict[str, dict[str, list[Grant]]]:
        """Return for each role the grants that it used and the requests that were denied."""
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
    """Whether a role's trust document lets a service assume the role."""
    for statement in json.loads(document)["statement"]:
        services = _as_list(statement["principal"].get("service", ()))
        if statement["effect"] == "allow" and service in services:
            return True
    return False


def _required_actions(action: str) -> tuple[str, ...]:
    """Return the actions that a call needs; a call of MPS through an SDK needs one more.

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
    """Return a document's rules for an action; cached, as each request of a role needs them."""
    return tuple(
        Rule(statement["effect"], resource)
        for statement in json.loads(document).get("statement", ())
        if any(_matches(pattern, action) for pattern in _as_list(statement["action"]))
        for resource in _as_list(statement["resource"])
    )


def _covers(pattern: str, resource: str) -> bool:
    """Whether a pattern covers a resource; only `*` covers an action without resources."""
    if pattern == "*":
        return True
    pattern_segments, segments = pattern.split(":", SEGMENTS - 1), resource.split(":", SEGMENTS - 1)
    if len(pattern_segments) != SEGMENTS or len(segments) != SEGMENTS:
        return False
    return all(itertools.starmap(_segment_matches, zip(pattern_segments, segments, strict=True)))


def _segment_matches(pattern: str, segment: str) -> bool:
    return pattern in MATCH_ALL or _matches(pattern, segment)


def _matches(pattern: str, text: str) -> bool:
    if "*" not in pattern:
        return pattern == text
    return _compiled(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _as_list(value: Any) -> list[str]:  # noqa: ANN401  a string or a list of strings
    return [value] if isinstance(value, str) else list(value)
