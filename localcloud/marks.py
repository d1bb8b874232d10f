"""Metadata that the vendor's images may contain: an AIGC label or a C2PA manifest."""

from __future__ import annotations

import struct
import zlib

LABEL = "label"
C2PA = "c2pa"
MARKS = (LABEL, C2PA)

_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
    '<TC260:AIGC>{"Label":"1","ContentProducer":"local cloud","ProduceID":"1"}</TC260:AIGC>'
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()
_C2PA_TYPE = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"


def with_mark(image: bytes, mark: str) -> bytes:
    """Return a PNG or JPEG with a label or an unsigned manifest; unchanged if `mark` is empty."""
    if not mark:
        return image
    if image.startswith(b"\xff\xd8"):
        end = 4 + struct.unpack_from(">H", image, 4)[0]  # after the JFIF segment
        return image[:end] + _segment(mark) + image[end:]
    start = image.index(b"IDAT") - 4
    return image[:start] + _chunk(mark) + image[start:]


def _segment(mark: str) -> bytes:
    marker, content = 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _XMP
    if mark == C2PA:
        marker, content = 0xEB, b"JP" + struct.pack(">HI", 1, 1) + _manifest()
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _chunk(mark: str) -> bytes:
    body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + _XMP
    if mark == C2PA:
        body = b"caBX" + _manifest()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _manifest() -> bytes:
    """Build the outer box of a manifest store, without a claim."""
    description = _box(b"jumd", _C2PA_TYPE + b"\x03c2pa\0")
    return _box(b"jumb", description)


def _box(type_: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), type_) + content
