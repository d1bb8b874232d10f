"""A check: one assumption about the cloud, and the question that decides it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc_cli.verify.world import World

Result: TypeAlias = Literal["passed", "failed", "skipped"]

Seen = TypeVar("Seen")

PAUSE_S = 0.5
"""Seconds between two looks at something that takes time; API 3.0 allows 20 calls a second."""

YUAN_PER_IMAGE = 0.25
"""A guess: no price list is published for programs."""


class DiffersError(Exception):
    """The cloud behaves otherwise than assumed; the text says what was seen instead."""


class SkipError(Exception):
    """The question cannot be asked of this account; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One assumption about the cloud.

    `ask` returns what was seen if the assumption holds.
    """

    name: str
    group: str
    """Checks of a group run one after another; groups run side by side."""
    assumption: str
    """One sentence, as the local cloud has it."""
    document: str
    """The number of the page at cloud.tencent.com/document/product, or `none`."""
    used_by: str
    """What in the program depends on the assumption."""
    otherwise: str
    """What the program does if it does not hold, and which setting or change helps."""
    images: int = 0
    """Images that are paid for at most."""
    needs_image: bool = False
    """Whether it looks at an image that it, or an earlier check, pays for."""
    ask: Callable[[World], str]

    @property
    def yuan(self) -> float:
        """What the check costs at most; requests cost less than a fen."""
        return self.images * YUAN_PER_IMAGE


class Group:
    """The checks of one service, in the order in which they are asked."""

    def __init__(self, name: str, *, needs_images: bool = False) -> None:
        self.name = name
        self.needs_images = needs_images
        """Whether its checks look at images, if they do not say otherwise."""
        self.checks: list[Check] = []

    def check(
        self,
        name: str,
        *,
        assumption: str,
        used_by: str,
        otherwise: str,
        document: str = "none",
        images: int = 0,
        needs_image: bool | None = None,
    ) -> Callable[[Callable[[World], str]], Callable[[World], str]]:
        """Register the decorated question as a check of this group."""

        def register(ask: Callable[[World], str]) -> Callable[[World], str]:
            self.checks.append(
                Check(
                    name=f"{self.name}-{name}",
                    group=self.name,
                    assumption=assumption,
                    document=document,
                    used_by=used_by,
                    otherwise=otherwise,
                    images=images,
                    needs_image=self.needs_images if needs_image is None else needs_image,
                    ask=ask,
                )
            )
            return ask

        return register


def expect(holds: object, seen: str) -> None:
    """Go on if the assumption holds.

    Raises:
        DiffersError: It does not; `seen` says what was seen instead.
    """
    if not holds:
        raise DiffersError(seen)


def wait_for(question: Callable[[], Seen | None], seconds: float, what: str) -> Seen:
    """Repeat a question until it has an answer.

    Raises:
        DiffersError: There is none in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = question()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise DiffersError(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE_S)
