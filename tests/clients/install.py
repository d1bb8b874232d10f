"""Installs the clients that this project did not write, at the pinned versions, into `.clients`.

Nothing of them is part of the project; what cannot be installed is reported with the reason.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TARGET = ROOT / ".clients"
"""Ignored by git."""

TIMEOUT_S = 900


class NotInstalledError(Exception):
    """A group of clients cannot be installed on this machine; the message says why."""


@dataclass(frozen=True)
class Group:
    """Clients that are installed together."""

    pins: tuple[str, ...]
    """Files below this folder that say what is installed; a copy of them lies beside it."""
    install: Callable[[Path], None]


def install_all() -> dict[str, Path | NotInstalledError]:
    """Install every group, at the same time; return the folder of each, or the error."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(GROUPS, pool.map(install_one, GROUPS), strict=True))


def install_one(name: str) -> Path | NotInstalledError:
    """Install a group; return its folder, or the error."""
    try:
        return _installed(name)
    except NotInstalledError as error:
        return error
    except (OSError, subprocess.SubprocessError) as error:
        return NotInstalledError(str(error))


def _installed(name: str) -> Path:
    """Install a group unless its folder was made of the same pins by the same Python."""
    group, folder = GROUPS[name], TARGET / name
    pins = {pin: (HERE / pin).read_bytes() for pin in group.pins}
    state = hashlib.sha256(repr((sys.version, sys.prefix, pins)).encode()).hexdigest()
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != state:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for pin, content in pins.items():
            (folder / Path(pin).name).write_bytes(content)
        group.install(folder)
        ready.write_text(state)
    return folder


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a program and return its output.

    Raises:
        NotInstalledError: It failed; the message has the end of its output.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()[-600:]
        raise NotInstalledError(f"`{' '.join(command[:3])}` failed: {output}")
    return done.stdout


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise NotInstalledError(f"there is no `{program}`; Debian has it in the package {package}")


# How each group is installed


def _install_npm(folder: Path) -> None:
    _need("node", "nodejs")
    _need("npm", "npm")
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)


def _install_go(folder: Path) -> None:
    _need("go", "golang-go")
    shutil.copy(HERE / "go" / "main.go", folder)
    run(["go", "build", "-mod=readonly", "-o", "cos", "main.go"], folder, **go_variables(folder))


def go_variables(folder: Path) -> Mapping[str, str]:
    """Keep modules in the group's folder, and writable, so that it can be removed."""
    return {"GOMODCACHE": str(folder / "modules"), "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}


def _install_tccli(folder: Path) -> None:
    # It demands the whole SDK, 400 MB; the pins hold the parts of it that are called.
    _install_python(folder, "tccli.txt", "--no-deps", "--use-pep517")


def _install_openapi_python_client(folder: Path) -> None:
    oldest = (3, 11)
    if sys.version_info < oldest:
        raise NotInstalledError("openapi-python-client needs Python 3.11, this is an older one")
    _install_python(folder, "openapi-python-client.txt")


def _install_litellm(folder: Path) -> None:
    _install_python(folder, "litellm.txt")


def _install_python(folder: Path, pins: str, *options: str) -> None:
    venv.create(folder, with_pip=True, symlinks=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    what = ["--quiet", "--no-compile", "--require-hashes", "-r", pins]
    run([*pip, "install", *what, *options], folder)


GROUPS: dict[str, Group] = {
    "npm": Group(("js/package.json", "js/package-lock.json"), _install_npm),
    "go": Group(("go/go.mod", "go/go.sum", "go/main.go"), _install_go),
    "tccli": Group(("python/tccli.txt",), _install_tccli),
    "openapi-python-client": Group(
        ("python/openapi-python-client.txt",), _install_openapi_python_client
    ),
    "litellm": Group(("python/litellm.txt",), _install_litellm),
}


# Which client is which


@dataclass(frozen=True)
class Client:
    """One client of the suite."""

    pinned_in: str
    """File below the project's root that says which version is installed."""
    group: str = ""
    """Empty where it is one of the project's own requirements, and `make test` runs it."""
    what_is_run: str = ""
    """Of a client that `make test` runs."""


CLIENTS: Mapping[str, Client] = {
    "tccli": Client("tests/clients/python/tccli.txt", "tccli"),
    "tencentcloud-sdk-nodejs-vod": Client("tests/clients/js/package.json", "npm"),
    "tencentcloud-sdk-nodejs-mps": Client("tests/clients/js/package.json", "npm"),
    "cos-nodejs-sdk-v5": Client("tests/clients/js/package.json", "npm"),
    "github.com/tencentyun/cos-go-sdk-v5": Client("tests/clients/go/go.mod", "go"),
    "@fal-ai/client": Client("tests/clients/js/package.json", "npm"),
    "fal-client": Client(
        "requirements.lock",
        what_is_run="`tests/e2e/test_fal_client.py`: every call that it has",
    ),
    "openai": Client(
        "requirements.lock",
        what_is_run="`tests/e2e/test_openai_client.py`: images, edits, models, broken connections",
    ),
    "litellm": Client("tests/clients/python/litellm.txt", "litellm"),
    "openapi-python-client": Client(
        "tests/clients/python/openapi-python-client.txt", "openapi-python-client"
    ),
    "@modelcontextprotocol/sdk": Client("tests/clients/js/package.json", "npm"),
    "mcp": Client(
        "requirements.lock",
        what_is_run="`tests/e2e/test_mcp_client.py`: every tool, over HTTP and over stdio",
    ),
    "openapi-typescript": Client("tests/clients/js/package.json", "npm"),
    "schemathesis": Client(
        "requirements.lock", what_is_run="`tests/e2e/test_openapi.py`: what the document allows"
    ),
}
"""Name of a package → where it comes from."""

_VERSION = r'"?{name}"?(?::|==| v| )\s*"?v?(?P<version>[0-9][0-9.]*)'


def version(name: str) -> str:
    """Read the version of a client that is installed."""
    pins = (ROOT / CLIENTS[name].pinned_in).read_text(encoding="utf-8")
    match = re.search(_VERSION.format(name=re.escape(name)), pins)
    if match is None:
        raise LookupError(f"{CLIENTS[name].pinned_in} does not pin {name}")
    return match["version"]
