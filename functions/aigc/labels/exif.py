"""Reads the label that some programs write into the user comment of EXIF instead of XMP."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_ENCODINGS = {b"ASCII\0\0\0": "utf-8", b"\0" * 8: "utf-8"}
_MAX_ENTRIES = 1000
_MAX_COMMENT = 2**16


def user_comment(tiff: bytes | memoryview) -> str:
    """Return the user comment of an EXIF block; empty if there is none that can be read."""
    order = _ORDERS.get(bytes(tiff[:4]))
    if order is None:
        return ""
    try:
        return _comment(tiff, order)
    except (struct.error, UnicodeDecodeError):
        return ""


def _comment(tiff: bytes | memoryview, order: str) -> str:
    (main,) = struct.unpack_from(f"{order}I", tiff, 4)
    directory = next(
        (value for tag, _, value in _entries(tiff, order, main) if tag == _EXIF_IFD), 0
    )
    for tag, size, start in _entries(tiff, order, directory):
        if tag == _USER_COMMENT:
            return _decoded(bytes(tiff[start : start + min(size, _MAX_COMMENT)]), order)
    return ""


def _entries(tiff: bytes | memoryview, order: str, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, count and value of each entry of the directory at a position; none for 0."""
    if not start:
        return
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for number in range(min(count, _MAX_ENTRIES)):
        tag, _, size, value = struct.unpack_from(f"{order}HHII", tiff, start + 2 + 12 * number)
        yield tag, size, value


def _decoded(comment: bytes, order: str) -> str:
    encoding = _ENCODINGS.get(comment[:8])
    if comment.startswith(b"UNICODE\0"):
        encoding = "utf-16-le" if order == "<" else "utf-16-be"
    return "" if encoding is None else comment[8:].decode(encoding).strip("\0 ")
