"""The zip that is deployed: the functions, their rules and what they import, ready to run.

The same sources make the same bytes, and the name carries their hash: Pulumi's provider compares
a zip by its path only. Bytecode goes in because SCF can never write any: its code folder is
read-only. It is the kind that Python does not check against the source's time, which unzipping
changes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from aigc.rules import load_rules

ROOT = Path(__file__).parents[1]
RUNTIME_DEPENDENCIES = ("cos-python-sdk-v5", "pydantic", "tencentcloud-sdk-python-common")
PATTERN = "aigc-functions-*.zip"

_NOT_NEEDED = frozenset({"tests", "test", "SelfTest", "docs", "__pycache__"})
_NOT_NEEDED_SUFFIXES = frozenset({".pyc", ".pyi", ".c", ".h", ".pyx"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644 << 16


def build_package(out: Path, rules: Path = ROOT / "rules.toml") -> Path:
    """Build the zip for the interpreter that runs this, in place of those that lie there.

    Raises:
        RulesError: The rules cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        _copy_functions(stage)
        (stage / "rules.json").write_text(load_rules(rules).model_dump_json(indent=1))
        for name in sorted(dependency_closure(RUNTIME_DEPENDENCIES)):
            _copy_distribution(distribution(name), stage)
        _compile(stage)
        content = _zip(stage, stage.with_suffix(".zip"))
    return _place(content, out)


def dependency_closure(names: tuple[str, ...]) -> set[str]:
    """Name all distributions that these need where this runs, themselves included."""
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            wanted += _requirements(name)
    return found


def _requirements(name: str) -> list[str]:
    requirements = map(Requirement, distribution(name).requires or [])
    return [
        one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})
    ]


def _copy_functions(stage: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "functions", stage, ignore=ignore, dirs_exist_ok=True)


def _copy_distribution(chosen: Distribution, stage: Path) -> None:
    for file in chosen.files or []:
        if _is_needed(Path(file)):
            target = stage / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(chosen.locate_file(file)), target)


def _is_needed(file: Path) -> bool:
    is_ours = ".." not in file.parts and not file.parts[0].endswith(".dist-info")
    return is_ours and not _NOT_NEEDED & {*file.parts} and file.suffix not in _NOT_NEEDED_SUFFIXES


def _compile(stage: Path) -> None:
    # In a process of its own: what else a process has loaded shows in the bytecode it writes.
    command = [sys.executable, "-S", "-m", "compileall", "-q", "-j1"]
    options = ["--invalidation-mode", "unchecked-hash", "-s", str(stage), str(stage)]
    subprocess.run([*command, *options], check=True, env={"PYTHONHASHSEED": "0"})


def _zip(stage: Path, target: Path) -> bytes:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(stage)), _EPOCH)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
    content = target.read_bytes()
    target.unlink()
    return content


def _place(content: bytes, out: Path) -> Path:
    digest = hashlib.sha256(content).hexdigest()[:12]
    target = out / PATTERN.replace("*", digest)
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(PATTERN):
        stale.unlink()
    target.write_bytes(content)
    return target
