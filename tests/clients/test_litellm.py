"""Generate and edit images, sync and async; errors are its typed exceptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.clients.programs import run_client
from tests.cutting_proxy import cutting_proxy
from tests.e2e.stack import SAMPLES

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.client("litellm")

PROGRAM = Path(__file__).parent / "python" / "litellm_images.py"


def test_images_and_errors(stack: Stack, installed: Path) -> None:
    with cutting_proxy(stack.gateway, encodes_bodies=True) as proxy:
        printed = run_client(
            [str(installed / "bin" / "python"), str(PROGRAM)],
            stack,
            installed,
            PROXY=proxy.url,
            LITELLM_LOCAL_MODEL_COST_MAP="True",  # otherwise it loads one from the internet
            PHOTO=str(SAMPLES / "cat.jpg"),
        )

    seen = json.loads(printed.splitlines()[-1])
    for url in seen.pop("urls"):
        assert requests.get(url, timeout=30).content.startswith(b"\x89PNG")
    assert seen == {
        "base64": "iVBORw",
        "errors": ["NotFoundError", "BadRequestError", "AuthenticationError", "BadRequestError"],
    }
