"""Converts `size` in pixels to the parameters of a model.

A model accepts pixels, or a word for the resolution and a word for the aspect ratio. The words mean
a size near the requested one; if no words are near enough, the size is refused before anything is
paid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc.tasks.catalogue import OneOf, Size
from aigc.tasks.fields import invalid_request, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aigc.api.openai.models import Choice
    from aigc.tasks.catalogue import Limit

_PIXELS = {
    "720p": 1280 * 720,
    "1k": 1024 * 1024,
    "1080p": 1920 * 1080,
    "2k": 2048 * 2048,
    "3k": 3072 * 3072,
    "4k": 3840 * 2160,
}
"""Word for a resolution → approximate number of pixels of such an image."""

_USUAL_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "21:9")
_USUAL_RESOLUTIONS = ("1K", "2K", "4K")
"""Words for a model whose words are not documented."""

RATIO_TOLERANCE = 0.03
"""Largest relative difference of the aspect ratio: 1792x1024, a size of older clients, is 16:9."""

AREA_TOLERANCE = 2.5
"""Largest factor between the numbers of pixels: 1536x1024 is 1K, and 4096x4096 is 4K."""


@dataclass(frozen=True, slots=True)
class MappedSize:
    """The parameters for a size; empty ones are not sent."""

    pixels: str = ""
    aspect_ratio: str = ""
    resolution: str = ""


def mapped_size(size: object, choice: Choice) -> MappedSize:
    """Express a size in the parameters of a model; `auto` leaves it to the model.

    Raises:
        InvalidRequestError: It is not a size, or the model cannot make it.
    """
    limits = choice.known.limits if choice.known else {}
    if size in (None, "", "auto"):
        return MappedSize()
    match = re.fullmatch(
        r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})", size if isinstance(size, str) else ""
    )
    if match is None:
        raise invalid_request("size", f"{shown(size)} is not allowed", allowed=_allowed(limits))
    width, height = int(match[1]), int(match[2])
    mapped = _in_pixels(width, height, limits) or _in_words(width, height, limits)
    if mapped is None:
        problem = f"{shown(size)} is not possible with {choice.name} {choice.version}"
        raise invalid_request("size", problem, allowed=_allowed(limits))
    return mapped


def _in_pixels(width: int, height: int, limits: Mapping[str, Limit]) -> MappedSize | None:
    pixels, limit = f"{width}x{height}", limits.get("size")
    if isinstance(limit, Size) and limit.allows(f'{{"size": "{pixels}"}}'):
        return MappedSize(pixels=pixels)
    if pixels in _words(limits, "resolution", ()):
        return MappedSize(resolution=pixels)
    return None


def _in_words(width: int, height: int, limits: Mapping[str, Limit]) -> MappedSize | None:
    ratio = min(
        _ratios(limits), key=lambda word: abs(_ratio(word) * height / width - 1), default=""
    )
    resolution = min(
        _resolutions(limits), key=lambda word: _factor(word, width * height), default=""
    )
    if not ratio or not resolution:
        return None
    is_near = abs(_ratio(ratio) * height / width - 1) <= RATIO_TOLERANCE
    is_near = is_near and _factor(resolution, width * height) <= AREA_TOLERANCE
    return MappedSize(aspect_ratio=ratio, resolution=resolution) if is_near else None


def _ratios(limits: Mapping[str, Limit]) -> list[str]:
    words = _words(limits, "aspect_ratio", _USUAL_RATIOS)
    return [word for word in words if ":" in word]


def _resolutions(limits: Mapping[str, Limit]) -> list[str]:
    words = _words(limits, "resolution", _USUAL_RESOLUTIONS)
    return [word for word in words if word.casefold() in _PIXELS]


def _words(limits: Mapping[str, Limit], name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    limit = limits.get(name)
    return limit.words if isinstance(limit, OneOf) else usual


def _ratio(word: str) -> float:
    width, height = word.split(":")
    return int(width) / int(height)


def _factor(word: str, area: int) -> float:
    """Return the factor, at least 1, between an area and that of a resolution."""
    factor = _PIXELS[word.casefold()] / area
    return max(factor, 1 / factor)


def _allowed(limits: Mapping[str, Limit]) -> str:
    return "; ".join(["auto", *_alternatives(limits)])


def _alternatives(limits: Mapping[str, Limit]) -> Iterable[str]:
    if "size" in limits:
        yield str(limits["size"])
    ratios, resolutions = _ratios(limits), _resolutions(limits)
    if ratios and resolutions:
        areas = ", ".join(f"{word} ({_PIXELS[word.casefold()]})" for word in resolutions)
        yield (
            f"<width>x<height> with an aspect ratio of {', '.join(ratios)} and about as many"
            f" pixels as {areas}"
        )
