"""A function's code: the zip unpacked into a read-only folder, and who can run it."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

from localcloud.core import ApiError

MAX_ZIP = 50 * 1024 * 1024  # the most that `Code.ZipFile` may hold
_BUILT_FOR = re.compile(r"\.cpython-(\d)(\d+)[.-]")


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a function's code, ready to run."""

    folder: Path
    interpreter: str
    size: int


class PackageStore:
    """Where packages are unpacked, each content once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._unpacking = threading.Lock()

    def unpack(self, zip_base64: str) -> Package:
        """Unpack the code into a folder of its own.

        Raises:
            ApiError: It is not base64, not a zip, or too large.
        """
        content = _decode(zip_base64)
        digest = hashlib.sha256(content).hexdigest()
        folder = self._folder / digest[:16]
        with self._unpacking:
            names = _unzip(content, folder)
        return Package(folder, choose_interpreter(names), len(content))

    def clear(self) -> None:
        """Delete everything; read-only folders must become writable first."""
        for path, _, _ in os.walk(self._folder):
            Path(path).chmod(0o755)
        shutil.rmtree(self._folder, ignore_errors=True)


def choose_interpreter(names: list[str]) -> str:
    """Choose a Python that can run a package with these files.

    Compiled files tell what it was built for, and pure Python runs on SCF's 3.10. Where this
    machine has no such Python, the one that runs the local cloud must do.
    """
    built_for = {match.groups() for name in names if (match := _BUILT_FOR.search(name))}
    version = ".".join(built_for.pop()) if len(built_for) == 1 else "3.10"
    return find_python(version) or sys.executable


@functools.cache
def find_python(version: str) -> str | None:
    """Find a Python of this version that really starts, such as "3.10"; None where there is none.

    A name on the path may be a version manager's stub that refuses to run, so its homes are
    searched too.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    homes = (Path.home() / ".pyenv" / "versions", Path.home() / ".local/share/uv/python")
    installed = (path for home in homes for path in home.glob(f"*{version}.*/bin/python3"))
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, installed))]
    return next((found for one in candidates if one and (found := _started(one, version))), None)


def _started(python: str, version: str) -> str | None:
    ask = "import sys; print(sys.executable, *sys.version_info[:2], sep='\\n')"
    asked = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    executable, *numbers = asked.stdout.split("\n") if asked.returncode == 0 else [""]
    return executable if ".".join(numbers).strip(".") == version else None


def _decode(zip_base64: str) -> bytes:
    try:
        content = base64.b64decode(zip_base64, validate=True)
    except binascii.Error as error:
        raise ApiError("InvalidParameterValue.ZipFileBase64BinasciiError", str(error)) from None
    if len(content) > MAX_ZIP:
        raise ApiError(
            "InvalidParameterValue.ZipFile", f"the zip has {len(content)} bytes, at most {MAX_ZIP}"
        )
    return content


def _unzip(content: bytes, folder: Path) -> list[str]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        raise ApiError("InvalidParameterValue.ZipFile", "Code.ZipFile is not a zip") from None
    if not folder.exists():
        archive.extractall(folder)
        _make_read_only(folder)
    return archive.namelist()


def _make_read_only(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        for file in files:
            Path(path, file).chmod(0o444)
        Path(path).chmod(0o555)
