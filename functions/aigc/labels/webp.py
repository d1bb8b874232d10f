"""Metadata chunks of WebP files."""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from aigc.errors import BadImageError
from aigc.image_files import webp_size
from aigc.labels.container import MAX_CHUNKS, Layout, cut_off
from aigc.labels.label import LabelError
from aigc.labels.xmp import MAX_PACKET

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE_HEAD = 12
_HEAD = 8
"""Bytes of the type and the length of a chunk."""

_EXTENDED = 10
"""Bytes of the content of VP8X; the content of an image chunk is longer."""

_HAS_XMP = 0x04
_HAS_ALPHA = 0x10
_LOSSLESS_ALPHA = 1 << 28
"""The bit in the header of a lossless image that is set if it uses alpha."""


def layout(data: memoryview) -> Layout:
    """Return the layout of a WebP.

    Raises:
        LabelError: The file ends before its chunks do, or there are too many.
    """
    end_of_file = _HEAD + struct.unpack_from("<I", data, 4)[0]
    if not _FILE_HEAD + _HEAD + _EXTENDED <= end_of_file <= len(data):
        raise cut_off(len(data))
    layout = Layout(insert_at=end_of_file)
    for start, end, kind in _chunks(data[:end_of_file]):
        content = data[start + _HEAD : end]
        if kind == b"XMP ":
            layout.add_packet(start, end + (end & 1), functools.partial(_packet, content))
        elif kind == b"EXIF":
            layout.add_exif(content)
        elif kind == b"C2PA":
            layout.has_c2pa = True
    return layout


def with_packet(data: memoryview, layout: Layout, packet: bytes) -> bytes:
    """Return the file in the extended format, with this XMP packet instead of its first one.

    Raises:
        LabelError: The head of the file is damaged.
    """
    start = end = layout.insert_at
    if layout.packets:
        start, end = layout.packets[0].start, min(layout.packets[0].end, layout.insert_at)
    head, body = _extended_head(data)
    before = data[body:start]
    padding = b"\0" * (len(before) & 1)
    chunk = struct.pack("<4sI", b"XMP ", len(packet)) + packet + b"\0" * (len(packet) & 1)
    after = data[end : layout.insert_at]
    size = 4 + len(head) + len(before) + len(padding) + len(chunk) + len(after)
    riff = struct.pack("<4sI4s", b"RIFF", size, b"WEBP")
    return b"".join((riff, head, before, padding, chunk, after, data[layout.insert_at :]))


def _extended_head(data: memoryview) -> tuple[bytes, int]:
    """Return a VP8X chunk with the flag for XMP, and where the chunks after it begin."""
    length = struct.unpack_from("<I", data, _FILE_HEAD + 4)[0]
    if bytes(data[_FILE_HEAD : _FILE_HEAD + 4]) == b"VP8X":
        if length < _EXTENDED:
            raise cut_off(_FILE_HEAD + _HEAD + length)
        end = _FILE_HEAD + _HEAD + length + (length & 1)
        head = bytearray(data[_FILE_HEAD:end])
        head[_HEAD] |= _HAS_XMP
        return bytes(head), end
    flags = _HAS_XMP | (_HAS_ALPHA if _has_alpha(data) else 0)
    size = b"".join((side - 1).to_bytes(3, "little") for side in _simple_size(data))
    return struct.pack("<4sIB3x", b"VP8X", _EXTENDED, flags) + size, _FILE_HEAD


def _simple_size(data: memoryview) -> tuple[int, int]:
    try:
        width, height = webp_size(data)
    except BadImageError as error:
        raise LabelError(str(error)) from None
    if not width * height:
        raise LabelError(f"a webp of {width}x{height} pixels")
    return width, height


def _has_alpha(data: memoryview) -> bool:
    """Whether an image in the simple format has alpha; only lossless images can have it."""
    if bytes(data[_FILE_HEAD : _FILE_HEAD + 4]) != b"VP8L":
        return False
    return bool(struct.unpack_from("<I", data, _FILE_HEAD + _HEAD + 1)[0] & _LOSSLESS_ALPHA)


def _chunks(data: memoryview) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and type of each chunk; a byte of padding follows an odd size."""
    start = _FILE_HEAD
    for _ in range(MAX_CHUNKS):
        if start >= len(data):
            return
        if start + _HEAD > len(data):
            raise cut_off(len(data))
        kind, length = struct.unpack_from("<4sI", data, start)
        end = start + _HEAD + length
        if end > len(data):
            raise cut_off(len(data))
        yield start, end, kind
        start = end + (end & 1)
    raise LabelError(f"a WebP with more than {MAX_CHUNKS} chunks")


def _packet(content: memoryview) -> bytes:
    if len(content) > MAX_PACKET:
        raise LabelError(f"an XMP chunk of {len(content)} bytes; allowed: at most {MAX_PACKET}")
    return bytes(content)
