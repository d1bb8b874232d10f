"""Finished images on the vendor's hosts, until they expire."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from localcloud.journal import Journal
from localcloud.server import Response

if TYPE_CHECKING:
    from pathlib import Path

    from localcloud.core import Clock
    from localcloud.server import Request


class Results:
    """Images by URL; permanent images also by FileId."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._files = folder / "images"
        former = folder / "pictures"  # the name in earlier versions
        if former.exists():
            former.rename(self._files)
        self._files.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(folder / "index.jsonl")
        self._clock = clock
        self._entries = self._journal.entries
        self._hosts = {location.partition("/")[0] for location in self._entries}
        self._by_file_id = {
            entry["file_id"]: entry["file"] for entry in self._entries.values() if entry["file_id"]
        }

    def add(
        self, location: str, content: bytes, *, expires_at: float | None = None, file_id: str = ""
    ) -> str:
        """Store an image at a location, `host/path`, and return its URL."""
        file = uuid.uuid4().hex
        (self._files / file).write_bytes(content)
        entry = {"file": file, "expires_at": expires_at, "file_id": file_id}
        self._entries[location] = entry
        self._hosts.add(location.partition("/")[0])
        if file_id:
            self._by_file_id[file_id] = file
        self._journal.write(location, entry)
        return f"http://{location}"

    def has_host(self, hostname: str) -> bool:
        """Whether this host has images."""
        return hostname in self._hosts

    def answer(self, request: Request) -> Response:
        """Return an image; 404 if it does not exist or has expired."""
        entry = self._entries.get(f"{request.hostname}{request.path}")
        if entry is None or self._has_expired(entry["expires_at"]):
            return Response.of_json({"error": "there is no such image"}, 404)
        content = (self._files / entry["file"]).read_bytes()
        content_type = "image/jpeg" if content.startswith(b"\xff\xd8") else "image/png"
        return Response(200, content, {"Content-Type": content_type})

    def by_file_id(self, file_id: str) -> bytes | None:
        """Return the permanent image with this FileId; None if there is none."""
        file = self._by_file_id.get(file_id)
        return None if file is None else (self._files / file).read_bytes()

    def close(self) -> None:
        """Close the journal; later writes are ignored."""
        self._journal.close()

    def _has_expired(self, expires_at: float | None) -> bool:
        return expires_at is not None and self._clock.now() > expires_at
