"""Files that are built with the zip and sent as bytes: the OpenAPI document and its page."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.api.errors import HttpError
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.triggers.http import HttpRequest

FOLDER = Path(__file__).with_name("documents")
"""Contains `<name>.gz` for each document, and their headers in `headers.json`."""


def openapi(call: Call) -> HttpResponse:
    """Send the OpenAPI document."""
    return built_file(FOLDER, "openapi.json", call.request)


def docs(call: Call) -> HttpResponse:
    """Send the page that describes the API."""
    return built_file(FOLDER, "docs.html", call.request)


def built_file(folder: Path, name: str, request: HttpRequest) -> HttpResponse:
    """Return a file, compressed if the caller accepts that, or 304 if the caller has it.

    Raises:
        HttpError: The folder has no such file.
    """
    path = folder / "headers.json"
    headers = json.loads(path.read_text(encoding="utf-8")).get(name) if path.exists() else None
    if headers is None:
        raise HttpError(404, "not_found", f"there is no file {name[:80]}")
    content_type = headers.pop("Content-Type")
    if request.has_version(headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    compressed = (folder / f"{name}.gz").read_bytes()
    if request.accepts_gzip():
        body: bytes | str = compressed
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(compressed).decode()
    return HttpResponse(status=200, body=body, headers=headers, content_type=content_type)
