"""The project's folder; a wheel lacks its files and the modules that need them."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.errors import AigcError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

_PARENT = Path(__file__).resolve().parent.parent

ROOT = _PARENT if (_PARENT / "pyproject.toml").is_file() else Path()
"""The project's folder; the current folder if `aigc` is installed from a wheel."""


def hash_files(start: str, folder: Path, files: Iterable[Path]) -> str:
    """Return a hash of a text, and of the paths and contents of files in a folder."""
    hasher = hashlib.sha256(start.encode())
    for path in files:
        hasher.update(f"\0{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return hasher.hexdigest()


class NoSourcesError(AigcError):
    """A command needs the project's folder, and `aigc` is installed from a wheel."""

    def __init__(self) -> None:
        super().__init__(
            "this command needs the project's folder; clone the project, run `make setup` there,"
            " and use its .venv/bin/aigc"
        )


def load(name: str) -> ModuleType:
    """Import a module of `aigc_cli` that a wheel may lack.

    Raises:
        NoSourcesError: The module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise NoSourcesError from None
