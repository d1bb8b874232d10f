"""A function's code: the zip is unpacked into a read-only folder; a Python version is chosen."""

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

MAX_ZIP = 50 * 1024 * 1024  # the maximum size of `Code.ZipFile`
_COMPILED_FOR = re.compile(r"\.cpython-(\d)(\d+)[.-]")


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a function's code, ready to run."""

    folder: Path
    interpreter: str
    size: int


class PackageStore:
    """The folder of unpacked packages; the same content is unpacked once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._lock = threading.Lock()

    def unpack(self, zip_base64: str) -> Package:
        """Unpack the code into its own folder.

        Raises:
            ApiError: The code is not base64, not a zip, or too large.
        """
        content = _decode(zip_base64)
        digest = hashlib.sha256(content).hexdigest()
        folder = self._folder / digest[:16]
        with self._lock:
            names = _unzip(content, folder)
        return Package(folder, choose_interpreter(names), len(content))

    def clear(self) -> None:
        """Delete all packages; their read-only folders are made writable first."""
        for path, _, _ in os.walk(self._folder):
            Path(path).chmod(0o755)
        shutil.rmtree(self._folder, ignore_errors=True)


def choose_interpreter(names: list[str]) -> str:
    """Return the path of a Python that can run a package with these files.

    The version is that of the compiled files; pure Python runs on SCF's 3.10. If the machine
    does not have this version, the local cloud's own interpreter is used.
    """
    versions = {match.groups() for name in names if (match := _COMPILED_FOR.search(name))}
    version = ".".join(versions.pop()) if len(versions) == 1 else "3.10"
    return find_python(version) or sys.executable


@functools.cache
def find_python(version: str) -> str | None:
    """Return the path of a Python of a version such as "3.10" that starts; None without one.

    The folders of version managers are searched first: a name on the path may be a manager's stub,
    which starts slowly or not at all.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    roots = (Path.home() / ".pyenv" / "versions", Path.home() / ".local/share/uv/python")
    installed = (path for root in roots for path in root.glob(f"*{version}.*/bin/python3"))
    candidates = [*sorted(map(str, installed)), shutil.which(f"python{version}")]
    executables = (_checked_executable(candidate, version) for candidate in candidates if candidate)
    return next((executable for executable in executables if executable), None)


def _checked_executable(python: str, version: str) -> str | None:
    """Return the path of an interpreter that starts and has this version; else None."""
    script = "import sys; print(sys.executable, *sys.version_info[:2], sep='\\n')"
    process = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    executable, *numbers = process.stdout.split("\n") if process.returncode == 0 else [""]
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
