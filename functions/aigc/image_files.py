"""Reads the format and the size of an image from its headers.

There is no imaging library: Pillow would add 20 MB to the functions for three short parsers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aigc.errors import BadImageError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 64 * 2**20
"""Larger than the output of any model (a 4K PNG has about 30 MB), and fits a function's memory."""

MAX_INPUT_BYTES = 20 * 2**20
"""Largest input of any model (wand-vega-image of MPS); most models advise 7 MB."""

HEAD = 32
"""Number of bytes that identify the format."""

MAX_PIXELS = 2**28
"""16384 x 16384: a small file may claim more, and decoding it would need gigabytes."""

_JPEG_MARK = 0xFF
_JPEG_END = b"\xff\xd9"
_JPEG_SEGMENTS = 10_000  # before the frame: up to 600 MB of metadata
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class ImageInfo(NamedTuple):
    """Format of an image and its size in pixels."""

    content_type: str
    extension: str
    width: int
    height: int


def content_type_of(head: bytes) -> str | None:
    """Return the content type of a JPEG, PNG or WebP by its first bytes; None for other data."""
    if head.startswith(_PNG_BEGIN):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def check_head(head: bytes) -> None:
    """Check the first bytes of an image.

    Raises:
        BadImageError: They are not the head of an image, or the image is too large.
    """
    content_type = _known_type(head, f"it begins with {head[:8].hex(' ')}")
    if content_type != "image/jpeg":  # the size of a JPEG is not in its first bytes
        _size(content_type, head)


def inspect(data: bytes) -> ImageInfo:
    """Check that the data is a complete image and return its format and size.

    Raises:
        BadImageError: The data is not a complete image, or it is too large.
    """
    if len(data) > MAX_BYTES:
        raise BadImageError(f"an image of {len(data)} bytes; at most {MAX_BYTES} are stored")
    description = f"{len(data)} bytes that begin with {data[:8].hex(' ')}"
    content_type = _known_type(data[:HEAD], description)
    extension, _, is_complete = _FORMATS[content_type]
    width, height = _size(content_type, data)
    if not is_complete(data):
        raise BadImageError(f"a {extension} cut off after {len(data)} bytes")
    return ImageInfo(content_type, extension, width, height)


def _known_type(head: bytes, description: str) -> str:
    content_type = content_type_of(head)
    if content_type is None:
        raise BadImageError(f"{description}: not a JPEG, PNG or WebP")
    return content_type


def _size(content_type: str, data: bytes) -> tuple[int, int]:
    extension, read_size, _ = _FORMATS[content_type]
    try:
        width, height = read_size(data)
    except IndexError:
        raise BadImageError(f"a {extension} cut off after {len(data)} bytes") from None
    if not 0 < width * height <= MAX_PIXELS:
        raise BadImageError(
            f"a {extension} of {width}x{height} pixels; allowed: 1 to {MAX_PIXELS} in all"
        )
    return width, height


def _png_size(data: bytes) -> tuple[int, int]:
    return _big_endian(data, 16, 4), _big_endian(data, 20, 4)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    frame = _jpeg_frame(data)
    return _big_endian(data, frame + 7, 2), _big_endian(data, frame + 5, 2)


def _jpeg_frame(data: bytes) -> int:
    """Return the position of the frame header, which follows all metadata and their thumbnails."""
    position = 2
    for _ in range(_JPEG_SEGMENTS):
        if data[position] != _JPEG_MARK:
            break
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            return position
        if marker == _JPEG_MARK:
            position += 1
        else:
            position += 2 + _big_endian(data, position + 2, 2)
    raise BadImageError("a jpg without a frame header")


def webp_size(data: bytes | memoryview) -> tuple[int, int]:
    """Read the size of a WebP in pixels.

    Raises:
        IndexError: The file is cut off.
        BadImageError: The first chunk is not an image.
    """
    form = bytes(data[12:16])
    if form == b"VP8X":
        return 1 + _little_endian(data, 24, 3), 1 + _little_endian(data, 27, 3)
    if form == b"VP8L":
        bits = _little_endian(data, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form != b"VP8 ":
        raise BadImageError(f"a webp whose first chunk is {form!r}; allowed: VP8X, VP8L, VP8")
    return _little_endian(data, 26, 2) & 0x3FFF, _little_endian(data, 28, 2) & 0x3FFF


def _big_endian(data: bytes, start: int, size: int) -> int:
    if len(data) < start + size:
        raise IndexError
    return int.from_bytes(data[start : start + size], "big")


def _little_endian(data: bytes | memoryview, start: int, size: int) -> int:
    if len(data) < start + size:
        raise IndexError
    return int.from_bytes(data[start : start + size], "little")


# Data after the end is allowed: decoders ignore it, and some encoders append data.
_FORMATS: dict[str, tuple[str, Callable[[bytes], tuple[int, int]], Callable[[bytes], bool]]] = {
    "image/png": ("png", _png_size, lambda data: _PNG_END in data),
    "image/jpeg": ("jpg", _jpeg_size, lambda data: data.find(_JPEG_END, _jpeg_frame(data)) > 0),
    "image/webp": ("webp", webp_size, lambda data: len(data) >= 8 + _little_endian(data, 4, 4)),
}
