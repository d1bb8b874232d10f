"""The documented JavaScript examples work when a reader runs them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.e2e.test_documentation import API, run
from tests.pages import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="needs Node.js; .ci/run installs it")
def test_javascript_example_saves_an_image(stack: Stack, tmp_path: Path) -> None:
    [block] = blocks(API, "js run")

    run(stack, ["node", "--input-type=module", "--eval", block], tmp_path)

    [image] = tmp_path.iterdir()
    Image.open(image).verify()


@pytest.mark.skipif(NODE is None, reason="needs Node.js; .ci/run installs it")
def test_stream_example_follows_a_request_to_its_end(stack: Stack, tmp_path: Path) -> None:
    [block] = blocks(API, "js stream")

    printed = run(stack, ["node", "--input-type=module", "--eval", block], tmp_path).split()

    assert printed[-1] == "COMPLETED"
    assert set(printed) <= {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}
