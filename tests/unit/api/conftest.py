"""A client of the API, in the form of API Gateway unless a test says `both_triggers`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from aigc.api import built
from aigc.api.openapi.build import write_documents
from tests.fakes import build_world
from tests.unit.api.client import KEY, Client

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "documents"
    write_documents(folder)
    return folder


@pytest.fixture(autouse=True)
def _built(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway find the documents, which are part of the zip and not of the sources."""
    monkeypatch.setattr(built, "FOLDER", documents)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    """Behind `HttpRequest.parse` the triggers differ in nothing but the base URL.

    That of API Gateway has a path, so it shows more defects.
    """
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    other = hashlib.sha256(b"other-key").hexdigest()
    world = build_world(api_keys={"default": digest, "other": other.upper()})
    return Client(world, getattr(request, "param", "api_gateway"))
