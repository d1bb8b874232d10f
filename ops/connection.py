"""How commands find the local cloud that runs here: it announces itself in a file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from aigc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION = Path(__file__).resolve().parent.parent / ".local" / "connection.json"
"""Written by `aigc local` while it runs."""


@contextlib.contextmanager
def announced(connection: dict[str, Any]) -> Iterator[None]:
    """Announce a running cloud to the other commands; a later announcement replaces it."""
    text = json.dumps(connection)
    CONNECTION.parent.mkdir(exist_ok=True)
    CONNECTION.touch(mode=0o600)
    CONNECTION.write_text(text)
    try:
        yield
    finally:
        if CONNECTION.exists() and CONNECTION.read_text() == text:
            CONNECTION.unlink()


def running_cloud() -> dict[str, Any]:
    """Read the announcement of the running cloud; a killed cloud leaves a stale one.

    Raises:
        InvalidRequestError: No cloud is running.
    """
    with contextlib.suppress(FileNotFoundError, requests.ConnectionError):
        connection: dict[str, Any] = json.loads(CONNECTION.read_text())
        requests.get(f"{connection['cloud']}/_localcloud/faults", timeout=10)
        return connection
    raise InvalidRequestError("no local cloud is running; start one with `make local`")
