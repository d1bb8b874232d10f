"""Reads XMP packets with the XML parser of the standard library."""

from __future__ import annotations

import re
from typing import NoReturn
from xml.parsers import expat

from aigc.labels.label import LabelError
from aigc.labels.xmp import RDF, READ_PROPERTIES, Packet, Property

_PROPERTY_DEPTH = 3
"""Depth of a property: rdf:RDF is 1, rdf:Description 2, the property 3."""

_MAX_DEPTH = 64

_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


def _refuse_document_type(*_: object) -> NoReturn:
    raise LabelError("an XMP packet with a document type, which XMP does not allow")


def _without_prefix(name: str) -> str:
    """Return namespace and name without the prefix."""
    return " ".join(name.split(" ")[:2])


class PacketReader:
    """One pass of the XML parser over a packet."""

    def __init__(self, raw: bytes) -> None:
        self._packet = Packet(raw)
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.namespace_prefixes = True  # names are "<namespace> <name> <prefix>"
        self._parser.StartDoctypeDeclHandler = _refuse_document_type
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartCdataSectionHandler = self._mark
        self._depth = 0
        """Depth of the current element: 1 for rdf:RDF, 0 outside it."""
        self._rdf_start = -1
        self._element_start = 0
        self._property: Property | None = None
        self._text: list[str] = []
        self._text_start: int | None = None

    def read(self) -> Packet:
        """Return the packet with its properties.

        Raises:
            LabelError: It is not XML in UTF-8, has a document type, or has no rdf:RDF.
        """
        try:
            self._parser.Parse(self._packet.raw, True)  # noqa: FBT003  expat takes no keyword
        except expat.ExpatError as error:
            raise LabelError(f"an XMP packet that is not XML: {error}") from None
        except UnicodeDecodeError:
            raise LabelError("an XMP packet that is not in UTF-8") from None
        if self._rdf_start < 0:
            raise LabelError("an XMP packet without rdf:RDF")
        return self._packet

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._element_start = self._parser.CurrentByteIndex
        self._text, self._text_start = [], None
        if self._depth == 0:
            if _without_prefix(name) != f"{RDF} RDF" or self._packet.end is not None:
                return
            self._rdf_start = self._element_start
        self._depth += 1
        if self._depth == _PROPERTY_DEPTH - 1:
            self._read_description(attributes)
        elif self._depth == _PROPERTY_DEPTH and _without_prefix(name) in READ_PROPERTIES:
            self._begin_property(_without_prefix(name), attributes)
        elif self._depth > _MAX_DEPTH:
            raise LabelError(f"an XMP packet deeper than {_MAX_DEPTH} levels")

    def _begin_property(self, name: str, attributes: dict[str, str]) -> None:
        values = {_without_prefix(attribute): value for attribute, value in attributes.items()}
        if name not in self._packet.properties:
            self._property = Property(values.get(f"{RDF} resource", ""))
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
            name = _without_prefix(attribute)
            if name == f"{RDF} about":
                self._packet.about = self._packet.about or value
            elif name in READ_PROPERTIES:
                span = self._attribute_span(attribute)
                self._packet.properties.setdefault(name, Property(value, span))

    def _attribute_span(self, attribute: str) -> tuple[int, int] | None:
        """Return where the raw value of an attribute is in the tag that the parser read last."""
        _, name, prefix = attribute.split(" ")
        raw_name = f"{prefix}:{name}".encode()
        tag = _TAG_NAME.match(self._packet.raw, self._element_start)
        position = tag.end() if tag else self._element_start
        while match := _ATTRIBUTE.match(self._packet.raw, position):
            if match[1] == raw_name:
                return match.start(2) + 1, match.end(2) - 1
            position = match.end()
        return None

    def _read_text(self, current: Property) -> None:
        """Set the value of a property to the first text inside it."""
        if current.span is not None or current.value:
            return
        end = self._parser.CurrentByteIndex
        text = "".join(self._text)
        if self._text_start is not None:
            current.value, current.span = text.strip(), (self._text_start, end)
        elif self._depth == _PROPERTY_DEPTH and not self._is_self_closed(self._element_start):
            current.span = (end, end)

    def _is_self_closed(self, start: int) -> bool:
        """Whether the element that ends here and began at `start` has no end tag."""
        end = self._parser.CurrentByteIndex
        return self._element_start == start and self._packet.raw[end - 2 : end] == b"/>"

    def _characters(self, text: str) -> None:
        if self._property is not None:
            self._mark()
            self._text.append(text)

    def _mark(self) -> None:
        if self._text_start is None:
            self._text_start = self._parser.CurrentByteIndex
