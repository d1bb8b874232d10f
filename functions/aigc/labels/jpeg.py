"""Metadata segments of JPEG files."""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from aigc.labels.container import Layout, cut_off
from aigc.labels.label import LabelError
from aigc.labels.xmp import without_padding

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER_BYTE = 0xFF
_APP0, _APP1, _APP11 = 0xE0, 0xE1, 0xEB
_SCAN, _END = 0xDA, 0xD9
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0\0"
_MAX_SEGMENTS = 10_000
_MAX_CONTENT = 0xFFFF - 2


def layout(data: memoryview) -> Layout:
    """Return the layout of a JPEG, whose metadata is before the first scan.

    Raises:
        LabelError: No scan follows its segments, or there are too many.
    """
    layout = Layout(insert_at=2)
    for start, end, marker in _segments(data):
        content = data[start + 4 : end]
        is_exif = marker == _APP1 and content[:6] == _EXIF
        # JFIF and EXIF must come first; offsets in later segments are relative to them.
        if layout.insert_at == start and (marker == _APP0 or is_exif):
            layout.insert_at = end
        if is_exif:
            layout.add_exif(content)
        elif marker == _APP1 and content[: len(_XMP)] == _XMP:
            layout.add_packet(start, end, functools.partial(bytes, content[len(_XMP) :]))
        elif marker == _APP11:
            layout.has_c2pa = layout.has_c2pa or _is_c2pa(content)
    return layout


def with_packet(data: memoryview, layout: Layout, packet: bytes) -> bytes:
    """Return the file with this XMP packet instead of its first one.

    Raises:
        LabelError: The packet does not fit into a segment.
    """
    content = _XMP + packet
    if len(content) > _MAX_CONTENT:
        content = without_padding(content)
    if len(content) > _MAX_CONTENT:
        raise LabelError(f"XMP of {len(content)} bytes; a JPEG segment holds {_MAX_CONTENT}")
    segment = struct.pack(">BBH", _MARKER_BYTE, _APP1, len(content) + 2) + content
    start, end = layout.insert_at, layout.insert_at
    if layout.packets:
        start, end = layout.packets[0].start, layout.packets[0].end
    return b"".join((data[:start], segment, data[end:]))


def _segments(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and marker of each segment before the first scan."""
    start = 2
    try:
        for _ in range(_MAX_SEGMENTS):
            first_byte, marker = data[start], data[start + 1]
            if first_byte != _MARKER_BYTE:
                raise cut_off(start)
            if marker in (_SCAN, _END):
                return
            if marker == _MARKER_BYTE:  # fill bytes
                start += 1
                continue
            end = start + 2
            if marker not in _STANDALONE:
                end += struct.unpack_from(">H", data, end)[0]
            if end > len(data):
                raise cut_off(len(data))
            yield start, end, marker
            start = end
    except (IndexError, struct.error):
        raise cut_off(len(data)) from None
    raise LabelError(f"a JPEG with more than {_MAX_SEGMENTS} segments before the image")


def _is_c2pa(content: memoryview) -> bool:
    """Whether an APP11 segment is a C2PA manifest: a JUMBF box with the type c2pa."""
    box = bytes(content)
    return box[:2] == b"JP" and box[12:16] == b"jumb" and b"c2pa" in box[16:]
