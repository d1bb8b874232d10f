"""A label changes neither the pixels nor any other metadata of a file."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from aigc.image_files import inspect
from aigc.labels.files import add_labels, read_labels
from tests.unit.labels.builders import (
    PRODUCER,
    TRAILER,
    c2pa_samples,
    carriers,
    corpus,
    decoded,
    packet,
    png_with,
    xmp_chunk,
)

CORPUS = corpus()
C2PA = c2pa_samples()
CARRIERS = carriers()


@pytest.mark.parametrize("name", CORPUS)
def test_a_label_is_added_and_nothing_else_changes(name: str) -> None:
    data = CORPUS[name]

    labelled = add_labels(data, PRODUCER)

    assert (labelled.labels, labelled.unlabelled) == (("tc260", "iptc"), "")
    labels = read_labels(labelled.data)
    assert labels.label is not None
    assert labels.label["ContentProducer"] == PRODUCER.name
    assert labels.label["ProduceID"] == PRODUCER.file_id
    assert decoded(labelled.data) == decoded(data)
    assert inspect(labelled.data) == inspect(data)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(labelled.data)) as after:
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert after.getexif().tobytes() == before.getexif().tobytes()
    parts_before, parts_after = parts(data), parts(labelled.data)
    [added] = [part for part in parts_after if part not in parts_before]
    assert [part for part in parts_after if part in parts_before] == parts_before
    assert b"TC260:AIGC" in added
    assert add_labels(labelled.data, PRODUCER) == labelled


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_what_follows_the_image_stays_at_the_end(name: str) -> None:
    labelled = add_labels(CORPUS[f"{name} trailing data"], PRODUCER)

    assert labelled.data.endswith(TRAILER)


@pytest.mark.parametrize("name", C2PA)
def test_a_file_with_a_manifest_is_not_changed(name: str) -> None:
    labelled = add_labels(C2PA[name], PRODUCER)

    assert labelled.data is C2PA[name]
    assert labelled.labels == ("c2pa",)
    assert "C2PA" in labelled.unlabelled


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_file_with_a_manifest_elsewhere_is_not_changed(carrier: str) -> None:
    named = 'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="https://example.com/1"'
    data = CARRIERS[carrier](packet(attributes=named))

    labelled = add_labels(data, PRODUCER)

    assert labelled.data is data
    assert labelled.labels == ("c2pa",)


def test_a_manifest_is_named_even_if_the_packet_cannot_be_read() -> None:
    data = png_with(C2PA["png"], xmp_chunk(b"<broken"))

    labelled = add_labels(data, PRODUCER)

    assert labelled.data is data
    assert labelled.labels == ("c2pa",)
    assert "not XML" in labelled.unlabelled


@pytest.mark.parametrize(
    "name",
    [
        "png animated",
        "png profile and exif",
        "jpeg profile and exif",
        "jpeg restart markers",
        "webp profile and exif",
        "webp unknown chunk",
    ],
)
def test_a_truncated_file_is_never_made_worse(name: str) -> None:
    data = CORPUS[name]
    for length in range(len(data) // 3, len(data), max(1, len(data) // 40)):
        cut = data[:length]

        labelled = add_labels(cut, PRODUCER)

        assert labelled.data == cut or read_labels(labelled.data).label is not None
        assert bool(labelled.unlabelled) == (labelled.data == cut)


def parts(data: bytes) -> list[bytes]:
    """Cut a file into its chunks or segments, without what only says how long the file is."""
    if data.startswith(b"\x89PNG"):
        return png_parts(data)
    return webp_parts(data) if data.startswith(b"RIFF") else jpeg_parts(data)


def png_parts(data: bytes) -> list[bytes]:
    cut, start = [data[:8]], 8
    while start < len(data) and data[start - 8 : start - 4] != b"IEND":
        end = start + 12 + struct.unpack_from(">I", data, start)[0]
        cut.append(data[start:end])
        start = end
    return [*cut, data[start:]]


def jpeg_parts(data: bytes) -> list[bytes]:
    cut, start = [], 2
    while data[start + 1] != 0xDA:
        end = start + 1
        if data[start + 1] != 0xFF:
            end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        cut.append(data[start:end])
        start = end
    return [*cut, data[start:]]


def webp_parts(data: bytes) -> list[bytes]:
    end_of_file = 8 + struct.unpack_from("<I", data, 4)[0]
    cut, start = [], 12
    while start < end_of_file:
        length = struct.unpack_from("<I", data, start + 4)[0]
        end = start + 8 + length + (length & 1)
        if data[start : start + 4] != b"VP8X":
            cut.append(data[start:end])
        start = end
    return [*cut, data[end_of_file:]]
