"""A dictionary in a file: each change is appended; the file is rewritten when it is opened."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Keys and JSON values in a file of JSON lines; the last line of a key has its value."""

    def __init__(self, path: Path) -> None:
        self.entries = _read(path)
        """The entries that the file contained when it was opened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new_file = path.with_suffix(".new")
        new_file.write_text("".join(_line(key, value) for key, value in self.entries.items()))
        new_file.replace(path)
        self._file = path.open("a")
        self._lock = threading.Lock()

    def write(self, key: str, value: Any) -> None:  # noqa: ANN401  any JSON
        """Append a value; None removes the key."""
        with self._lock:
            if not self._file.closed:
                self._file.write(_line(key, value))
                self._file.flush()

    def close(self) -> None:
        """Close the file; later writes are ignored."""
        with self._lock:
            self._file.close()


def _read(path: Path) -> dict[str, Any]:
    """Read the file; ignore a last line that a crash cut short."""
    entries: dict[str, Any] = {}
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    for key, value in (json.loads(line) for line in lines if line.endswith("\n")):
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
    return entries


def _line(key: str, value: object) -> str:
    return json.dumps([key, value]) + "\n"
