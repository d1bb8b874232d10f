"""A dictionary that survives the process: appended to at each change, rewritten when opened."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Keys and JSON values in one file of JSON lines, of which the last of each key counts."""

    def __init__(self, path: Path) -> None:
        self.found = _read(path)
        """What the file held when it was opened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text("".join(_line(key, value) for key, value in self.found.items()))
        fresh.replace(path)
        self._file = path.open("a")
        self._lock = threading.Lock()

    def write(self, key: str, value: Any) -> None:  # noqa: ANN401  whatever JSON can hold
        """Note a value; None removes the key."""
        with self._lock:
            if not self._file.closed:
                self._file.write(_line(key, value))
                self._file.flush()

    def close(self) -> None:
        """Note nothing more."""
        with self._lock:
            self._file.close()


def _read(path: Path) -> dict[str, Any]:
    """Read the file; a last line that was cut short by a crash never happened."""
    found: dict[str, Any] = {}
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    for key, value in (json.loads(line) for line in lines if line.endswith("\n")):
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def _line(key: str, value: object) -> str:
    return json.dumps([key, value]) + "\n"
