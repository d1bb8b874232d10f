"""The checksums that COS keeps of every content."""

from __future__ import annotations

import hashlib

import fastcrc


def md5(content: bytes) -> str:
    """Compute what an ETag holds."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def crc64(content: bytes) -> int:
    """Compute what `x-cos-hash-crc64ecma` holds: ECMA-182's polynomial, as CRC-64/XZ uses it.

    https://cloud.tencent.com/document/product/436/40334
    """
    return fastcrc.crc64.xz(content)
