"""XMP packets: reading the two properties of a label, and adding them with all else untouched.

A packet is edited as text, at the positions that the XML parser reports. Writing the parsed tree
anew would change prefixes, order and white space of other programs' metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from aigc.labels.label import LabelError

MAX_PACKET = 2**20
"""Bytes of a packet that is read; an editor's long history takes some hundred thousand."""

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED_SOURCE = f"{SOURCE_TYPES}trainedAlgorithmicMedia"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_LABEL = f"{_TC260} AIGC"
_SOURCE = f"{_IPTC} DigitalSourceType"

_PROPERTY_DEPTH = 3
"""Levels down to a property: rdf:RDF, rdf:Description, the property."""

_MAX_DEPTH = 64

_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_PACKET_END = b"<?xpacket end"


@dataclass(slots=True)
class Property:
    """The value of a property, and where it stands in the packet; None where it has no text."""

    value: str = ""
    span: tuple[int, int] | None = None


@dataclass(slots=True)
class Packet:
    """A packet and what a label needs of it."""

    raw: bytes
    properties: dict[str, Property] = field(default_factory=dict)
    about: str = ""
    """The subject of the packet's descriptions, which all must share."""
    end: int | None = None
    """Where descriptions can be added; None where there is no description."""

    @property
    def label(self) -> str | None:
        """The text of the TC260 label; None where there is none."""
        found = self.properties.get(_LABEL)
        return None if found is None else found.value

    @property
    def source_type(self) -> str:
        """The IPTC digital source type; empty where there is none."""
        found = self.properties.get(_SOURCE)
        return "" if found is None else found.value


def read_packet(raw: bytes) -> Packet:
    """Find the properties of a label in a packet.

    Raises:
        LabelError: The packet is too large, or no XML in UTF-8, or declares entities.
    """
    if len(raw) > MAX_PACKET:
        raise LabelError(f"an XMP packet of {len(raw)} bytes; allowed: at most {MAX_PACKET}")
    return _Reader(raw.rstrip(b"\0")).read()


def with_label(packet: Packet | None, label: str) -> bytes:
    """Return the packet with this label, and with a source type if it has none."""
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
    """Return a packet without the white space that writers keep for later edits."""
    end = packet.rfind(_PACKET_END)
    return packet if end < 0 else packet[:end].rstrip() + b"\n" + packet[end:]


def _replacement(packet: Packet, label: str) -> tuple[int, int, bytes]:
    span = packet.properties[_LABEL].span
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
    head = b'<rdf:Description xmlns:rdf="%b" rdf:about="%b">' % (_RDF.encode(), _quoted(about))
    return head + properties + b"</rdf:Description>" if properties else b""


def _new_packet(description: bytes) -> bytes:
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%b">%b</rdf:RDF></x:xmpmeta>'
        b'<?xpacket end="w"?>'
    ) % (_RDF.encode(), description)


def _escaped(text: str) -> bytes:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def _quoted(text: str) -> bytes:
    return _escaped(text).replace(b'"', b"&quot;").replace(b"'", b"&apos;")


def _refuse_entities(*_: object) -> NoReturn:
    raise LabelError("an XMP packet with a document type; allowed: none, as XMP demands")


def _bare(name: str) -> str:
    """Cut the prefix off a name."""
    return " ".join(name.split(" ")[:2])


class _Reader:
    """One pass of the XML parser over a packet."""

    def __init__(self, raw: bytes) -> None:
        self._packet = Packet(raw)
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.namespace_prefixes = True  # names are "<namespace> <name> <prefix>"
        self._parser.StartDoctypeDeclHandler = _refuse_entities
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartCdataSectionHandler = self._mark
        self._depth = 0
        """Levels inside rdf:RDF, which is level 1; 0 outside."""
        self._rdf_start = -1
        self._element_start = 0
        self._property: Property | None = None
        self._text: list[str] = []
        self._text_start: int | None = None

    def read(self) -> Packet:
        try:
            self._parser.Parse(self._packet.raw, True)  # noqa: FBT003  expat takes no keyword
        except expat.ExpatError as error:
            raise LabelError(f"an XMP packet that is no XML: {error}") from None
        except UnicodeDecodeError:
            raise LabelError("an XMP packet that is not in UTF-8") from None
        if self._rdf_start < 0:
            raise LabelError("an XMP packet without rdf:RDF")
        return self._packet

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._element_start = self._parser.CurrentByteIndex
        self._text, self._text_start = [], None
        if self._depth == 0:
            if _bare(name) != f"{_RDF} RDF" or self._packet.end is not None:
                return
            self._rdf_start = self._element_start
        self._depth += 1
        if self._depth == _PROPERTY_DEPTH - 1:
            self._read_description(attributes)
        elif self._depth == _PROPERTY_DEPTH and _bare(name) in {_LABEL, _SOURCE}:
            self._begin_property(_bare(name), attributes)
        elif self._depth > _MAX_DEPTH:
            raise LabelError(f"an XMP packet deeper than {_MAX_DEPTH} levels")

    def _begin_property(self, name: str, attributes: dict[str, str]) -> None:
        bare = {_bare(attribute): value for attribute, value in attributes.items()}
        if name not in self._packet.properties:
            self._property = Property(bare.get(f"{_RDF} resource", ""))
            self._packet.properties[name] = self._property

    def _end(self, _: str) -> None:
        if self._depth == 0:
            return
        if self._property is not None:
            self._read_text(self._property)
        if self._depth == _PROPERTY_DEPTH:
            self._property = None
        self._depth -= 1
        if self._depth == 0 and not self._is_self_closed(self._rdf_start):
            self._packet.end = self._parser.CurrentByteIndex
        self._text, self._text_start = [], None

    def _read_description(self, attributes: dict[str, str]) -> None:
        for attribute, value in attributes.items():
            name = _bare(attribute)
            if name == f"{_RDF} about":
                self._packet.about = self._packet.about or value
            elif name in {_LABEL, _SOURCE}:
                span = self._attribute_span(attribute)
                self._packet.properties.setdefault(name, Property(value, span))

    def _attribute_span(self, attribute: str) -> tuple[int, int] | None:
        """Find the raw value of an attribute inside the tag that the parser has just read."""
        _, name, prefix = attribute.split(" ")
        raw_name = f"{prefix}:{name}".encode()
        tag = _TAG_NAME.match(self._packet.raw, self._element_start)
        position = tag.end() if tag else self._element_start
        while found := _ATTRIBUTE.match(self._packet.raw, position):
            if found[1] == raw_name:
                return found.start(2) + 1, found.end(2) - 1
            position = found.end()
        return None

    def _read_text(self, current: Property) -> None:
        """Take the first text inside a property as its value."""
        if current.span is not None or current.value:
            return
        end = self._parser.CurrentByteIndex
        text = "".join(self._text)
        if self._text_start is not None:
            current.value, current.span = text.strip(), (self._text_start, end)
        elif self._depth == _PROPERTY_DEPTH and not self._is_self_closed(self._element_start):
            current.span = (end, end)

    def _is_self_closed(self, start: int) -> bool:
        """Whether the element that ends here, and that began there, has no end tag."""
        end = self._parser.CurrentByteIndex
        return self._element_start == start and self._packet.raw[end - 2 : end] == b"/>"

    def _characters(self, text: str) -> None:
        if self._property is not None:
            self._mark()
            self._text.append(text)

    def _mark(self) -> None:
        if self._text_start is None:
            self._text_start = self._parser.CurrentByteIndex
