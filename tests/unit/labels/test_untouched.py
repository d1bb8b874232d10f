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
def test_pixels_are_the_same_and_the_label_is_there(name: str) -> None:
    data = CORPUS[name]

    labelled = add_labels(data, PRODUCER)

    assert (labelled.labels, labelled.unlabelled) == (("tc260", "iptc"), "")
    assert decoded(labelled.data) == decoded(data)
    labels = read_labels(labelled.data)
    assert labels.label is not None
    assert labels.label["ContentProducer"] == PRODUCER.name
    assert labels.label["ProduceID"] == PRODUCER.file_id


@pytest.mark.parametrize("name", CORPUS)
def test_size_and_format_are_read_as_before(name: str) -> None:
    assert inspect(add_labels(CORPUS[name], PRODUCER).data) == inspect(CORPUS[name])


@pytest.mark.parametrize("name", CORPUS)
def test_all_that_was_in_the_file_still_is(name: str) -> None:
    data = CORPUS[name]
    before = parts(data)

    after = parts(add_labels(data, PRODUCER).data)

    added = [part for part in after if part not in before]
    assert [part for part in after if part in before] == before
    assert len(added) == 1
    assert b"TC260:AIGC" in added[0]


@pytest.mark.parametrize("name", CORPUS)
def test_profile_and_exif_are_the_same(name: str) -> None:
    with (
        Image.open(io.BytesIO(CORPUS[name])) as before,
        Image.open(io.BytesIO(add_labels(CORPUS[name], PRODUCER).data)) as after,
    ):
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert after.getexif().tobytes() == before.getexif().tobytes()
        assert after.getexif().get(0x0112) == before.getexif().get(0x0112)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_what_follows_the_image_stays_at_the_end(name: str) -> None:
    labelled = add_labels(CORPUS[f"{name} trailing data"], PRODUCER)

    assert labelled.data.endswith(TRAILER)


@pytest.mark.parametrize("name", CORPUS)
def test_a_second_label_changes_nothing(name: str) -> None:
    once = add_labels(CORPUS[name], PRODUCER)

    assert add_labels(once.data, PRODUCER) == once


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


@pytest.mark.parametrize("name", CORPUS)
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
