"""The zip that is deployed: complete, reproducible, small."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from aigc.uploads.rules import RulesError
from aigc_cli import front_end
from aigc_cli import package as package_module
from aigc_cli.package import LEFT_OUT, build_package, local_inputs, local_package
from aigc_cli.wheels import LOCK, PackageError, Target, local_target, scf_target
from localcloud.scf.package import find_python
from tests.captured import captured
from tests.serving import serving

ROOT = Path(__file__).parents[2]
UNCHECKED_HASH = 0b01  # https://peps.python.org/pep-0552/

ENVIRONMENT = {
    "AIGC_REGION": "ap-guangzhou",
    "AIGC_SUB_APP_ID": "1500000001",
    "AIGC_INBOX_BUCKET": "inbox-1250000000",
    "AIGC_RESULTS_BUCKET": "results-1250000000",
    "AIGC_LEDGER_BUCKET": "ledger-1250000000",
    "AIGC_API_KEYS": "{}",
    "AIGC_CALLBACK_KEY": "c" * 20,
    "AIGC_LANES": '{"vod.image": 1}',
    "AIGC_LEASE_S": "45",
    **dict.fromkeys(
        ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"), "made-up"
    ),
}
ANSWER = """
import json, socket, sys

look_up = socket.getaddrinfo

def only_loopback(host, *rest):
    if host != "127.0.0.1":
        raise OSError(f"{host}: there is no internet")
    return look_up(host, *rest)

socket.getaddrinfo = only_loopback
import gateway, sweep, upload
answer = gateway.main_handler(json.load(sys.stdin), {"request_id": "r"})
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({"status": answer["statusCode"], "loaded": sorted(loaded)}))
"""
SERVE_DOCUMENTS = """
import base64, gzip, json, sys, types
from aigc.api.routes import answer
from aigc.triggers.http import HttpRequest
runtime = types.SimpleNamespace(settings=types.SimpleNamespace(public_docs=True, console=True))
for event in json.load(sys.stdin):
    served = answer(HttpRequest.parse(event), runtime).to_event()
    assert served["headers"]["Content-Encoding"] == "gzip"
    print(json.dumps(gzip.decompress(base64.b64decode(served["body"])).decode()))
"""
IMPORT_EVERYTHING = """
import importlib, pathlib
for path in sorted(pathlib.Path().rglob("*.py")):
    if path.name != "__main__.py":
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
"""


@pytest.fixture(scope="module")
def target() -> Target:
    return local_target()


@pytest.fixture(scope="module")
def uncompiled(target: Target) -> Target:
    """Return a target without bytecode, which takes most of the time of a build."""
    return replace(target, python=None)


@pytest.fixture(scope="module")
def built(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("dist"), target)


@pytest.fixture(scope="module")
def built_uncompiled(uncompiled: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("dist"), uncompiled)


@pytest.fixture(scope="module")
def names(built: Path) -> set[str]:
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the zip into a read-only folder."""
    folder: Path = tmp_path_factory.mktemp("code")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


class UnversionedBuckets(BaseHTTPRequestHandler):
    """Serves the only request of an instance before its first answer: the ledger's versioning."""

    def do_GET(self) -> None:
        body = b"<VersioningConfiguration/>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def health(target: Target, unpacked: Path) -> dict[str, Any]:
    """Call the gateway once; the only reachable host is a fake bucket."""
    event = {**captured("function_url/status"), "path": "/health", "queryString": {}}
    with serving(HTTPServer(("127.0.0.1", 0), UnversionedBuckets)) as server:
        proxy = f"http://127.0.0.1:{server.server_port}"
        lines = run(target.python, ANSWER, unpacked, event, AIGC_PROTOCOL="http", HTTP_PROXY=proxy)
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def run(
    python: str | None, code: str, folder: Path, event: object = None, **environment: str
) -> list[str]:
    assert python is not None
    own = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "x", **ENVIRONMENT, **environment}
    done = subprocess.run(
        [python, "-S", "-c", code],
        cwd=folder,
        env=own,
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_same_sources_make_the_same_zip_in_place_of_an_older(
    built: Path, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "aigc-functions-000000000000.zip").write_bytes(b"old")
    (tmp_path / "aigc-functions-111111111111.zip").write_bytes(b"older")

    again = build_package(tmp_path, target)

    assert [path.name for path in tmp_path.iterdir()] == [built.name]
    assert again.read_bytes() == built.read_bytes()


def test_unchanged_zip_is_not_built_again(built: Path, target: Target) -> None:
    before = built.stat()

    again = build_package(built.parent, target)

    assert (again, again.stat().st_mtime_ns) == (built, before.st_mtime_ns)


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let the local cloud's zips lie in a folder of the test; list the builds."""
    builds: list[Path] = []

    def build(folder: Path, *_: object, **__: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        builds.append(folder / f"aigc-functions-{len(builds):012}.zip")
        with zipfile.ZipFile(builds[-1], "w") as archive:
            archive.writestr("rules.json", "{}")
        return builds[-1]

    monkeypatch.setattr(package_module, "LOCAL_PACKAGES", tmp_path / "packages")
    monkeypatch.setattr(package_module, "build_package", build)
    return builds


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a file of the test, which is old, be all that the local cloud's zips are built from."""
    source = tmp_path / "source.py"
    source.write_text("1")
    os.utime(source, (0, 0))
    monkeypatch.setattr(package_module, "ROOT", Path("/"))
    monkeypatch.setattr(package_module, "local_inputs", lambda **_: [source])
    return source


def test_zip_of_the_local_cloud_is_built_again_when_a_source_has_changed(
    builds: list[Path], source: Path
) -> None:
    unchanged = [local_package(), local_package()]
    source.write_text("2")
    os.utime(source, (0, 0))
    changed = local_package()

    assert unchanged == [builds[0], builds[0]]
    assert changed == builds[1]


def test_zip_is_not_kept_for_a_source_that_has_changed_since_it_was_imported(
    builds: list[Path], source: Path
) -> None:
    source.write_text("2")

    zips = [local_package(), local_package()]

    assert zips == builds
    assert len(builds) == 2


@pytest.mark.usefixtures("source")
def test_zip_with_other_rules_is_copied_once(builds: list[Path], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text((ROOT / "rules.toml").read_text().replace("anime/", "manga/"))

    first = local_package(rules)
    before = first.stat()
    again = local_package(rules)

    assert (again, again.stat().st_mtime_ns) == (first, before.st_mtime_ns)
    assert len(builds) == 1
    with zipfile.ZipFile(first) as archive:
        assert "manga/" in archive.read("rules.json").decode()


def test_inputs_of_a_zip_are_all_sources_of_functions_console_and_builder() -> None:
    inputs = {str(path.relative_to(ROOT)) for path in local_inputs(with_console=True)}

    assert inputs >= {
        "aigc_cli/package.py",
        "aigc_cli/reference/zh-CN.toml",
        "console/package-lock.json",
        "console/src/main.tsx",
        "functions/aigc/api/openapi/page.py",
        "functions/aigc/tasks/models.json",
        "functions/gateway.py",
        "prices.toml",
        "requirements-functions.lock",
        "requirements.lock",
        "rules.toml",
    }
    assert not [name for name in inputs if "__pycache__" in name or "node_modules" in name]


def test_zip_is_found_beside_others_that_a_local_cloud_may_run(
    built: Path, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_module, "LOCAL_PACKAGES", tmp_path)
    present = tmp_path / built.name
    shutil.copyfile(built, present)
    (tmp_path / "aigc-functions-000000000000.zip").write_bytes(b"of older sources")
    before = present.stat()

    again = build_package(tmp_path, target)

    assert (again, again.stat().st_mtime_ns) == (present, before.st_mtime_ns)
    assert len(list(tmp_path.glob("*.zip"))) == 2


def test_other_rules_make_another_zip(
    built_uncompiled: Path, uncompiled: Target, tmp_path: Path
) -> None:
    changed = tmp_path / "rules.toml"
    changed.write_text((ROOT / "rules.toml").read_text().replace("anime/", "manga/"))

    with_other = build_package(tmp_path, uncompiled, changed)

    assert with_other.name != built_uncompiled.name


def test_zip_is_small_enough_and_has_code_rules_and_models(built: Path, names: set[str]) -> None:
    entries = {"gateway.py", "upload.py", "sweep.py"}
    data = {"prices.json", "rules.json", "aigc/tasks/models.json", "certifi/cacert.pem"}

    assert built.stat().st_size <= 10 * 1024 * 1024
    assert entries | data <= names


def test_zip_has_no_excluded_file(names: set[str]) -> None:
    left_out = {name for name in names for pattern in LEFT_OUT if fnmatch(name, pattern)}

    assert left_out == set()
    assert not {name for name in names if name.startswith(("Crypto/", "pip/", "tests/"))}


def test_zip_has_the_documents_without_their_builder(names: set[str]) -> None:
    documents = {name for name in names if name.startswith("aigc/api/documents/")}

    assert {name.rpartition("/")[2] for name in documents} == {
        "docs.html.gz",
        "headers.json",
        "openapi.json.gz",
    }
    assert not [name for name in names if name.startswith("aigc/api/openapi/")]


def test_gateway_of_the_zip_serves_its_documents(target: Target, unpacked: Path) -> None:
    events = [
        {**captured("function_url/status"), "path": path, "queryString": {}}
        for path in ("/openapi.json", "/docs")
    ]

    lines = run(target.python, SERVE_DOCUMENTS, unpacked, events)

    openapi, docs = map(json.loads, lines)
    assert json.loads(openapi)["openapi"] == "3.1.0"
    assert docs.startswith("<!doctype html>")


def test_zip_has_a_console_that_is_small_to_load(built: Path) -> None:
    folder = "aigc/api/console_files/"
    with zipfile.ZipFile(built) as archive:
        sizes = {
            entry.filename.removeprefix(folder): entry.file_size
            for entry in archive.infolist()
            if entry.filename.startswith(folder)
        }
        headers = json.loads(archive.read(f"{folder}headers.json"))
        page = gzip.decompress(archive.read(f"{folder}index.html.gz")).decode()

    assert {f"{name}.gz" for name in headers} | {"headers.json"} == set(sizes)
    assert set(re.findall(r'(?:href|src)="console/assets/([^"]+)"', page)) < set(headers)
    assert sum(sizes.values()) < 200_000


def test_console_is_built_to_the_same_bytes_wherever_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openapi = front_end.openapi_text()
    first = front_end.built_console(openapi)
    own = front_end.packages(for_development=False)
    monkeypatch.setattr(front_end, "packages", lambda **_: own)
    monkeypatch.setattr(front_end, "CACHE", tmp_path / "elsewhere")

    again = front_end.built_console(openapi)

    assert first != again
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_console_can_be_left_out(
    uncompiled: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_end, "CACHE", tmp_path / "empty")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")

    with pytest.raises(PackageError) as refused:
        build_package(tmp_path / "with", uncompiled)
    package = build_package(tmp_path / "without", uncompiled, with_console=False)

    assert "npm_config_registry=" in str(refused.value)
    assert "--no-console" in str(refused.value)
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
    assert "aigc/api/console.py" in names
    assert not [name for name in names if name.startswith("aigc/api/console_files/")]


def test_wrong_source_of_the_console_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = front_end.packages(for_development=False)
    monkeypatch.setattr(front_end, "packages", lambda **_: packages)
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(front_end.SOURCES, tmp_path / "console", ignore=ignored)
    (tmp_path / "console" / "src" / "main.tsx").write_text('import "./missing";')
    monkeypatch.setattr(front_end, "SOURCES", tmp_path / "console")
    monkeypatch.setattr(front_end, "CACHE", tmp_path / "cache")

    with pytest.raises(PackageError, match="cannot be built"):
        front_end.built_console(front_end.openapi_text())

    assert not list((tmp_path / "cache").glob("*"))


def test_zip_has_the_rules_as_json(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        rules = json.loads(archive.read("rules.json"))

    assert [rule["name"] for rule in rules["rule"]] == ["anime", "product", "sketch"]


def test_every_module_has_bytecode_that_is_never_checked(built: Path, names: set[str]) -> None:
    with zipfile.ZipFile(built) as archive:
        flags = {archive.read(name)[4] for name in names if name.endswith(".pyc")}
    sources = {name for name in names if name.endswith(".py")}
    compiled = {re.sub(r"__pycache__/(\w+)\..*", r"\1.py", name) for name in names - sources}

    assert flags == {UNCHECKED_HASH}
    assert sources <= compiled


def test_zip_for_the_cloud_is_for_python_3_10_on_linux_wherever_it_is_built(tmp_path: Path) -> None:
    package = build_package(tmp_path, scf_target())

    with zipfile.ZipFile(package) as archive:
        native = {name for name in archive.namelist() if name.endswith(".so")}
        tags = {name.split(".")[-2] for name in archive.namelist() if name.endswith(".pyc")}

    assert {name.rpartition("/")[0] for name in native} >= {"pydantic_core"}
    assert {name.split(".")[1] for name in native} == {"cpython-310-x86_64-linux-gnu"}
    assert tags <= {"cpython-310"}


def test_zip_without_a_python_to_compile_it_has_another_name_and_no_bytecode(
    built: Path, built_uncompiled: Path
) -> None:
    with zipfile.ZipFile(built_uncompiled) as archive:
        names = archive.namelist()
    assert built_uncompiled.name != built.name
    assert "gateway.py" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_gateway_answers_from_a_read_only_folder_without_the_internet(
    health: dict[str, Any],
) -> None:
    status = health["status"]

    assert status == 200


def test_zip_has_no_package_that_the_handlers_do_not_import(
    health: dict[str, Any], names: set[str]
) -> None:
    shipped = {name.partition("/")[0].removesuffix(".py") for name in names} - {"__pycache__"}

    unused = shipped - {*health["loaded"], "prices.json", "rules.json"}

    assert unused == set()


def test_every_module_in_the_zip_can_be_imported(target: Target, unpacked: Path) -> None:
    lines = run(target.python, IMPORT_EVERYTHING, unpacked)

    assert lines == []


def test_wrong_rules_make_no_zip(target: Target, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "odd"\nkind = "vod.movie"\n')

    with pytest.raises(RulesError, match="rule odd"):
        build_package(tmp_path / "dist", target, rules)

    assert not (tmp_path / "dist").exists()


def test_zip_says_whether_there_are_ceilings(
    built: Path, uncompiled: Target, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[ceiling]]\nscope = "stack"\nperiod = "day"\nimages = 5\n')

    limited = build_package(tmp_path / "dist", uncompiled, prices=prices)

    assert "has-ceilings" not in zipfile.ZipFile(built).namelist()
    assert "has-ceilings" in zipfile.ZipFile(limited).namelist()


def test_zip_is_built_from_the_locked_versions() -> None:
    whole = _pins(ROOT / "requirements.lock")

    ours = _pins(LOCK)

    assert {name for name, hashes in ours.items() if whole.get(name) != hashes} == set()
    assert {"pydantic", "cos-python-sdk-v5", "tencentcloud-sdk-python-common"} <= {
        name.partition("==")[0] for name in ours
    }


def test_python_that_does_not_start_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = _script(tmp_path / "bin" / "python3.99", "exit 127")
    real = tmp_path / ".pyenv" / "versions" / "3.99.1" / "bin" / "python3"
    _script(real, f'printf "{real}\\n3\\n99\\n"')
    monkeypatch.setenv("PATH", str(stub.parent), prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))

    path = find_python("3.99")

    assert path == str(real)


def _pins(lock: Path) -> dict[str, frozenset[str]]:
    """Return `name==version` → hashes of a lock file."""
    blocks = re.split(r"\n(?=\S)", lock.read_text())
    return {
        re.split(r"[ \\]", block)[0]: frozenset(re.findall(r"sha256:\w+", block))
        for block in blocks
    }


def _script(path: Path, line: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path
