"""The request bodies of the reference documents' examples, sent unchanged to the endpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def test_documented_examples_become_images(stack: Stack) -> None:
    answers = {}
    for name, endpoint in ENDPOINTS.items():
        body = example(name)
        if "SubAppId" in body:
            body["SubAppId"] = stack.connection["sub_app_id"]
        answers[name] = stack.call(endpoint, body)
        assert answers[name].status_code == 200, answers[name].text

    for name, answer in answers.items():
        stack.ended(answer.json())
        result = stack.get(answer.json()["response_url"])
        assert result.status_code == 200, (name, result.text)
        assert result.json()["images"]
