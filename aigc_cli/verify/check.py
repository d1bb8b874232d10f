"""A check: an assumption about the cloud, and the function that tests it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc_cli.verify.world import World

Result: TypeAlias = Literal["passed", "failed", "skipped"]

Value = TypeVar("Value")

PAUSE_S = 0.5
"""Seconds between two polls; API 3.0 allows 20 calls a second."""

YUAN_PER_IMAGE = 0.25
"""An estimate: no machine-readable price list is published."""


class DiffersError(Exception):
    """The cloud differs from the assumption; the text describes what it did."""


class SkipError(Exception):
    """The check is not possible in this account; the text has the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One assumption about the cloud.

    `ask` tests the assumption and returns a description of what the cloud did.
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
    """Highest number of images that are paid for."""
    needs_image: bool = False
    """Whether it needs an image that it, or an earlier check, pays for."""
    ask: Callable[[World], str]

    @property
    def yuan(self) -> float:
        """The highest cost of the images; requests cost less than a fen."""
        return self.images * YUAN_PER_IMAGE


class Group:
    """The checks of one service, in their order."""

    def __init__(self, name: str, *, needs_images: bool = False) -> None:
        self.name = name
        self.needs_images = needs_images
        """Whether its checks need images by default."""
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
        """Register the decorated function as a check of this group."""

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
    """Return if the assumption holds.

    Raises:
        DiffersError: It does not hold; `seen` describes what the cloud did.
    """
    if not holds:
        raise DiffersError(seen)


def wait_for(query: Callable[[], Value | None], seconds: float, condition: str) -> Value:
    """Call a function until it returns a true value, and return that value.

    Raises:
        DiffersError: There is no such value within the time.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = query()
        if value:
            return value
        if time.monotonic() > deadline:
            raise DiffersError(f"{condition}: not within {seconds:g} s")
        time.sleep(PAUSE_S)
