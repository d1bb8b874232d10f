"""Builds the documents that the gateway serves, when the zip is built."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING

from aigc.api.openapi.document import document
from aigc.api.openapi.page import CONTENT_SECURITY_POLICY, page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CACHE_CONTROL = "public, max-age=300"
"""Clients use a document for five minutes without a request, and then check its version."""


def write_documents(folder: Path) -> None:
    """Write the compressed documents and their headers as `aigc.api.built` reads them."""
    folder.mkdir()
    described = document()
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":"))
    policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    headers = {
        "openapi.json": _write(folder / "openapi.json.gz", text, "application/json", {}),
        "docs.html": _write(folder / "docs.html.gz", page(described), "text/html", policy),
    }
    (folder / "headers.json").write_text(json.dumps(headers, indent=1), encoding="utf-8")


def _write(path: Path, text: str, media_type: str, headers: Mapping[str, str]) -> dict[str, str]:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return {
        "Content-Type": f"{media_type}; charset=utf-8",
        "ETag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"',
        "Cache-Control": CACHE_CONTROL,
        "Vary": "Accept-Encoding",
        **headers,
    }
