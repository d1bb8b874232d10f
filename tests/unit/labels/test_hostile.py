"""Files that could cost much work or memory are left unchanged, at bounded cost."""

from __future__ import annotations

import functools
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.labels.container import MAX_CHUNKS, MAX_PACKETS, inflate
from aigc.labels.exif import user_comment
from aigc.labels.files import Labelled, add_labels, read_labels
from aigc.labels.label import LabelError
from aigc.labels.xmp import MAX_PACKET
from tests.unit.labels.builders import (
    PRODUCER,
    carriers,
    corpus,
    decoded,
    encoded,
    exif_comment,
    jpeg_with,
    noise,
    packet,
    png_chunk,
    png_with,
    segment,
    webp_chunk,
    webp_with,
    xmp_chunk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 2**20
PNG = encoded(noise(), "PNG")
JPEG = encoded(noise(), "JPEG")
WEBP = encoded(noise(mode="RGBA"), "WEBP")
SIMPLE_WEBP = encoded(noise(), "WEBP")
CORPUS = list(corpus().values())

LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><x>&c;</x>'
)


@functools.cache
def bomb() -> bytes:
    """Compress 300 MiB to 300 KiB."""
    squeezer = zlib.compressobj(9)
    parts = [squeezer.compress(b" " * MIB) for _ in range(300)]
    return b"".join((*parts, squeezer.flush()))


def bomb_chunk(keyword: bytes = b"XML:com.adobe.xmp") -> bytes:
    return png_chunk(b"iTXt", keyword + b"\0\1\0\0\0" + bomb())


HOSTILE: dict[str, Callable[[], tuple[bytes, str]]] = {
    "zip bomb in iTXt": lambda: (png_with(PNG, bomb_chunk()), "more than 1048576 bytes"),
    "compressed data cut off": lambda: (
        png_with(PNG, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb()[:20])),
        "cut off",
    ),
    "compressed data that is none": lambda: (
        png_with(PNG, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0zzzz")),
        "damaged",
    ),
    "iTXt without its fields": lambda: (
        png_with(PNG, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0")),
        "without text",
    ),
    "many zip bombs": lambda: (
        png_with(PNG, *[bomb_chunk()] * 100),
        f"more than {MAX_PACKETS} XMP packets",
    ),
    "a large iTXt": lambda: (png_with(PNG, xmp_chunk(b" " * 9 * MIB)), "allowed: at most"),
    "many chunks": lambda: (
        png_with(PNG, *[png_chunk(b"tEXt", b"")] * (MAX_CHUNKS + 1)),
        "chunks",
    ),
    "a chunk of 2 GiB": lambda: (png_with(PNG, b"\x7f\xff\xff\xffaaaa"), "cut off or damaged"),
    "no IDAT": lambda: (PNG[:33] + png_chunk(b"IEND", b""), "without IDAT"),
    "many segments": lambda: (
        jpeg_with(JPEG, *[segment(0xE2, b"")] * 20_000),
        "more than 10000 segments",
    ),
    "fill bytes": lambda: (jpeg_with(JPEG, b"\xff" * 30 * MIB), "more than 10000 segments"),
    "a segment behind the end": lambda: (JPEG[:20] + b"\xff\xe1\xff\xff", "cut off or damaged"),
    "no marker": lambda: (jpeg_with(JPEG, b"\0\0\0\0"), "cut off or damaged"),
    "many XMP segments": lambda: (
        jpeg_with(JPEG, *[segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<a/>")] * 900),
        f"more than {MAX_PACKETS} XMP packets",
    ),
    "many WebP chunks": lambda: (
        webp_with(WEBP, *[webp_chunk(b"abcd", b"")] * (MAX_CHUNKS + 1)),
        "chunks",
    ),
    "a WebP chunk of 4 GiB": lambda: (webp_with(WEBP, b"abcd\xff\xff\xff\xff"), "damaged"),
    "a large WebP packet": lambda: (
        webp_with(WEBP, webp_chunk(b"XMP ", b" " * 9 * MIB)),
        "allowed: at most",
    ),
    "a WebP that says it is longer": lambda: (WEBP[:4] + b"\xff\xff\xff\x7f" + WEBP[8:], "cut off"),
    "a WebP that says it is shorter": lambda: (WEBP[:4] + b"\0\0\0\0" + WEBP[8:], "cut off"),
    "a WebP that begins with another chunk": lambda: (WEBP[:12] + b"ABCD" + WEBP[16:], "allowed"),
    "a WebP without pixels": lambda: (SIMPLE_WEBP[:26] + b"\0\0\0\0" + SIMPLE_WEBP[30:], "0x0"),
    "entities": lambda: (carriers()["png"](LAUGHS), "document type"),
    "another encoding": lambda: (
        carriers()["png"]('<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16")),
        "not XML",
    ),
    "no XML": lambda: (carriers()["png"](b"AIGC"), "not XML"),
    "no RDF": lambda: (carriers()["png"](b"<a/>"), "without rdf:RDF"),
    "deep nesting": lambda: (
        carriers()["png"](packet("<a>" * 20_000 + "</a>" * 20_000)),
        "deeper than 64 levels",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_left_alone_for_a_reason_and_costs_little_memory(name: str) -> None:
    data, reason = HOSTILE[name]()

    labelled, peak = labelled_with_peak(data)

    assert labelled.data is data
    assert labelled.labels == ()
    assert reason in labelled.unlabelled
    assert peak < 8 * MAX_PACKET


LARGE: dict[str, Callable[[], bytes]] = {
    "segments of 64 KiB": lambda: jpeg_with(JPEG, *[segment(0xE2, b"x" * 65_533)] * 500),
    "boxes": lambda: jpeg_with(JPEG, *[segment(0xEB, b"JP" + b"\0" * 65_531)] * 500),
    "zTXt bomb": lambda: png_with(PNG, png_chunk(b"zTXt", b"AIGC\0\0" + bomb())),
    "iTXt bomb": lambda: png_with(PNG, bomb_chunk(b"AIGC")),
    "long text": lambda: png_with(PNG, png_chunk(b"tEXt", b"AIGC\0" + b"x" * 30 * MIB)),
    "long comment": lambda: png_with(
        PNG, png_chunk(b"eXIf", exif_comment("<", b"ASCII\0\0\0" + b"[" * 30 * MIB)[6:])
    ),
}
"""Files that are made when a test needs them: every worker of `make test` collects all tests."""


@pytest.mark.parametrize("name", LARGE)
def test_large_data_without_a_label_is_ignored(name: str) -> None:
    data = LARGE[name]()

    labelled, peak = labelled_with_peak(data)

    assert labelled.labels == ("tc260", "iptc")
    assert peak < len(labelled.data) + 8 * MAX_PACKET


def test_a_packet_of_many_elements_is_read_once() -> None:
    many = packet("<dc:a/>" * (MAX_PACKET // 8))

    labelled = add_labels(carriers()["png"](many), PRODUCER)

    assert labelled.labels == ("tc260", "iptc")


def test_nothing_is_inflated_beyond_the_limit() -> None:
    compressed = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(LabelError, match="more than 1000 bytes"):
            inflate(compressed, 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MIB


def test_a_wrong_number_in_an_exif_block_is_ignored() -> None:
    assert user_comment(b"XX*\0") == ""
    for field in (4, 8, 12, 14, 18, 26, 32, 36, 40):
        block = bytearray(exif_comment("<", b"ASCII\0\0\0text")[6:])
        block[field : field + 2] = b"\xff\xff"

        assert len(user_comment(bytes(block))) <= len(block)


@given(
    st.sampled_from([*CORPUS, *(make(packet()) for make in carriers().values())]),
    st.lists(st.tuples(st.integers(0, 64) | st.integers(0, 3000), st.integers(0, 255)), max_size=8),
    st.integers(0, 40),
)
def test_a_damaged_file_is_labelled_or_left_alone(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(data[: len(data) - cut])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    given_file = bytes(damaged)

    labelled = add_labels(given_file, PRODUCER)

    if labelled.unlabelled:
        assert labelled.data == given_file
    else:
        assert read_labels(labelled.data).label is not None


@given(st.binary(max_size=200))
def test_any_bytes_after_a_signature_do_no_harm(content: bytes) -> None:
    for signature in (PNG[:33], b"\xff\xd8\xff", WEBP[:12], WEBP[:30]):
        data = signature + content
        labelled = add_labels(data, PRODUCER)
        assert labelled.unlabelled or read_labels(labelled.data).label is not None


def test_pixels_survive_a_packet_of_an_odd_size() -> None:
    for length in range(1, 5):
        data = webp_with(WEBP, webp_chunk(b"XMP ", packet() + b" " * length))
        labelled = add_labels(data, PRODUCER)
        assert decoded(labelled.data) == decoded(data)
        assert struct.unpack_from("<I", labelled.data, 4)[0] + 8 == len(labelled.data)


def labelled_with_peak(data: bytes) -> tuple[Labelled, int]:
    """Label a file; return the highest memory use beside the file itself, too."""
    tracemalloc.start()
    try:
        return add_labels(data, PRODUCER), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
