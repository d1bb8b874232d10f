"""What the three file formats have in common: where their metadata lies."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aigc.labels.label import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PARTS = 100_000
"""Chunks of a file; 64 MiB in the usual 8 KiB have 8,192."""

MAX_PACKETS = 4
"""XMP packets of a file; it should have one."""


class PacketPart(NamedTuple):
    """The part of a file that holds an XMP packet."""

    start: int
    end: int
    content: Callable[[], bytes]
    """Reads the packet, which may have to be inflated."""


@dataclass(slots=True)
class Layout:
    """Where the metadata of a file lies, without its content."""

    insert_at: int = 0
    """Where an XMP packet is to stand if there is none."""
    packets: list[PacketPart] = field(default_factory=list)
    exif: memoryview = field(default_factory=lambda: memoryview(b""))
    """The first EXIF block, from its byte order on."""
    text: str = ""
    """A label in a format's own text field."""
    has_c2pa: bool = False

    def add_packet(self, start: int, end: int, content: Callable[[], bytes]) -> None:
        """Note a packet.

        Raises:
            LabelError: The file has more of them than are read.
        """
        if len(self.packets) == MAX_PACKETS:
            raise LabelError(f"more than {MAX_PACKETS} XMP packets")
        self.packets.append(PacketPart(start, end, content))

    def add_exif(self, block: memoryview) -> None:
        """Note an EXIF block, with or without its marker; only the first one counts."""
        if not self.exif:
            self.exif = block[6:] if bytes(block[:6]) == b"Exif\0\0" else block


def inflate(compressed: bytes | memoryview, limit: int) -> bytes:
    """Inflate at most so many bytes.

    Raises:
        LabelError: There are more of them, or they are damaged.
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
    """Describe a file whose parts do not end within it."""
    return LabelError(f"a file that is cut off or damaged after {size} bytes")
