"""Metadata chunks of PNG files."""

from __future__ import annotations

import functools
import struct
import zlib
from typing import TYPE_CHECKING

from aigc.labels.container import MAX_CHUNKS, Layout, cut_off, inflate
from aigc.labels.label import MAX_TEXT, LabelError
from aigc.labels.xmp import MAX_PACKET

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = 8
_FRAME = 12
"""Bytes of a chunk without its content: length, type, checksum."""

_XMP = b"XML:com.adobe.xmp\0"
_LABEL_CHUNKS = {b"tEXt": b"AIGC\0", b"iTXt": b"AIGC\0\0\0"}
"""Type → beginning of text chunks in which some programs write a label."""


def layout(data: memoryview) -> Layout:
    """Return the layout of a PNG.

    Raises:
        LabelError: No IEND follows its chunks, or there are too many.
    """
    layout = Layout()
    for start, end, kind in _chunks(data):
        _add_chunk(layout, data, start, end, kind)
    if not layout.insert_at:
        raise LabelError("a PNG without IDAT")
    return layout


def with_packet(data: memoryview, layout: Layout, packet: bytes) -> bytes:
    """Return the file with this XMP packet instead of its first one."""
    content = b"iTXt" + _XMP + b"\0\0\0\0" + packet
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    start, end = layout.insert_at, layout.insert_at
    if layout.packets:
        start, end = layout.packets[0].start, layout.packets[0].end
    return b"".join((data[:start], chunk, data[end:]))


def _chunks(data: memoryview) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and type of each chunk up to IEND."""
    start = _SIGNATURE
    for _ in range(MAX_CHUNKS):
        if start + _FRAME > len(data):
            raise cut_off(len(data))
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + _FRAME + length
        if end > len(data):
            raise cut_off(len(data))
        yield start, end, kind
        if kind == b"IEND":
            return
        start = end
    raise LabelError(f"a PNG with more than {MAX_CHUNKS} chunks")


def _add_chunk(layout: Layout, data: memoryview, start: int, end: int, kind: bytes) -> None:
    if kind == b"IDAT":
        layout.insert_at = layout.insert_at or start
        return
    content = data[start + 8 : end - 4]
    if kind == b"caBX":
        layout.has_c2pa = True
    elif kind == b"eXIf":
        layout.add_exif(content)
    elif kind == b"iTXt" and content[: len(_XMP)] == _XMP:
        layout.add_packet(start, end, functools.partial(_packet, content[len(_XMP) :]))
    else:
        layout.text = layout.text or _text(kind, content)


def _text(kind: bytes, content: memoryview) -> str:
    """Return the label in a text chunk; empty if there is none or it is too long."""
    keyword = _LABEL_CHUNKS.get(kind)
    if keyword is None or len(content) > 4 * MAX_TEXT or content[: len(keyword)] != keyword:
        return ""
    text = bytes(content[len(keyword) :])
    if kind == b"iTXt":
        text = text.split(b"\0", 2)[-1]
    return text.decode("utf-8", "replace")


def _packet(content: memoryview) -> bytes:
    """Return the text of an iTXt chunk.

    After the keyword: compression flag and method, language, translated keyword, text.
    """
    if len(content) > 2 * MAX_PACKET:
        raise LabelError(f"an XMP chunk of {len(content)} bytes; allowed: at most {MAX_PACKET}")
    parts = bytes(content[2:]).split(b"\0", 2)
    if len(parts) < 3:  # noqa: PLR2004  language, translation, text
        raise LabelError("an XMP chunk without text")
    return inflate(parts[2], MAX_PACKET) if content[0] else parts[2]
