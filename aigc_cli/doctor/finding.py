"""A finding about a deployment: what was seen, what it means, and how to repair it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc_cli.account import Account

CONSOLES = {"cn": "https://console.cloud.tencent.com", "intl": "https://console.tencentcloud.com"}
"""Site → the host of its console."""

Level: TypeAlias = Literal["ok", "warning", "problem", "not_checked"]
Fix: TypeAlias = "Callable[[], object]"


class Subject(Protocol):
    """What is examined: a deployment, or the plan of one."""

    @property
    def account(self) -> Account:
        """The account that it is in."""

    @property
    def site(self) -> str:
        """`cn` or `intl`."""


Examined_contra = TypeVar("Examined_contra", bound=Subject, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    seen: str
    means: str = ""
    """Empty if all is well."""
    remedy: str = ""
    fix: Fix | None = None
    """Repairs it; None if the doctor cannot."""


@dataclass(frozen=True, kw_only=True)
class Examination(Generic[Examined_contra]):
    """One question to a deployment, or to the plan of one."""

    name: str
    page: str
    """The part of the docs that says more."""
    console: str
    """The page of the cloud's console that shows the same, without its host."""
    examine: Callable[[Examined_contra], Iterator[Finding]]

    def link(self, site: str) -> str:
        """Return the address of the console's page; empty if no page shows it."""
        return CONSOLES[site] + self.console if self.console else ""


def ok(seen: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(level="ok", seen=seen)


def problem(seen: str, means: str, remedy: str, fix: Fix | None = None) -> Finding:
    """Return a finding that keeps the deployment from its work."""
    return Finding(level="problem", seen=seen, means=means, remedy=remedy, fix=fix)


def not_checked(seen: str, means: str, remedy: str) -> Finding:
    """Return a finding that a question was not asked, or that no answer decides it."""
    return Finding(level="not_checked", seen=seen, means=means, remedy=remedy)


def warning(seen: str, means: str, remedy: str, fix: Fix | None = None) -> Finding:
    """Return a finding that costs money or time, or will be a problem."""
    return Finding(level="warning", seen=seen, means=means, remedy=remedy, fix=fix)
