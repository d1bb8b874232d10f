"""The locked wheels of the functions' zip, downloaded once and kept in `.venv`.

The wheels for SCF are always those of Python 3.10 on Linux x86-64. If this machine cannot run
them, the local cloud gets another zip, built from wheels for the Python that runs it.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aigc.errors import AigcError
from localcloud.scf.package import find_python

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-functions.lock"
CACHE = ROOT / ".venv" / "wheels"

SCF_PYTHON = "3.10"
"""The newest version that SCF has (https://cloud.tencent.com/document/product/583/55592)."""

SCF_PLATFORM = "manylinux2014_x86_64"

_SCF_PIP = ("--platform", SCF_PLATFORM, "--python-version", SCF_PYTHON, "--implementation", "cp")


class PackageError(AigcError):
    """The functions' zip cannot be built on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The Python for which a zip is built."""

    name: str
    pip_options: tuple[str, ...] = ()
    python: str | None
    """An interpreter of that version for compiling; None if this machine has none."""


def scf_target() -> Target:
    """Return the target of the deployed zip: SCF's Python."""
    return Target(
        name=f"cp310-{SCF_PLATFORM}", pip_options=_SCF_PIP, python=find_python(SCF_PYTHON)
    )


def local_target() -> Target:
    """Return the local cloud's target: SCF's Python if it runs here, else this interpreter."""
    scf = scf_target()
    if scf.python is not None and runs_manylinux():
        return scf
    return Target(name=f"{sys.implementation.cache_tag}-here", python=sys.executable)


def runs_manylinux() -> bool:
    """Whether this machine can run the wheels for SCF."""
    return sysconfig.get_platform() == "linux-x86_64" and platform.libc_ver()[0] == "glibc"


def fetch(target: Target) -> Path:
    """Return the folder of a target's wheels, which are downloaded at the first call.

    Raises:
        PackageError: The download failed.
    """
    folder = CACHE / f"{target.name}-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as parent:
            _download(target, Path(parent, "wheels")).rename(folder)
    return folder


def _download(target: Target, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    requirements = [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--requirement",
        str(LOCK),
    ]
    try:
        subprocess.run(
            [*pip, *target.pip_options, *requirements, "--dest", str(folder)], check=True
        )
    except subprocess.CalledProcessError as error:
        raise PackageError(
            f"pip download ended with {error.returncode}; the wheels of {LOCK.name} for"
            f" {target.name} must be downloaded once, later builds need no network"
        ) from None
    return folder


def main() -> int:
    """Download the wheels of `make package` and of the local cloud, so that both work offline."""
    try:
        for target in {scf_target(), local_target()}:
            fetch(target)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
