"""The images that the local cloud draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import ImageFont

from localcloud import drawing
from localcloud.drawing import ImageSpec, draw
from tests.localcloud.clients import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wanted_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the names of the fonts that are looked for on this machine, which has none."""
    names: list[str] = []
    load = ImageFont.truetype

    def note(font: Any, *arguments: Any, **options: Any) -> ImageFont.FreeTypeFont:
        if isinstance(font, str):
            names.append(font)
            raise OSError(font)
        return load(font, *arguments, **options)

    monkeypatch.setattr(ImageFont, "truetype", note)
    vars(drawing)["_font"].cache_clear()
    yield names
    vars(drawing)["_font"].cache_clear()


def drawn(prompt: str) -> tuple[int, int]:
    return size_of(draw(ImageSpec(prompt=prompt, model="GG 3.0", seed="")))


def test_chinese_caption_needs_a_font_of_the_machine(wanted_fonts: list[str]) -> None:
    assert drawn("雾中的灯塔") == drawn("a lighthouse in the fog")
    assert "NotoSansCJK-Regular.ttc" in wanted_fonts


def test_english_caption_needs_no_font_of_the_machine(wanted_fonts: list[str]) -> None:
    drawn("a lighthouse in the fog — “dawn”…")

    assert wanted_fonts == []
