"""The layout of metadata in a file, for all three formats."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aigc.labels.label import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHUNKS = 100_000
"""Highest number of chunks of a file; 64 MiB have 8,192 chunks of the usual 8 KiB."""

MAX_PACKETS = 4
"""Highest number of XMP packets of a file; a valid file has one."""


class PacketPart(NamedTuple):
    """The part of a file that holds an XMP packet."""

    start: int
    end: int
    content: Callable[[], bytes]
    """Returns the packet, inflated if it is compressed."""


@dataclass(slots=True)
class Layout:
    """The positions of the metadata in a file, without the content."""

    insert_at: int = 0
    """Where an XMP packet is inserted if the file has none."""
    packets: list[PacketPart] = field(default_factory=list)
    exif: memoryview = field(default_factory=lambda: memoryview(b""))
    """The first EXIF block, from its byte order on."""
    text: str = ""
    """A label in a text field of the format."""
    has_c2pa: bool = False

    def add_packet(self, start: int, end: int, content: Callable[[], bytes]) -> None:
        """Add an XMP packet.

        Raises:
            LabelError: The file has too many packets.
        """
        if len(self.packets) == MAX_PACKETS:
            raise LabelError(f"more than {MAX_PACKETS} XMP packets")
        self.packets.append(PacketPart(start, end, content))

    def add_exif(self, block: memoryview) -> None:
        """Set the EXIF block, which may begin with its marker; later blocks are ignored."""
        if not self.exif:
            self.exif = block[6:] if bytes(block[:6]) == b"Exif\0\0" else block


def inflate(compressed: bytes | memoryview, limit: int) -> bytes:
    """Return the inflated data.

    Raises:
        LabelError: The data is damaged, or longer than the limit.
    """
    try:
        inflater = zlib.decompressobj()
        inflated = inflater.decompress(compressed, limit + 1)
    except zlib.error as error:
        raise LabelError(f"compressed metadata that is damaged: {error}") from None
    if len(inflated) > limit:
        raise LabelError(f"compressed metadata of more than {limit} bytes")
    if not inflater.eof:
        raise LabelError("compressed metadata that is cut off")
    return inflated


def cut_off(size: int) -> LabelError:
    """Return the error for a file that ends before its chunks do."""
    return LabelError(f"a file that is cut off or damaged after {size} bytes")
