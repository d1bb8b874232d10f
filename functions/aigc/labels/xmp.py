"""Reads the properties of a label in XMP packets and adds them without any other change.

A packet is edited as text, at the positions that the XML parser reports. To serialise the parsed
tree would change prefixes, order and white space of other metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aigc.labels.label import LabelError

MAX_PACKET = 2**20
"""Highest number of bytes of a packet; the long history of an editor has some 100,000."""

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED_SOURCE = f"{SOURCE_TYPES}trainedAlgorithmicMedia"

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
LABEL = f"{_TC260} AIGC"
SOURCE = f"{_IPTC} DigitalSourceType"
PROVENANCE = "http://purl.org/dc/terms/ provenance"
"""The URL of a C2PA manifest that is not inside the file."""

READ_PROPERTIES = frozenset({LABEL, SOURCE, PROVENANCE})

_PACKET_END = b"<?xpacket end"


@dataclass(slots=True)
class Property:
    """The value of a property, and its position in the packet; None if it has no text."""

    value: str = ""
    span: tuple[int, int] | None = None


@dataclass(slots=True)
class Packet:
    """A packet, with those of its properties that belong to a label."""

    raw: bytes
    properties: dict[str, Property] = field(default_factory=dict)
    about: str = ""
    """The subject of the descriptions of the packet; all must have the same."""
    end: int | None = None
    """Where descriptions can be added; None if there is no description."""

    @property
    def label(self) -> str | None:
        """The text of the TC260 label; None if there is none."""
        label = self.properties.get(LABEL)
        return None if label is None else label.value

    @property
    def source_type(self) -> str:
        """The IPTC digital source type; empty if there is none."""
        source = self.properties.get(SOURCE)
        return "" if source is None else source.value

    @property
    def has_manifest(self) -> bool:
        """Whether the packet refers to a C2PA manifest outside the file."""
        return PROVENANCE in self.properties


def read_packet(raw: bytes) -> Packet:
    """Return a packet with the properties of its label.

    Raises:
        LabelError: The packet is too large, is not XML in UTF-8, or has a document type.
    """
    if len(raw) > MAX_PACKET:
        raise LabelError(f"an XMP packet of {len(raw)} bytes; allowed: at most {MAX_PACKET}")
    # Most images have no packet, and to load the parser takes as long as to add a label.
    from aigc.labels.packet_reader import PacketReader  # noqa: PLC0415

    return PacketReader(raw.rstrip(b"\0")).read()


def with_label(packet: Packet | None, label: str) -> bytes:
    """Return the packet with this label, and with a source type unless it has one."""
    if packet is None or packet.end is None:
        return _new_packet(_description("", label=label, source=GENERATED_SOURCE))
    edits = []
    if packet.label not in {None, label}:
        edits.append(_replacement(packet, label))
    added = _description(
        packet.about,
        label=label if packet.label is None else "",
        source="" if packet.source_type else GENERATED_SOURCE,
    )
    if added:
        edits.append((packet.end, packet.end, added))
    return _edited(packet.raw, edits)


def without_padding(packet: bytes) -> bytes:
    """Return a packet without the padding that programs leave for later edits."""
    end = packet.rfind(_PACKET_END)
    return packet if end < 0 else packet[:end].rstrip() + b"\n" + packet[end:]


def _replacement(packet: Packet, label: str) -> tuple[int, int, bytes]:
    span = packet.properties[LABEL].span
    if span is None:
        raise LabelError("an AIGC label without text, which cannot be completed")
    return (*span, _quoted(label))


def _edited(raw: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts, position = [], 0
    for start, end, text in sorted(edits):
        parts += [raw[position:start], text]
        position = end
    return b"".join((*parts, raw[position:]))


def _description(about: str, *, label: str, source: str) -> bytes:
    properties = b""
    if label:
        properties += b'<TC260:AIGC xmlns:TC260="%b">%b</TC260:AIGC>' % (
            _TC260.encode(),
            _escaped(label),
        )
    if source:
        properties += (
            b'<Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt="%b">%b'
            b"</Iptc4xmpExt:DigitalSourceType>"
        ) % (_IPTC.encode(), source.encode())
    head = b'<rdf:Description xmlns:rdf="%b" rdf:about="%b">' % (RDF.encode(), _quoted(about))
    return head + properties + b"</rdf:Description>" if properties else b""


def _new_packet(description: bytes) -> bytes:
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%b">%b</rdf:RDF></x:xmpmeta>'
        b'<?xpacket end="w"?>'
    ) % (RDF.encode(), description)


def _escaped(text: str) -> bytes:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def _quoted(text: str) -> bytes:
    return _escaped(text).replace(b'"', b"&quot;").replace(b"'", b"&apos;")
