"""The state file of a run: its resources and answers, to continue or to clean up the run."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field


class Answered(BaseModel):
    """The answer to one check."""

    result: str
    seen: str


class _Content(BaseModel):
    run: str
    resources: list[tuple[str, str]] = Field(default_factory=list)
    answers: dict[str, Answered] = Field(default_factory=dict)
    notes: dict[str, Any] = Field(default_factory=dict)


class Scratch:
    """The state file of one account and region; safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._content = self._read()

    @property
    def run(self) -> str:
        """The run's name; it is part of the name of everything that the run creates."""
        return self._content.run

    @property
    def answers(self) -> dict[str, Answered]:
        """The answers by the checks' names."""
        return self._content.answers

    @property
    def resources(self) -> list[tuple[str, str]]:
        """Kind and name of all resources that may exist, in the order of creation."""
        with self._lock:
            return list(self._content.resources)

    def announce(self, kind: str, name: str) -> None:
        """Note a resource before it is created."""
        with self._lock:
            if (kind, name) not in self._content.resources:
                self._content.resources.append((kind, name))
                self._write()

    def forget(self, kind: str, name: str) -> None:
        """Remove a resource that does not exist any more."""
        with self._lock:
            self._content.resources.remove((kind, name))
            self._write()

    def answer(self, check: str, answered: Answered) -> None:
        """Keep the answer to a check."""
        with self._lock:
            self._content.answers[check] = answered
            self._write()

    def note(self, name: str, value: Any) -> None:
        """Keep a value for later checks, also those of a continued run."""
        with self._lock:
            self._content.notes[name] = value
            self._write()

    def noted(self, name: str) -> Any:
        """Return a kept value; None if there is none."""
        return self._content.notes.get(name)

    def samples(self) -> dict[str, Any]:
        """Return the kept examples by their names."""
        prefix = "sample "
        return {
            name.removeprefix(prefix): content
            for name, content in self._content.notes.items()
            if name.startswith(prefix)
        }

    def end(self) -> None:
        """Remove the file after the run is complete and cleaned up."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> _Content:
        if self._path.exists():
            return _Content.model_validate_json(self._path.read_text())
        return _Content(run=secrets.token_hex(4))

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(self._content.model_dump_json(indent=1))
        draft.replace(self._path)


def state_file(app_id: str, region: str) -> Path:
    """Return the file of an account and region, in the user's folder for state."""
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(folder) / "aigc" / f"verify-{app_id}-{region}.json"
