"""Labels and manifests of the vendor stay in the results of the whole system.

Results without labels of the vendor are in test_main_job.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from aigc.labels.files import read_labels
from tests.e2e.tasks import IMAGE, MPS

if TYPE_CHECKING:
    from tests.e2e.stack import Stack


def make_image(stack: Stack, endpoint: str, body: object) -> tuple[dict[str, Any], bytes]:
    """Make an image; return its description in the API and the file."""
    answer = stack.call(endpoint, body).json()
    stack.ended(answer)
    [image] = stack.get(answer["response_url"]).json()["images"]
    return image, requests.get(image["url"], timeout=30).content


def test_label_of_the_vendor_is_completed(stack: Stack) -> None:
    stack.fault("vod.CreateAigcImageTask", "image:label")

    image, data = make_image(stack, "tencent-vod/v1/aigc-image", IMAGE)

    label = read_labels(data).label
    assert label is not None
    assert image["labels"] == ["tc260", "iptc"]
    assert (label["ContentProducer"], label["ProduceID"]) == ("local cloud", "1")
    assert label["ContentPropagator"].startswith("aigc-functions-")
    assert data.count(b"ContentProducer") == 1


def test_file_with_a_manifest_is_stored_unchanged(stack: Stack) -> None:
    stack.fault("mps.CreateAigcImageTask", "image:c2pa")

    image, data = make_image(stack, "tencent-mps/v1/aigc-image", MPS)

    assert image["labels"] == ["c2pa"]
    assert read_labels(data).names == ("c2pa",)
