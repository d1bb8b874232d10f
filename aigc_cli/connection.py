"""The connection file: a running local cloud writes it, and other commands read it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from aigc.errors import InvalidRequestError
from aigc_cli.exits import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoLocalCloudError(InvalidRequestError):
    """No local cloud runs on this machine."""

    exit_status = NOT_FOUND


def connection_file() -> Path:
    """Return the path of the connection file, in the user's runtime folder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) if runtime else Path(tempfile.gettempdir()) / f"aigc-{os.getuid()}"
    return folder / "aigc-local.json"


@contextlib.contextmanager
def announced(connection: dict[str, Any]) -> Iterator[None]:
    """Write the connection file while a cloud runs; a later cloud replaces it."""
    text, file = json.dumps(connection), connection_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(file.parent)
    file.touch(mode=0o600)
    file.write_text(text)
    try:
        yield
    finally:
        if file.exists() and file.read_text() == text:
            file.unlink()


def running_cloud() -> dict[str, Any]:
    """Return the connection of the running cloud; the file of a killed cloud is ignored.

    Raises:
        NoLocalCloudError: No cloud is running.
    """
    file = connection_file()
    with contextlib.suppress(FileNotFoundError, requests.ConnectionError):
        content = file.read_text()
        _check_owner(file.parent)
        connection: dict[str, Any] = json.loads(content)
        requests.get(f"{connection['cloud']}/_localcloud/faults", timeout=10)
        return connection
    raise NoLocalCloudError("no local cloud is running; start one with `make local`")


def _check_owner(folder: Path) -> None:
    """Check that a folder belongs to this user: its file could name a cloud of another user.

    Raises:
        InvalidRequestError: The folder belongs to another user.
    """
    if folder.stat().st_uid != os.getuid():
        raise InvalidRequestError(f"{folder} belongs to another user; set XDG_RUNTIME_DIR")
