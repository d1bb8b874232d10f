"""What bytes of a picture say of themselves, read from their first few headers.

No imaging library: Pillow adds 20 MB to a function for what takes three short readers.
"""

from __future__ import annotations

from dataclasses import dataclass

from aigc.errors import BadPictureError

MAX_BYTES = 64 * 2**20
"""More than any model makes (a 4K PNG is about 30 MB), and what a function's memory bears."""

HEAD = 32
"""Bytes that tell the format."""

_JPEG_MARK = 0xFF
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture's format and size in pixels."""

    content_type: str
    extension: str
    width: int
    height: int


def content_type_of(head: bytes) -> str | None:
    """Tell JPEG, PNG and WebP by their first bytes; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def inspect(data: bytes) -> Seen:
    """Check that bytes are a whole picture's beginning and read its size.

    Raises:
        BadPictureError: They are not, or they are too many.
    """
    if len(data) > MAX_BYTES:
        raise BadPictureError(f"a picture of {len(data)} bytes; at most {MAX_BYTES} are stored")
    content_type = content_type_of(data[:HEAD])
    if content_type is None:
        raise BadPictureError(
            f"{len(data)} bytes that begin with {data[:8].hex(' ')}: not a JPEG, PNG or WebP"
        )
    extension, read = _READERS[content_type]
    try:
        width, height = read(data)
    except IndexError:
        raise BadPictureError(f"a {extension} cut off after {len(data)} bytes") from None
    if not width or not height:
        raise BadPictureError(f"a {extension} of {width}x{height} pixels")
    return Seen(content_type, extension, width, height)


def _png_size(data: bytes) -> tuple[int, int]:
    return _number(data, 16, 4), _number(data, 20, 4)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while data[position] == _JPEG_MARK:
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            return _number(data, position + 7, 2), _number(data, position + 5, 2)
        if marker == _JPEG_MARK:
            position += 1
        else:
            position += 2 + _number(data, position + 2, 2)
    raise BadPictureError("a jpg without a frame header")


def _webp_size(data: bytes) -> tuple[int, int]:
    form = data[12:16]
    if form == b"VP8X":
        return 1 + _little(data, 24, 3), 1 + _little(data, 27, 3)
    if form == b"VP8L":
        bits = _little(data, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF


def _number(data: bytes, start: int, size: int) -> int:
    if len(data) < start + size:
        raise IndexError
    return int.from_bytes(data[start : start + size], "big")


def _little(data: bytes, start: int, size: int) -> int:
    if len(data) < start + size:
        raise IndexError
    return int.from_bytes(data[start : start + size], "little")


_READERS = {
    "image/png": ("png", _png_size),
    "image/jpeg": ("jpg", _jpeg_size),
    "image/webp": ("webp", _webp_size),
}
