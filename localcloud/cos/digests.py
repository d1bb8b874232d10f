"""The checksums that COS stores with each object."""

from __future__ import annotations

import hashlib

import fastcrc


def md5(content: bytes) -> str:
    """Return the MD5 in hexadecimal digits, as an ETag contains it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def crc64(content: bytes) -> int:
    """Return the CRC-64/XZ (the polynomial of ECMA-182), as in `x-cos-hash-crc64ecma`.

    https://cloud.tencent.com/document/product/436/40334
    """
    return fastcrc.crc64.xz(content)
