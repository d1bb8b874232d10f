"""The request bodies of the reference documents' examples, sent unchanged to the endpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

EXAMPLES = Path(__file__).parent / "reference_examples"
ENDPOINTS = {
    "scene_image_cn": "tencent-vod/v1/aigc-scene-image",
    "image_intl": "tencent-vod/v1/aigc-image",
    "relay": "tencent-vod/v1/aigc-image",
    "scene_image_intl": "tencent-vod/v1/aigc-scene-image",
    "mps_image": "tencent-mps/v1/aigc-image",
}


def example(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return body


@pytest.mark.parametrize("name", ENDPOINTS)
def test_documented_example_is_accepted_and_becomes_an_image(stack: Stack, name: str) -> None:
    body = example(name)
    if "SubAppId" in body:
        body["SubAppId"] = stack.connection["sub_app_id"]

    answer = stack.call(ENDPOINTS[name], body)
    assert answer.status_code == 200, answer.text
    stack.ended(answer.json())

    result = stack.get(answer.json()["response_url"])
    assert result.status_code == 200, result.text
    assert result.json()["images"]
