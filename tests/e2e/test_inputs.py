"""Input images of calls reach the vendor in every supported form."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.e2e.stack import SAMPLES
from tests.e2e.test_main_job import IMAGE, MPS

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

PHOTO = (SAMPLES / "cat.jpg").read_bytes()
ENCODED = base64.b64encode(PHOTO).decode()
SCENE = {"scene_info": {"type": "product_image", "product_image_config": {"prompt": "a table"}}}


def make_images(stack: Stack, endpoint: str, body: dict[str, Any]) -> list[Any]:
    """Make an image with a call that waits for it; return the images."""
    answer = stack.call(endpoint, body, Prefer="wait")
    assert answer.status_code == 200, answer.text
    job = stack.get(f"/v1/jobs/{answer.json()['request_id']}").json()
    stack.ended(job)
    result = stack.get(job["response_url"])
    assert result.status_code == 200, result.text
    images: list[Any] = result.json()["images"]
    return images


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("tencent-vod/v1/aigc-image", IMAGE | {"file_infos": [{"base64": ENCODED}]}),
        ("tencent-vod/v1/aigc-scene-image", SCENE | {"file_infos": [{"base64": ENCODED}]}),
        ("tencent-mps/v1/aigc-image", MPS | {"image_infos": [{"base64": ENCODED}]}),
    ],
    ids=["vod.image", "vod.scene_image", "mps.image"],
)
def test_every_kind_accepts_base64_input(stack: Stack, endpoint: str, body: dict[str, Any]) -> None:
    assert make_images(stack, endpoint, body)


def test_image_uploaded_by_a_link_is_accepted_as_input(stack: Stack) -> None:
    description = {"file_name": "a cat 猫.jpg", "content_type": "image/jpeg", "size": len(PHOTO)}
    upload = stack.call("v1/uploads", description).json()

    put = requests.put(
        upload["upload_url"],
        data=PHOTO,
        headers={"Content-Type": upload["headers"]["Content-Type"]},
        timeout=30,
    )
    images = make_images(
        stack, "tencent-vod/v1/aigc-image", IMAGE | {"file_infos": [{"url": upload["url"]}]}
    )

    assert put.status_code == 200
    assert images


def test_input_that_was_never_uploaded_is_refused(stack: Stack) -> None:
    description = {"file_name": "cat.jpg", "content_type": "image/jpeg", "size": len(PHOTO)}
    upload = stack.call("v1/uploads", description).json()
    body = IMAGE | {"file_infos": [{"url": upload["url"]}]}

    answer = stack.call("tencent-vod/v1/aigc-image", body)

    assert answer.status_code == 422
    assert "is not there" in answer.json()["detail"]
