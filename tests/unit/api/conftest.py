"""Every test of the API runs through both triggers."""

from __future__ import annotations

import hashlib

import pytest

from tests.fakes import build_world
from tests.unit.api.client import KEY, Client


@pytest.fixture(params=["function_url", "api_gateway"])
def client(request: pytest.FixtureRequest) -> Client:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    other = hashlib.sha256(b"other-key").hexdigest()
    world = build_world(api_keys={"default": digest, "other": other.upper()})
    return Client(world, request.param)
