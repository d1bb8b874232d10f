"""`aigc package`: builds the zip that is deployed, with only the modules that functions import.

The same sources make the same bytes. The file name contains their hash, because Pulumi's provider
compares a zip by its path only. The zip contains bytecode, because SCF's code folder is read-only.
Python does not check this bytecode against the source's time, which unzipping changes.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gzip
import hashlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.api.built import FOLDER as DOCUMENTS
from aigc.api.console import FOLDER as CONSOLE
from aigc.bootstrap import HAS_CEILINGS
from aigc.uploads.rules import load_rules
from aigc_cli import options
from aigc_cli.front_end import built_console, console_sources
from aigc_cli.output import JsonOption, print_json, show_nothing, terminal_status
from aigc_cli.prices import check_ceilings, load_prices
from aigc_cli.sources import ROOT, hash_files
from aigc_cli.wheels import LOCK, SCF_PYTHON, fetch, local_target, runs_manylinux, scf_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc_cli.wheels import Target

LOCAL_PACKAGES = ROOT / ".local" / "packages"
LOCAL_LIFE_S = 86400
"""Age after which a zip of the local cloud is removed when another one is built."""

PATTERN = "aigc-functions-*.zip"
NOTE = "built.txt"
"""File beside a zip of the local cloud: the hash of its inputs, and its name."""

EXCLUDED = (
    "*.dist-info/*",
    "*.pyi",
    "*/py.typed",
    "annotated_types/test_cases.py",
    "charset_normalizer/*",  # see `aigc.cloud`
    "idna/cli.py",
    "pydantic/_internal/_git.py",
    "pydantic/experimental/*",
    "pydantic/mypy.py",
    "pydantic/v1/*",
    "qcloud_cos/cos_encryption_client.py",  # this and the next need pycryptodome, 3 MB of zip
    "qcloud_cos/crypto.py",
    "requests/help.py",
    "tencentcloud/*_async.py",  # need httpx, which the SDK does not require
    "urllib3/contrib/emscripten/*",
    "urllib3/contrib/pyopenssl.py",
    "urllib3/contrib/socks.py",
    "urllib3/http2/connection.py",
)
"""Files of the wheels that the functions do not import."""

BUILD_ONLY = "openapi"
"""Folder of `aigc.api` that builds the documents; the zip contains the built files instead."""

NO_BYTECODE = f"""
No Python {SCF_PYTHON} on this machine: the zip contains NO BYTECODE.
It works, but each cold start compiles all modules: twice the time and 15 MB more, as measured.
Install Python {SCF_PYTHON} (pyenv, uv or your system's) and run this again before you deploy.
The zip will then have another hash and name.
""".strip()

_STARTED = time.time()
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can contain
_MODE = 0o100644 << 16

_MEASURE = """
import time
started = time.perf_counter()
import gateway, aigc.bootstrap
seconds = time.perf_counter() - started
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(seconds, peak)
"""
_MEASUREMENTS = 7


@dataclass(frozen=True, slots=True)
class ImportCost:
    """Time and memory that a cold start needs to import a zip."""

    import_s: float
    memory_mb: float


app = typer.Typer(add_completion=False)


@app.command()
def main(
    out: Annotated[
        Path,
        typer.Option(
            parser=options.folder, metavar="FOLDER", help="Where the zip goes.", show_default="dist"
        ),
    ] = ROOT / "dist",
    no_console: options.NoConsole = False,
    as_json: JsonOption = False,
) -> None:
    """Build the zip that is deployed, and print its size and its import time.

    Example: aigc package --out dist
    """
    target = scf_target()
    with terminal_status("building the zip …", as_json=as_json) as show:
        path = build_package(out, target, with_console=not no_console, show=show)
        show("measuring its import …")
        cost = measure_import(path, target.python) if target.python and runs_manylinux() else None
    if target.python is None:
        print(f"{NO_BYTECODE}\n", file=sys.stderr)
    if as_json:
        print_json(
            {
                "file": str(path),
                "bytes": path.stat().st_size,
                "has_console": not no_console,
                "has_bytecode": target.python is not None,
                "import_s": cost and cost.import_s,
                "memory_mb": cost and cost.memory_mb,
            }
        )
        return
    print(f"{path}\n{describe(path)}{', WITHOUT the console' if no_console else ''}")
    if cost:
        print(f"imported in {cost.import_s:.2f} s with {cost.memory_mb:.0f} MB on this machine")


def build_package(
    out: Path,
    target: Target,
    rules: Path = ROOT / "rules.toml",
    prices: Path = ROOT / "prices.toml",
    *,
    with_console: bool = True,
    show: Callable[[str], None] = show_nothing,
) -> Path:
    """Build the zip for a target. It replaces older zips in the folder; an equal zip is kept.

    `show` is called with a text at each step.

    Raises:
        RulesError: The rules cannot be used.
        PricesError: The prices cannot be used.
        PackageError: Wheels or npm packages are missing and cannot be downloaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        _copy_functions(stage)
        if with_console:
            show("building the console …")
            _copy_console(stage)
        upload_rules, table = load_rules(rules), load_prices(prices)
        check_ceilings(upload_rules, table)
        (stage / "rules.json").write_text(upload_rules.packaged())
        (stage / "prices.json").write_text(table.model_dump_json(indent=1))
        if table.ceiling:
            (stage / HAS_CEILINGS.name).touch()
        show("fetching the wheels …")
        _unpack_wheels(fetch(target), stage)
        _copy_crcmod(stage)
        fingerprint = _fingerprint(stage, target)
        existing = _find(out, fingerprint)
        if existing is not None:
            _remove_others(existing)
            return existing
        if target.python is not None:
            show("compiling the bytecode …")
            _compile(stage, target.python)
        show("compressing the zip …")
        return _write_zip(_zip(stage, fingerprint), out)


def local_package(
    rules: Path | None = None,
    *,
    with_console: bool = True,
    show: Callable[[str], None] = show_nothing,
) -> Path:
    """Build the zip that the local cloud runs: the deployed zip, if this machine can run it.

    With other rules it is a copy of that zip. `show` is called with a text at each step.

    Raises:
        RulesError: The rules cannot be used.
        PackageError: Wheels or npm packages are missing and cannot be downloaded.
    """
    target = local_target()
    folder = LOCAL_PACKAGES / (target.name if with_console else f"{target.name}-no-console")
    inputs = local_inputs(with_console=with_console)
    package = _built_once(
        folder,
        hash_files(f"{target} {sys.version}", ROOT, inputs),
        lambda: build_package(folder, target, with_console=with_console, show=show),
        # If a file has changed since this process started, an older version may be imported.
        is_noted=all(path.stat().st_mtime < _STARTED for path in inputs),
    )
    if rules is None:
        return package
    text = load_rules(rules).packaged().encode()
    digest = hashlib.sha256(text).hexdigest()[:8]
    copies = folder.with_name(f"{folder.name}-{digest}")
    return _built_once(copies, package.name, lambda: _write_zip(_with_rules(package, text), copies))


def _built_once(
    folder: Path, inputs: str, build: Callable[[], Path], *, is_noted: bool = True
) -> Path:
    """Return the folder's zip if its note has these inputs; else build it and write the note."""
    note = folder / NOTE
    noted_inputs, _, name = note.read_text().partition(" ") if note.exists() else ("", "", "")
    if noted_inputs == inputs and (folder / name).exists():
        return folder / name
    package = build()
    if is_noted:
        _replace(note, f"{inputs} {package.name}".encode())
    return package


def local_inputs(*, with_console: bool) -> list[Path]:
    """Return the files that determine a zip of the local cloud.

    The wheels and the packages that build the documents are determined by the lock files.
    """
    files = [LOCK, *(ROOT / name for name in ("requirements.lock", "rules.toml", "prices.toml"))]
    files += [path for path in _files(ROOT / "functions") if path.suffix != ".pyc"]
    files += sorted((ROOT / "aigc_cli").glob("*.py"))
    files += sorted((ROOT / "aigc_cli" / "reference").glob("*.[pt]*"))
    return files + (console_sources() if with_console else [])


def _with_rules(package: Path, rules: bytes) -> bytes:
    copy = io.BytesIO()
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(copy, "w") as archive:
        for entry in source.infolist():
            content = rules if entry.filename == "rules.json" else source.read(entry)
            archive.writestr(entry, content, compresslevel=1)
    return copy.getvalue()


def describe(path: Path) -> str:
    """Return a text with the sizes of a zip."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        count = len(archive.infolist())
    return f"{_mb(path.stat().st_size)}, unpacked {_mb(unpacked)} in {count} files"


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"


def measure_import(path: Path, python: str) -> ImportCost:
    """Import the gateway and the SDKs in new processes; return the medians."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        environment = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "x"}
        runs = [
            subprocess.run(
                [python, "-S", "-c", _MEASURE],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            for _ in range(_MEASUREMENTS)
        ]
    seconds, peaks = zip(*runs, strict=True)
    return ImportCost(
        statistics.median(map(float, seconds)), statistics.median(map(int, peaks)) / 1024
    )


def _copy_functions(stage: Path) -> None:
    from aigc.api.openapi.build import write_documents  # noqa: PLC0415  a slow import

    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", BUILD_ONLY)
    shutil.copytree(ROOT / "functions", stage, ignore=ignore, dirs_exist_ok=True)
    write_documents(_in(stage, DOCUMENTS))


def _copy_console(stage: Path) -> None:
    openapi = gzip.decompress((_in(stage, DOCUMENTS) / "openapi.json.gz").read_bytes()).decode()
    shutil.copytree(built_console(openapi), _in(stage, CONSOLE))


def _in(stage: Path, folder: Path) -> Path:
    """Return the path in the stage for a folder of `functions/`."""
    return stage / folder.relative_to(ROOT / "functions")


def _unpack_wheels(wheels: Path, stage: Path) -> None:
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(stage, [name for name in archive.namelist() if _is_needed(name)])


def _is_needed(file: str) -> bool:
    return not any(fnmatch.fnmatch(file, pattern) for pattern in EXCLUDED)


def _copy_crcmod(stage: Path) -> None:
    """Copy the installed Python files: there is no wheel, and to build one compiles C code."""
    spec = find_spec("crcmod")
    [source] = spec.submodule_search_locations or [] if spec else []
    (stage / "crcmod").mkdir()
    for name in ("__init__.py", "_crcfunpy.py", "crcmod.py", "predefined.py"):
        shutil.copyfile(Path(source, name), stage / "crcmod" / name)


def _fingerprint(stage: Path, target: Target) -> str:
    """Return a hash of everything that determines the bytes of the zip."""
    has_bytecode = target.python is not None
    builder = Path(__file__).read_text(encoding="utf-8")
    return hash_files(f"{target.name} {has_bytecode} {builder}", stage, _files(stage))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _find(out: Path, fingerprint: str) -> Path | None:
    """Return the zip of a folder with this fingerprint as its comment; None if there is none."""
    for path in out.glob(PATTERN):
        with (
            # Another process may have replaced the zip since the listing.
            contextlib.suppress(FileNotFoundError, zipfile.BadZipFile),
            zipfile.ZipFile(path) as archive,
        ):
            if archive.comment.decode() == fingerprint:
                return path
    return None


def _compile(stage: Path, python: str) -> None:
    # In a separate process: bytecode depends on the modules that a process has loaded.
    command = [python, "-S", "-m", "compileall", "-q", "-j1"]
    options = ["--invalidation-mode", "unchecked-hash", "-s", str(stage), str(stage)]
    subprocess.run([*command, *options], check=True, env={"PYTHONHASHSEED": "0"})


def _zip(stage: Path, fingerprint: str) -> bytes:
    target = stage / "package.zip"
    files = _files(stage)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = fingerprint.encode()
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _EPOCH)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
    return target.read_bytes()


def _write_zip(content: bytes, out: Path) -> Path:
    digest = hashlib.sha256(content).hexdigest()[:12]
    target = out / PATTERN.replace("*", digest)
    out.mkdir(parents=True, exist_ok=True)
    _replace(target, content)
    _remove_others(target)
    return target


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(f".{os.getpid()}.part")  # several processes may build at once
    draft.write_bytes(content)
    draft.replace(path)


def _remove_others(package: Path) -> None:
    for other in set(package.parent.glob(PATTERN)) - {package}:
        if not _may_be_used(other):
            other.unlink(missing_ok=True)


def _may_be_used(package: Path) -> bool:
    """Whether a local cloud that was started recently may deploy this zip again."""
    try:
        age_s = time.time() - package.stat().st_mtime
    except FileNotFoundError:
        return False
    return package.is_relative_to(LOCAL_PACKAGES) and age_s < LOCAL_LIFE_S
