"""docs/localcloud.md lists exactly what the local cloud serves."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.core import ApiError, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.core import Service

DOCUMENT = (Path(__file__).parents[2] / "docs" / "localcloud.md").read_text()
SECTION = DOCUMENT.partition("## What it serves\n")[2].partition("\n## ")[0]
SERVICES = ("apigateway", "cam", "cls", "monitor", "mps", "scf", "tag", "vod")


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud, control_plane(cloud):
        yield cloud


def documented(row: str) -> set[str]:
    line = next(line for line in SECTION.splitlines() if line.startswith(f"| {row} |"))
    return set(re.findall(r"`(\w+)`", line.partition(f"| {row} |")[2]))


def known_actions(service: Service) -> set[str]:
    """Name all actions of the vendor's SDK."""
    version = service.version.replace("-", "")
    models = importlib.import_module(f"tencentcloud.{service.name}.v{version}.models")
    names = (name for name in vars(models) if name.endswith("Request"))
    return {name.removesuffix("Request") for name in names} - {"Abstract"}


def serves(service: Service, action: str) -> bool:
    """Whether a service knows an action; without parameters most fail in some other way."""
    params = {"Module": "monitor"} if service.name == "monitor" else {}
    try:
        service.call(action, params, Caller("owner"))
    except ApiError as refusal:
        return refusal.code != "UnsupportedOperation"
    except KeyError:
        return True
    return True


def test_every_service_and_action_is_listed(cloud: LocalCloud) -> None:
    served = {
        name: {action for action in known_actions(service) if serves(service, action)}
        for name, service in cloud.services.items()
    }

    assert served == {name: documented(f"`{name}`") for name in SERVICES}


def test_every_operation_of_cos_is_listed(cloud: LocalCloud) -> None:
    settings = documented("a setting of a bucket")
    of_settings = {
        name
        for name in cloud.cos.operations
        if re.sub("^(Put|Get|Delete)Bucket", "", name).lower() in settings
    }
    rows = ("the account", "a bucket", "an object", "an upload in parts")

    listed = {name for row in rows for name in documented(row)}

    assert listed | of_settings == cloud.cos.operations
    assert len(of_settings) == 3 * len(settings)
