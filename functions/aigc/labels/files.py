"""Reads the labels of image files and adds labels without any other change."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aigc.image_files import HEAD, content_type_of
from aigc.labels import xmp
from aigc.labels.label import LabelError, complete, label_text, parse_label

if TYPE_CHECKING:
    from aigc.labels.container import Layout
    from aigc.labels.label import Fields, Producer


class Format(Protocol):
    """The module of a file format."""

    def layout(self, data: memoryview) -> Layout:
        """Return the layout of a file."""

    def with_packet(self, data: memoryview, layout: Layout, packet: bytes) -> bytes:
        """Return the file with this XMP packet instead of its first one."""


TC260 = "tc260"
"""The implicit label of TC260, in XMP."""

IPTC = "iptc"
"""IPTC's digital source type, which says that a model made the image."""

C2PA = "c2pa"
"""A C2PA manifest; whether its signature is valid is not checked."""

_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
"""Content type → the module of the format, which is imported for the first such image."""
_GENERATED_SOURCES = frozenset(
    f"{xmp.SOURCE_TYPES}{name}"
    for name in ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
)


class FileLabels(NamedTuple):
    """The labels of a file."""

    label: Fields | None = None
    """The fields of the TC260 label."""
    carrier: str = ""
    """The part of the file with that label: `XMP`, `EXIF UserComment` or `PNG text`."""
    source_type: str = ""
    has_c2pa: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels, as in records and answers."""
        is_present = {
            TC260: self.label is not None and self.carrier == "XMP",
            IPTC: self.source_type in _GENERATED_SOURCES,
            C2PA: self.has_c2pa,
        }
        return tuple(name for name, has_label in is_present.items() if has_label)


class Labelled(NamedTuple):
    """A file after labelling."""

    data: bytes
    labels: tuple[str, ...]
    unlabelled: str = ""
    """Why the file was not changed although its label is not complete; empty otherwise."""


def add_labels(data: bytes, producer: Producer) -> Labelled:
    """Return an image with labels, or the unchanged image with the reason.

    A file with a C2PA manifest is not changed, since a change would break its signature.
    """
    has_manifest = False
    try:
        file = _File(data)
        has_manifest = file.has_manifest
        before = file.labels()
        if before.has_c2pa:
            return Labelled(data, before.names, "it has a C2PA manifest, which signs its bytes")
        return Labelled(file.with_label(before, producer), _names_after(before))
    except LabelError as error:
        return Labelled(data, (C2PA,) if has_manifest else (), str(error))


def read_labels(data: bytes) -> FileLabels:
    """Read the labels of an image.

    Raises:
        LabelError: It is not a JPEG, PNG or WebP, or its metadata cannot be read.
    """
    return _File(data).labels()


def _names_after(before: FileLabels) -> tuple[str, ...]:
    has_source = not before.source_type or IPTC in before.names
    return (TC260, IPTC) if has_source else (TC260,)


class _File:
    """An image, the module of its format and the packet that holds its labels."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        content_type = content_type_of(data[:HEAD])
        if content_type is None:
            raise LabelError(
                f"a file that begins with {data[:8].hex(' ')}: not a JPEG, PNG or WebP"
            )
        self._format: Format = import_module(f"aigc.labels.{_FORMATS[content_type]}")
        self._layout: Layout = self._format.layout(self._view)
        self._packet: xmp.Packet | None = None

    @property
    def has_manifest(self) -> bool:
        """Whether the file contains a C2PA manifest."""
        return self._layout.has_c2pa

    def _main_packet(self) -> xmp.Packet | None:
        """Return the first packet with a label, or else the first packet; None if there is none."""
        layout = self._layout
        packets = [(part, xmp.read_packet(part.content())) for part in layout.packets]
        packets.sort(key=lambda pair: pair[1].label is None)
        layout.packets = [part for part, _ in packets]
        return packets[0][1] if packets else None

    def labels(self) -> FileLabels:
        self._packet = self._main_packet()
        label, carrier = self._label()
        return FileLabels(
            label=label,
            carrier=carrier,
            source_type="" if self._packet is None else self._packet.source_type,
            has_c2pa=self.has_manifest or (self._packet is not None and self._packet.has_manifest),
        )

    def _label(self) -> tuple[Fields | None, str]:
        if self._packet is not None and self._packet.label is not None:
            return parse_label(self._packet.label or "{}"), "XMP"
        comment = self._comment()
        if '"AIGC"' in comment:
            return parse_label(comment), "EXIF UserComment"
        if self._layout.text:
            return parse_label(self._layout.text), "PNG text"
        return None, ""

    def _comment(self) -> str:
        if not self._layout.exif:
            return ""
        from aigc.labels.exif import user_comment  # noqa: PLC0415  most images have none

        return user_comment(self._layout.exif)

    def with_label(self, before: FileLabels, producer: Producer) -> bytes:
        packet = xmp.with_label(self._packet, self._text(before, producer))
        if self._packet is not None and packet == self._packet.raw:
            return self._data
        return self._format.with_packet(self._view, self._layout, packet)

    def _text(self, before: FileLabels, producer: Producer) -> str:
        completed = complete(before.label or {}, producer)
        is_complete = completed == before.label and before.carrier == "XMP"
        if is_complete and self._packet is not None and self._packet.label is not None:
            return self._packet.label
        return label_text(completed)
