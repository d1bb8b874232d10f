"""Creates `.venv` from the locked requirements; needs only Python's standard library."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".venv"
OLDEST = (3, 10)


def main() -> None:
    """Create the environment, install the requirements, and write `.venv/ready`."""
    if sys.version_info < OLDEST:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(f"Python 3.10 or later is needed, this is {version}: make PYTHON=…")
    _need_ensurepip()
    venv.create(TARGET, with_pip=True, clear=True)
    print("installing the locked requirements into .venv …", flush=True)
    # Without PEP 517, pip before 23.1 does not record the files of packages that it builds.
    _pip_install("--use-pep517", "--require-hashes", "-r", "requirements.lock")
    _pip_install("--no-deps", "--no-build-isolation", "--editable", ".")
    print("downloading the wheels of the functions' zip …", flush=True)
    # If this or the next command fails, the first build of a zip downloads them.
    subprocess.call([str(TARGET / "bin" / "python"), "-m", "aigc_cli.wheels"], cwd=ROOT)
    print("downloading the npm packages of the console …", flush=True)
    subprocess.call([str(TARGET / "bin" / "python"), "-m", "aigc_cli.front_end", "fetch"], cwd=ROOT)
    (TARGET / "ready").touch()


def _pip_install(*arguments: str) -> None:
    pip = [str(TARGET / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "install", "--quiet", *arguments], cwd=ROOT)


def _need_ensurepip() -> None:
    """Install `ensurepip` if it is missing: Debian has it in a separate package."""
    try:
        import ensurepip  # noqa: F401, PLC0415
    except ImportError:
        package = "python3-venv"
        install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit(f"Python's ensurepip is missing; install it: {' '.join(install)}")
        print(f"Python's ensurepip is missing: installing {package}", flush=True)
        subprocess.check_call(["apt-get", "update", "--quiet"])  # noqa: S607  its path differs
        subprocess.check_call(install)


if __name__ == "__main__":
    main()
