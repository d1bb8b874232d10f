"""Input images of calls reach the vendor in every supported form."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import requests

from tests.e2e.stack import SAMPLES
from tests.e2e.tasks import IMAGE, MPS

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

PHOTO = (SAMPLES / "cat.jpg").read_bytes()
ENCODED = base64.b64encode(PHOTO).decode()


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


def test_every_vendor_gets_base64_input(stack: Stack) -> None:
    inputs = [{"base64": ENCODED}]

    assert make_images(stack, "tencent-vod/v1/aigc-image", IMAGE | {"file_infos": inputs})
    assert make_images(stack, "tencent-mps/v1/aigc-image", MPS | {"image_infos": inputs})


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
