"""Results of the whole system have labels, with or without labels of the vendor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from aigc.labels.files import read_labels
from aigc_cli import cli
from tests.e2e.stack import SAMPLES, Stack, wait_for

if TYPE_CHECKING:
    from pathlib import Path

TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "vod.CreateAigcImageTask": (
        "tencent-vod/v1/aigc-image",
        {"model_name": "GG", "model_version": "3.0", "prompt": "a labelled lighthouse"},
    ),
    "vod.CreateSceneAigcImageTask": (
        "tencent-vod/v1/aigc-scene-image",
        {
            "scene_info": {
                "type": "product_image",
                "product_image_config": {"prompt": "on a label"},
            },
            "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
        },
    ),
    "mps.CreateAigcImageTask": (
        "tencent-mps/v1/aigc-image",
        {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a labelled boat"},
    ),
}


def make_image(stack: Stack, task: str) -> tuple[dict[str, Any], bytes]:
    """Make an image; return its description in the API and the file."""
    endpoint, body = TASKS[task]
    answer = stack.call(endpoint, body).json()
    stack.ended(answer)
    [image] = stack.get(answer["response_url"]).json()["images"]
    return image, requests.get(image["url"], timeout=30).content


@pytest.mark.parametrize("task", TASKS)
def test_result_is_labelled_and_can_be_verified(
    stack: Stack, task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, data = make_image(stack, task)

    label = read_labels(data).label
    assert label is not None
    assert image["labels"] == ["tc260", "iptc"]
    assert image["file_size"] == len(data)
    assert label["ContentProducer"].startswith("aigc-functions-")
    assert label["ProduceID"] == image["file_name"].rpartition(".")[0]
    (tmp_path / "image").write_bytes(data)
    assert cli.main(["label", "verify", str(tmp_path / "image")]) == 0
    assert capsys.readouterr().out.endswith("image: ok\n")


@pytest.mark.parametrize("task", TASKS)
def test_label_of_the_vendor_is_completed(stack: Stack, task: str) -> None:
    stack.fault(task, "image:label")

    image, data = make_image(stack, task)

    label = read_labels(data).label
    assert label is not None
    assert image["labels"] == ["tc260", "iptc"]
    assert (label["ContentProducer"], label["ProduceID"]) == ("local cloud", "1")
    assert label["ContentPropagator"].startswith("aigc-functions-")
    assert data.count(b"ContentProducer") == 1


@pytest.mark.parametrize("task", TASKS)
def test_file_with_a_manifest_is_stored_unchanged(stack: Stack, task: str) -> None:
    stack.fault(task, "image:c2pa")

    image, data = make_image(stack, task)

    assert image["labels"] == ["c2pa"]
    assert read_labels(data).names == ("c2pa",)


def test_results_of_an_upload_name_their_labels(stack: Stack) -> None:
    stack.upload("anime/labelled.jpg", (SAMPLES / "cat.jpg").read_bytes())

    wait_for(lambda: "anime/labelled.jpg.json" in stack.results("anime/"))

    [image] = json.loads(stack.result("anime/labelled.jpg.json"))["images"]
    assert image["labels"] == ["tc260", "iptc"]
    assert read_labels(stack.result(image["key"])).names == ("tc260", "iptc")
