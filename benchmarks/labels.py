"""The part of `make bench` that times the labels of a large image."""

from __future__ import annotations

import os
import statistics
import struct
import time
import zlib

from aigc.labels.files import add_labels
from aigc.labels.label import Producer

SIZE = 10 * 2**20
CHUNK = 2**13
"""The chunk size of usual encoders; the more chunks, the longer a label takes."""

ROUNDS = 50


def label_ms() -> float:
    """Return the time that labelling an image takes: a median, in milliseconds."""
    image = large_png()
    producer = Producer("benchmark", "1-1")
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        add_labels(image, producer)
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def large_png() -> bytes:
    """Build a PNG of 10 MB; its pixels are noise, which labelling does not read."""
    pixels = os.urandom(SIZE)
    chunks = [_chunk(b"IDAT", pixels[start : start + CHUNK]) for start in range(0, SIZE, CHUNK)]
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 2048, 1700, 8, 2, 0, 0, 0))
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *chunks, _chunk(b"IEND", b"")))


def _chunk(type_: bytes, content: bytes) -> bytes:
    body = type_ + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
