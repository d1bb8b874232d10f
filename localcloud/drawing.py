"""Draws the images of tasks, quickly, with a caption that contains `local cloud`."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Colour = tuple[int, int, int]

# The longest side for each resolution: much smaller than in the cloud, to save time.
_SIDES = {"720P": 480, "1K": 512, "1080P": 512, "2K": 768, "4K": 1024}
_PALETTES: tuple[tuple[_Colour, _Colour, _Colour], ...] = (
    ((24, 18, 43), (214, 69, 80), (255, 209, 102)),
    ((8, 36, 54), (17, 138, 178), (144, 224, 239)),
    ((20, 44, 34), (56, 142, 89), (230, 238, 156)),
    ((38, 20, 60), (142, 68, 173), (245, 183, 177)),
    ((43, 29, 14), (191, 102, 41), (250, 229, 189)),
)

_HAN_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "STHeiti Light.ttc", "msyh.ttc")
"""Fonts of Linux, macOS and Windows with Chinese characters, which Pillow's own font lacks."""


class NotAnImageError(Exception):
    """The bytes are not a readable image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """The description of an image to draw."""

    prompt: str
    model: str
    seed: str
    inputs: Sequence[bytes] = ()
    aspect_ratio: str = ""
    resolution: str = ""
    format: str = "png"
    logo: bool = False
    """Whether the vendor's visible label is drawn."""


def draw(spec: ImageSpec) -> bytes:
    """Draw an image: a restyled version of the first input, or an abstract composition.

    Raises:
        NotAnImageError: An input cannot be read.
    """
    images = [_open(content) for content in spec.inputs]
    rng = _seeded_random(spec.prompt, spec.model, spec.seed)
    size = _size(spec, images[0].size if images else (1, 1))
    if images:
        canvas = _restyle(ImageOps.fit(images[0], size), rng)
        _inset(canvas, images[1:])
    else:
        canvas = _compose(size, rng)
    _caption(canvas, f"local cloud · {spec.model}", spec.prompt)
    if spec.logo:
        _logo(canvas)
    return _encode(canvas, spec.format)


def placeholder(name: str) -> bytes:
    """Draw a placeholder for an image that is not available here: a remote URL, a VOD file."""
    canvas = _compose((384, 384), _seeded_random(name))
    _caption(canvas, "local cloud · placeholder for", name)
    return _encode(canvas, "png")


def _open(content: bytes) -> Image.Image:
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise NotAnImageError(str(error)) from error


def _seeded_random(*parts: str) -> random.Random:
    """Return a random generator that is seeded with these texts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return random.Random(digest)  # noqa: S311  no secret


def _size(spec: ImageSpec, default: tuple[int, int]) -> tuple[int, int]:
    side = _SIDES.get(spec.resolution.upper(), 512)
    width, height = _ratio(spec.aspect_ratio) or default
    scale = side / max(width, height)
    return max(64, round(width * scale)), max(64, round(height * scale))


def _ratio(text: str) -> tuple[int, int] | None:
    width, _, height = text.partition(":")
    if width.isdecimal() and height.isdecimal() and int(width) and int(height):
        return int(width), int(height)
    return None


def _restyle(image: Image.Image, rng: random.Random) -> Image.Image:
    styles: tuple[Callable[[Image.Image, random.Random], Image.Image], ...] = (
        _poster,
        _duotone,
        _ink,
        _mosaic,
    )
    return rng.choice(styles)(image, rng)


def _poster(image: Image.Image, rng: random.Random) -> Image.Image:
    # At half the size, since the filter takes most of the time of drawing.
    smooth = ImageOps.autocontrast(image).reduce(2).filter(ImageFilter.MedianFilter(3))
    return ImageOps.posterize(smooth.resize(image.size), rng.choice((2, 3)))


def _duotone(image: Image.Image, rng: random.Random) -> Image.Image:
    dark, middle, light = rng.choice(_PALETTES)
    grey = ImageOps.autocontrast(ImageOps.grayscale(image))
    return ImageOps.colorize(grey, black=dark, mid=middle, white=light)


def _ink(image: Image.Image, rng: random.Random) -> Image.Image:
    dark, _, light = rng.choice(_PALETTES)
    lines = ImageOps.grayscale(image).filter(ImageFilter.SMOOTH_MORE).filter(ImageFilter.CONTOUR)
    return ImageOps.colorize(ImageOps.autocontrast(lines, cutoff=2), black=dark, white=light)


def _mosaic(image: Image.Image, rng: random.Random) -> Image.Image:
    step = rng.choice((6, 9))
    width, height = image.size
    small = image.resize((max(1, width // step), max(1, height // step)), Image.Resampling.BOX)
    return ImageOps.posterize(small, 4).resize((width, height), Image.Resampling.NEAREST)


def _inset(canvas: Image.Image, images: Sequence[Image.Image]) -> None:
    """Draw the other inputs as a row of thumbnails along the top."""
    side = max(24, canvas.width // 8)
    for index, image in enumerate(images):
        canvas.paste(ImageOps.fit(image, (side, side)), (8 + index * (side + 8), 8))


def _compose(size: tuple[int, int], rng: random.Random) -> Image.Image:
    dark, middle, light = rng.choice(_PALETTES)
    shade = ImageOps.fit(Image.linear_gradient("L"), size)
    canvas = ImageOps.colorize(shade, black=middle, white=dark)
    pen = ImageDraw.Draw(canvas, "RGBA")
    for _ in range(14):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        radius = rng.randrange(min(size) // 20, min(size) // 3)
        colour = (*rng.choice((middle, light)), rng.randrange(50, 150))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return canvas


def _caption(canvas: Image.Image, title: str, text: str) -> None:
    size = max(10, canvas.width // 36)
    font = _font(size, has_han=_has_han(title + text))
    pen = ImageDraw.Draw(canvas, "RGBA")
    top = canvas.height - round(size * 3.4)
    pen.rectangle((0, top, canvas.width, canvas.height), fill=(0, 0, 0, 215))
    max_length = round(canvas.width / size * (0.9 if _has_han(text) else 1.7))
    caption = " ".join(text.split())
    caption = caption if len(caption) <= max_length else caption[: max_length - 1] + "…"
    for line, content, opacity in ((1.3, title, 190), (2.7, caption, 255)):
        position = (size, top + size * line)
        pen.text(position, content, font=font, anchor="ls", fill=(255, 255, 255, opacity))


def _has_han(text: str) -> bool:
    """Return whether a text has characters of Chinese, Japanese or Korean."""
    return max(text, default="") >= "\u2e80"


def _logo(canvas: Image.Image) -> None:
    size = max(10, canvas.width // 20)
    pen = ImageDraw.Draw(canvas, "RGBA")
    left = canvas.width - 2 * size
    pen.rectangle((left, 0, canvas.width, round(1.5 * size)), fill=(255, 255, 255, 215))
    pen.text((left + size // 2, size // 6), "AI", font=_font(size), fill=(0, 0, 0, 255))


@functools.cache
def _font(size: int, *, has_han: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load a font, once for each size, since loading is slow.

    If no font has Chinese characters, they are drawn as boxes.
    """
    for name in _HAN_FONTS if has_han else ():
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def _encode(canvas: Image.Image, format_: str) -> bytes:
    buffer = io.BytesIO()
    if format_.lower() in {"jpeg", "jpg"}:
        canvas.save(buffer, "JPEG", quality=88)
    else:
        canvas.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
