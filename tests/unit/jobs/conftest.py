"""A world in memory, as most tests of jobs have it."""

from __future__ import annotations

import pytest

from tests.fakes import World, build_world


@pytest.fixture
def world() -> World:
    return build_world()
