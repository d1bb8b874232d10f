"""Existing metadata is kept; an existing label is completed and not doubled."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aigc.labels.files import Labelled, add_labels, read_labels
from aigc.labels.label import FIELDS, MAX_TEXT, complete, label_text, parse_label, problems
from tests.unit.labels.builders import (
    PRODUCER,
    carriers,
    decoded,
    encoded,
    exif_comment,
    jpeg_with,
    noise,
    packet,
    png_chunk,
    png_with,
    xmp_chunk,
    xmp_segment,
)

CARRIERS = carriers()
VENDOR = {"Label": "1", "ContentProducer": "Vendor", "ProduceID": "v-1", "Extra": "<kept>"}
COMPLETED = {
    **dict.fromkeys(FIELDS, ""),
    **VENDOR,
    "ContentPropagator": PRODUCER.name,
    "PropagateID": PRODUCER.file_id,
}
VENDOR_TEXT = json.dumps(VENDOR)
ESCAPED = VENDOR_TEXT.replace("<", "&lt;").replace(">", "&gt;")
QUOTED = ESCAPED.replace('"', "&quot;")

FORMS = {
    "element": packet(f"<TC260:AIGC>{ESCAPED}</TC260:AIGC>"),
    "attribute": packet(attributes=f'TC260:AIGC="{QUOTED}"'),
    "attribute in single quotes": packet(attributes=f"TC260:AIGC='{ESCAPED}'"),
    "attribute beside its namesake": packet(
        attributes=f"xmlns:o='urn:o' o:AIGC=\"TC260:AIGC='no'\" TC260:AIGC='{ESCAPED}'"
    ),
    "CDATA": packet(f"<TC260:AIGC><![CDATA[{VENDOR_TEXT}]]></TC260:AIGC>"),
    "list": packet(f"<TC260:AIGC><rdf:Bag> <rdf:li>{ESCAPED}</rdf:li> </rdf:Bag></TC260:AIGC>"),
    "nested in AIGC": packet(f'<TC260:AIGC>{{"AIGC": {ESCAPED}}}</TC260:AIGC>'),
    "another prefix": packet(
        f'<t:AIGC xmlns:t="http://www.tc260.org.cn/ns/AIGC/1.0/">{ESCAPED}</t:AIGC>'
    ),
}


def label_of(labelled: Labelled) -> dict[str, Any] | None:
    assert not labelled.unlabelled
    return read_labels(labelled.data).label


@pytest.mark.parametrize("carrier", CARRIERS)
def test_other_metadata_stays_in_the_packet(carrier: str) -> None:
    data = CARRIERS[carrier](packet(padding=2000))

    labelled = add_labels(data, PRODUCER)

    assert labelled.labels == ("tc260", "iptc")
    assert decoded(labelled.data) == decoded(data)
    start = labelled.data.index(b"<?xpacket begin")
    end = labelled.data.index(b'<?xpacket end="w"?>')
    added = re.compile(rb"<rdf:Description xmlns:rdf.*?</rdf:Description>")
    kept, times = added.subn(b"", labelled.data[start:end])
    assert times == 1
    assert packet(padding=2000).startswith(kept)


@pytest.mark.parametrize(
    ("carrier", "form"),
    [*((carrier, "element") for carrier in CARRIERS), *(("png", form) for form in FORMS)],
)
def test_a_vendors_label_is_completed_and_not_doubled(carrier: str, form: str) -> None:
    data = CARRIERS[carrier](FORMS[form])

    labelled = add_labels(data, PRODUCER)

    assert label_of(labelled) == COMPLETED
    assert labelled.data.count(b"ContentProducer") == 1
    assert labelled.data.count(b"A &amp; B") == 1
    assert add_labels(labelled.data, PRODUCER).data == labelled.data


def test_an_empty_label_is_filled() -> None:
    data = CARRIERS["png"](packet("<TC260:AIGC></TC260:AIGC>"))

    assert label_of(add_labels(data, PRODUCER)) == complete({}, PRODUCER)


@pytest.mark.parametrize(
    "unusable",
    [
        "<TC260:AIGC/>",
        "<TC260:AIGC>generated</TC260:AIGC>",
        "<TC260:AIGC>[1]</TC260:AIGC>",
        f"<TC260:AIGC>{'[' * 5000}</TC260:AIGC>",
        f"<TC260:AIGC>{' ' * 9}{{{'x' * MAX_TEXT}</TC260:AIGC>",
    ],
)
def test_a_label_that_cannot_be_completed_is_left_alone(unusable: str) -> None:
    data = CARRIERS["png"](packet(unusable))

    labelled = add_labels(data, PRODUCER)

    assert labelled.data is data
    assert labelled.labels == ()
    assert "AIGC label" in labelled.unlabelled


@pytest.mark.parametrize(
    ("source", "labels", "form"),
    [
        ("trainedAlgorithmicMedia", ("tc260", "iptc"), "element"),
        ("compositeWithTrainedAlgorithmicMedia", ("tc260", "iptc"), "attribute"),
        ("digitalCapture", ("tc260",), "attribute"),
        ("digitalCapture", ("tc260",), "resource"),
    ],
)
def test_a_source_type_stays_as_it_is(source: str, labels: tuple[str, ...], form: str) -> None:
    value = f"http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
    name = "Iptc4xmpExt:DigitalSourceType"
    before = {
        "element": packet(f"<{name}>{value}</{name}>"),
        "attribute": packet(attributes=f'{name}="{value}"'),
        "resource": packet(f'<{name} rdf:resource="{value}"/>'),
    }

    labelled = add_labels(CARRIERS["jpeg"](before[form]), PRODUCER)

    assert labelled.labels == labels
    assert read_labels(labelled.data).names == labels
    assert read_labels(labelled.data).source_type == value
    assert labelled.data.count(b"cv.iptc.org") == 1


@pytest.mark.parametrize(
    ("order", "code", "file_format"),
    [
        ("<", b"ASCII\0\0\0", "PNG"),
        (">", b"ASCII\0\0\0", "JPEG"),
        ("<", b"UNICODE\0", "WEBP"),
        (">", b"UNICODE\0", "PNG"),
        ("<", b"\0" * 8, "PNG"),
    ],
)
def test_a_label_in_exif_is_copied_to_xmp(order: str, code: bytes, file_format: str) -> None:
    utf_16 = "utf-16-le" if order == "<" else "utf-16-be"
    text = json.dumps({"AIGC": VENDOR}).encode(utf_16 if code == b"UNICODE\0" else "utf-8")
    comment = code + text
    data = encoded(noise(), file_format, exif=exif_comment(order, comment))
    assert read_labels(data).carrier == "EXIF UserComment"
    assert read_labels(data).names == ()

    labelled = add_labels(data, PRODUCER)

    assert label_of(labelled) == COMPLETED
    assert read_labels(labelled.data).carrier == "XMP"
    assert comment in labelled.data


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"tEXt", b"AIGC\0" + VENDOR_TEXT.encode()),
        png_chunk(b"iTXt", b"AIGC\0\0\0\0\0" + VENDOR_TEXT.encode()),
    ],
)
def test_a_label_in_a_png_text_is_copied_to_xmp(chunk: bytes) -> None:
    data = png_with(encoded(noise(), "PNG"), chunk)
    assert read_labels(data).carrier == "PNG text"

    labelled = add_labels(data, PRODUCER)

    assert label_of(labelled) == COMPLETED
    assert chunk in labelled.data


def test_of_several_packets_the_one_with_a_label_counts() -> None:
    bare = encoded(noise(), "PNG")
    data = png_with(bare, xmp_chunk(packet()), xmp_chunk(FORMS["element"]))

    assert label_of(add_labels(data, PRODUCER)) == COMPLETED


def test_an_empty_rdf_is_replaced() -> None:
    empty = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%b"/></x:xmpmeta>'
    rdf = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"

    labelled = add_labels(CARRIERS["webp"](empty % rdf), PRODUCER)

    assert label_of(labelled) == complete({}, PRODUCER)
    assert labelled.data.count(b"rdf:RDF") == 2


def test_the_subject_of_a_packet_is_kept() -> None:
    about = packet().replace(b'rdf:about=""', b'rdf:about="uuid:1&amp;2"')

    labelled = add_labels(CARRIERS["png"](about), PRODUCER)

    assert labelled.data.count(b'rdf:about="uuid:1&amp;2"') == 2


def test_padding_gives_way_in_a_full_jpeg_segment() -> None:
    room = 65535 - 2 - 29 - len(packet())
    bare = encoded(noise(), "JPEG")

    labelled = add_labels(jpeg_with(bare, xmp_segment(packet(padding=room))), PRODUCER)

    assert labelled.labels == ("tc260", "iptc")
    assert len(labelled.data) < len(bare) + 4000


def test_a_full_jpeg_segment_is_left_alone() -> None:
    room = 65535 - 2 - 29 - len(packet()) - len("<a></a>")
    full = packet(f"<a>{'x' * room}</a>")
    data = jpeg_with(encoded(noise(), "JPEG"), xmp_segment(full))

    labelled = add_labels(data, PRODUCER)

    assert labelled.data is data
    assert "65533" in labelled.unlabelled


def test_a_label_of_this_producer_gets_no_propagator() -> None:
    own = complete({}, PRODUCER)

    assert complete(own, PRODUCER) == own
    assert own["ContentPropagator"] == own["PropagateID"] == ""


def test_an_existing_propagator_stays() -> None:
    label = {"ContentProducer": "Vendor", "ContentPropagator": "Shop", "PropagateID": "7"}

    completed = complete(label, PRODUCER)

    assert (completed["ContentPropagator"], completed["PropagateID"]) == ("Shop", "7")
    assert completed["Label"] == "1"


def test_text_that_xml_cannot_hold_is_escaped() -> None:
    label = {"ContentProducer": "a\x00\x7f\ud800\uffff中"}

    text = label_text(label)

    assert text == '{"ContentProducer":"a\\u0000\\u007f\\ud800\\uffff中"}'
    assert parse_label(text) == label


def test_what_a_label_lacks_is_named() -> None:
    assert problems(complete({}, PRODUCER)) == []
    assert problems({**complete({}, PRODUCER), "Label": "9", "ProduceID": ""}) == [
        "ProduceID is empty",
        "Label is '9'; allowed: 1, 2, 3",
    ]
    assert "ReservedCode2 is missing" in problems({"Label": "1"})
