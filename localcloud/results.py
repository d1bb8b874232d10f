"""Finished pictures on the vendor's hosts, for as long as the vendor keeps them."""

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
    """Pictures by their URL and, if they are kept for good, by their FileId."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._files = folder / "pictures"
        self._files.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(folder / "index.jsonl")
        self._clock = clock
        self._places = self._journal.found
        self._hosts = {place.partition("/")[0] for place in self._places}
        self._by_file_id = {
            place["file_id"]: place["file"] for place in self._places.values() if place["file_id"]
        }

    def add(
        self, place: str, content: bytes, *, expires_at: float | None = None, file_id: str = ""
    ) -> str:
        """Keep a picture at a place, `host/path`, and return its URL."""
        file = uuid.uuid4().hex
        (self._files / file).write_bytes(content)
        entry = {"file": file, "expires_at": expires_at, "file_id": file_id}
        self._places[place] = entry
        self._hosts.add(place.partition("/")[0])
        if file_id:
            self._by_file_id[file_id] = file
        self._journal.write(place, entry)
        return f"http://{place}"

    def has_host(self, hostname: str) -> bool:
        """Whether pictures lie on this host."""
        return hostname in self._hosts

    def answer(self, request: Request) -> Response:
        """Hand a picture out; 404 where there is none, or none any more."""
        place = self._places.get(f"{request.hostname}{request.path}")
        if place is None or self._is_over(place["expires_at"]):
            return Response.of_json({"error": "there is no such picture"}, 404)
        content = (self._files / place["file"]).read_bytes()
        kind = "image/jpeg" if content.startswith(b"\xff\xd8") else "image/png"
        return Response(200, content, {"Content-Type": kind})

    def by_file_id(self, file_id: str) -> bytes | None:
        """Read a picture that was kept for good."""
        file = self._by_file_id.get(file_id)
        return None if file is None else (self._files / file).read_bytes()

    def close(self) -> None:
        """Write nothing more."""
        self._journal.close()

    def _is_over(self, expires_at: float | None) -> bool:
        return expires_at is not None and self._clock.now() > expires_at
