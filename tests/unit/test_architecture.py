"""The layers of the design: which module may import which, by reading the imports."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
VENDOR = ("tencentcloud", "qcloud_cos", "tencentcloud_iac_pulumi")

BASE = {"aigc.errors", "aigc.wire"}
LAYERS = {
    "functions/aigc/tasks": BASE | {"aigc.tasks", "aigc.object_keys"},
    "functions/aigc/triggers": BASE | {"aigc.triggers"},
    "functions/aigc/labels": BASE | {"aigc.labels", "aigc.image_files"},
    "functions/aigc/jobs": BASE
    | {"aigc.jobs", "aigc.labels", "aigc.tasks"}
    | {"aigc.image_files", "aigc.prices", "aigc.robots", "aigc.settings", "aigc.signing"}
    | {"aigc.ceilings", "aigc.periods"},
    "functions/aigc/uploads": BASE
    | {"aigc.uploads", "aigc.jobs", "aigc.tasks", "aigc.triggers"}
    # The lines of a batch are calls: paths, bodies of OpenAI's API, and inputs as in a call.
    | {"aigc.api.call", "aigc.api.errors", "aigc.api.inputs", "aigc.api.openai.request"}
    | {"aigc.image_files", "aigc.object_keys"},
    "functions/aigc/api": BASE
    | {"aigc.api", "aigc.jobs", "aigc.tasks", "aigc.triggers", "aigc.uploads"}
    | {"aigc.destinations", "aigc.logs", "aigc.image_files", "aigc.object_keys", "aigc.settings"}
    | {"aigc.periods", "aigc.prices"},
    "functions/aigc/cloud": BASE
    | {"aigc.cloud", "aigc.jobs", "aigc.tasks", "aigc.image_files", "aigc.settings"}
    | {"aigc.destinations"},
    "infra": BASE
    | {
        "infra",
        "aigc.object_keys",
        "aigc.robots",
        "aigc.uploads.rules",
        "aigc.settings",
        "aigc.jobs.buckets",
        "aigc.signing",
        "aigc.tasks",
    },
    "localcloud": {"localcloud"},
}
"""Folder → which of our modules its modules may import."""

FOREIGN = ROOT / "tests" / "clients" / "python"
"""Programs that run in environments of their own, with generated clients."""

OURS = (
    "aigc",
    "benchmarks",
    "gateway",
    "infra",
    "localcloud",
    "aigc_cli",
    "sweep",
    "tests",
    "upload",
)


INSTALLED_FOR = {
    "functions": ("functions",),
    "infra": ("functions", "infra"),
    "aigc_cli": ("functions", "local"),
    "localcloud": ("functions", "infra", "local"),
    "benchmarks": ("functions", "local"),
    "tests": ("functions", "infra", "local", "test"),
}
"""Folder → the dependency groups of pyproject.toml that are installed where it runs.

The dependencies of the wheel are installed beside all of them but `functions` and `infra`.
"""


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path: Path, *, at_top: bool = False) -> tuple[str, ...]:
    names: list[str] = []
    for node in parsed(path).body if at_top else ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names += (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return tuple(names)


def is_below(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("folder", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(folder: str) -> None:
    paths = list((ROOT / folder).rglob("*.py"))

    wrong = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in paths
        for module in imported(path)
        if module.split(".")[0] in OURS and not is_below(module, LAYERS[folder])
    ]

    assert paths
    assert not wrong


def test_only_the_cloud_layer_imports_the_vendors_sdks() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in FUNCTIONS.rglob("*.py")
        for module in imported(path)
        if module.split(".")[0] in VENDOR and path.parent.name != "cloud"
    ]

    assert not wrong


@pytest.mark.parametrize("name", ["gateway", "upload", "sweep"])
def test_a_handler_imports_the_composition_root_only_in_its_builder(name: str) -> None:
    path = FUNCTIONS / f"{name}.py"

    assert "aigc.bootstrap" in set(imported(path))
    outside = {"aigc.bootstrap", "aigc.cloud"}
    assert not any(is_below(module, outside) for module in imported(path, at_top=True))


def test_only_the_composition_root_makes_a_runtime() -> None:
    makers = [
        str(path.relative_to(ROOT))
        for folder in ("functions", "aigc_cli", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if _calls(path, "Runtime")
    ]

    assert makers == ["functions/aigc/bootstrap.py"]


def _calls(path: Path, name: str) -> bool:
    if f"{name}(" not in path.read_text(encoding="utf-8"):
        return False
    nodes = ast.walk(parsed(path))
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in nodes
    )


def test_the_functions_import_no_tool() -> None:
    tools = {"benchmarks", "infra", "localcloud", "aigc_cli", "tests"}

    wrong = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in FUNCTIONS.rglob("*.py")
        for module in imported(path)
        if is_below(module, tools)
    ]

    assert not wrong


def test_only_the_settings_and_the_credentials_read_the_environment() -> None:
    readers = [
        str(path.relative_to(FUNCTIONS))
        for path in FUNCTIONS.rglob("*.py")
        if "os" in imported(path) and "environ" in path.read_text(encoding="utf-8")
    ]

    assert sorted(readers) == ["aigc/cloud/credentials.py", "aigc/settings.py"]


@pytest.mark.parametrize("folder", INSTALLED_FOR)
def test_what_a_folder_imports_is_declared_for_it(folder: str) -> None:
    groups = [project()["dependency-groups"][group] for group in INSTALLED_FOR[folder]]
    if folder not in {"functions", "infra"}:
        groups.append(project()["project"]["dependencies"])

    assert not undeclared((ROOT / folder).rglob("*.py"), chain(*groups))


def test_what_the_wheel_imports_is_declared_for_it() -> None:
    excluded = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    left_out = [ROOT / name for name in excluded]
    modules = [
        path
        for path in (ROOT / "aigc_cli").rglob("*.py")
        if not any(path == left or left in path.parents for left in left_out)
    ]

    assert all(path.exists() for path in left_out)
    assert not undeclared(modules, project()["project"]["dependencies"])
    assert not [
        f"{path.relative_to(ROOT)}: {module}"
        for path in modules
        for module in imported(path)
        if is_below(module, {"infra", "localcloud", "benchmarks", "tests"})
    ]


def test_the_wheel_requires_what_the_functions_require() -> None:
    functions = project()["dependency-groups"]["functions"]

    assert set(functions) <= set(project()["project"]["dependencies"])


def undeclared(paths: Iterable[Path], requirements: Iterable[str]) -> set[str]:
    """Return the imports of modules that no requirement installs."""
    declared = set(map(distribution_of, requirements))
    distributions = packages_distributions()
    return {
        f"{path.relative_to(ROOT)}: {module}"
        for path in paths
        if not path.is_relative_to(FOREIGN)
        for module in {name.partition(".")[0] for name in imported(path)}
        if module not in OURS
        and module not in sys.stdlib_module_names
        and module not in {"tomli", "tomllib"}
        and declared.isdisjoint(map(distribution_of, distributions.get(module, [])))
    }


@cache
def project() -> dict[str, Any]:
    return dict(tomllib().loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))


def tomllib() -> Any:
    return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def distribution_of(requirement: str) -> str:
    """Return the normalised name of the distribution that a requirement is about."""
    name = re.split(r"[ ;<>=\[]", requirement, maxsplit=1)[0]
    return name.lower().replace("_", "-")
