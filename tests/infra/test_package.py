"""The zip that is deployed: complete, reproducible, small."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from aigc.rules import RulesError
from ops.package import build_package

ROOT = Path(__file__).parents[2]
UNCHECKED_HASH = 0b01  # https://peps.python.org/pep-0552/


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("dist"), ROOT / "rules.toml")


def test_same_sources_make_the_same_zip_in_place_of_an_older(built: Path, tmp_path: Path) -> None:
    (tmp_path / "aigc-functions-000000000000.zip").write_bytes(b"old")

    again = build_package(tmp_path, ROOT / "rules.toml")

    assert [path.name for path in tmp_path.iterdir()] == [built.name]
    assert again.read_bytes() == built.read_bytes()


def test_zip_fits_and_has_the_entry_files_at_its_root(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        names = set(archive.namelist())

    assert built.stat().st_size <= 10 * 1024 * 1024
    assert {"gateway.py", "upload.py", "sweep.py", "rules.json", "certifi/cacert.pem"} <= names
    assert not {name for name in names if "SelfTest" in name or ".dist-info" in name}


def test_rules_travel_as_json(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        rules = json.loads(archive.read("rules.json"))

    assert [rule["name"] for rule in rules["rule"]] == ["anime", "product", "sketch"]


def test_bytecode_is_there_and_never_checked(built: Path) -> None:
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(built) as archive:
        flags = archive.read(f"__pycache__/gateway.{tag}.pyc")[4:8]

    assert int.from_bytes(flags, "little") == UNCHECKED_HASH


def test_handlers_run_with_nothing_but_the_zip(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path)

    done = subprocess.run(
        [sys.executable, "-S", "-c", "import gateway, upload, sweep, aigc.cloud.runtime, _socket"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_wrong_rules_make_no_zip(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "odd"\nkind = "vod.movie"\n')

    with pytest.raises(RulesError, match="rule odd"):
        build_package(tmp_path / "dist", rules)

    assert not (tmp_path / "dist").exists()
