"""The main job: uploads and calls become images."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import requests
from PIL import Image

from aigc.labels.files import read_labels
from aigc_cli import cli
from tests.e2e.stack import SAMPLES, Stack, wait_for
from tests.e2e.tasks import ENDPOINTS, IMAGE, VOD_PATH

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PHOTO = (SAMPLES / "cat.jpg").read_bytes()


def test_uploads_become_images_with_descriptions(stack: Stack) -> None:
    keys = [f"{folder}/pets/cat one+two.jpg" for folder in ("anime", "product", "sketch")]
    for key in keys:
        stack.upload(key, PHOTO)

    wait_for(lambda: {f"{key}.json" for key in keys} <= stack.results().keys())

    for key in keys:
        description = json.loads(stack.result(f"{key}.json"))
        [image] = description["images"]
        data = stack.result(image["key"])
        assert Image.open(io.BytesIO(data)).size == (image["width"], image["height"])
        assert image["labels"] == list(read_labels(data).names) == ["tc260", "iptc"]
        assert description["source"]["key"] == key
        assert description["vendor_task_id"] in {task["task_id"] for task in stack.tasks()}


def test_an_image_is_listed_with_its_preview_its_input_and_its_description(stack: Stack) -> None:
    key = "anime/列表/cat.jpg"
    stack.upload(key, PHOTO)

    query = "/v1/images?folder=anime/列表/&source=upload:anime"
    [image] = wait_for(lambda: stack.get(query).json()["images"])

    preview = requests.get(image["preview_url"], timeout=30)
    assert preview.headers["Content-Type"] == "image/webp"
    assert max(Image.open(io.BytesIO(preview.content)).size) <= 480
    assert requests.get(image["input"]["url"], timeout=30).content == PHOTO
    assert requests.get(image["description_url"], timeout=30).json()["job"] == image["request_id"]
    assert requests.get(image["url"], timeout=30).content == stack.result(image["key"])


def test_calls_become_labelled_images_with_links_that_need_no_proxy(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [stack.call(endpoint, body).json() for endpoint, body in ENDPOINTS.items()]

    for answer in answers:
        assert stack.ended(answer)["status"] == "COMPLETED"
        [image] = stack.get(answer["response_url"]).json()["images"]
        data = requests.get(image["url"], timeout=30)
        label = read_labels(data.content).label
        assert label is not None
        assert data.headers["Content-Type"] == image["content_type"]
        assert Image.open(io.BytesIO(data.content)).size == (image["width"], image["height"])
        assert image["file_size"] == len(data.content)
        assert image["labels"] == ["tc260", "iptc"]
        assert label["ContentProducer"].startswith("aigc-functions-")
        assert label["ProduceID"] == image["file_name"].rpartition(".")[0]
        (tmp_path / "image").write_bytes(data.content)
        assert cli.main(["label", "verify", str(tmp_path / "image")]) == 0
        assert capsys.readouterr().out.endswith("image: ok\n")


def test_query_of_a_relay_has_the_vendors_form(stack: Stack) -> None:
    answer = stack.call(VOD_PATH, IMAGE).json()
    task_id = answer["Response"]["TaskId"]
    stack.ended(answer)

    detail = stack.get(f"/tencent-vod/v1/query/{task_id}").json()["Response"]

    assert (detail["Status"], detail["TaskType"]) == ("FINISH", "AigcImageTask")
    [file] = detail["AigcImageTask"]["Output"]["FileInfos"]
    assert requests.get(file["FileUrl"], timeout=30).ok


def test_jobs_with_a_lost_reply_succeed_and_are_paid_once(stack: Stack) -> None:
    before = len(stack.tasks())
    actions = ("vod.CreateAigcImageTask", "vod.CreateSceneAigcImageTask", "mps.CreateAigcImageTask")
    stack.faults(*({"where": action, "what": "lost_reply"} for action in actions))

    answers = [stack.call(endpoint, body).json() for endpoint, body in ENDPOINTS.items()]

    for answer in answers:
        stack.ended(answer)
        assert stack.get(answer["response_url"]).status_code == 200
    assert len(stack.tasks()) == before + len(ENDPOINTS)


def test_failure_of_the_vendors_task_is_reported_to_the_caller(stack: Stack) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ModelGenerateFailed")

    answer = stack.call(VOD_PATH, IMAGE).json()
    stack.ended(answer)
    result = stack.get(answer["response_url"])

    assert (result.status_code, result.json()["error_type"]) == (500, "task_failed")
    assert result.json()["upstream"]["code"] == "ModelGenerateFailed"


def test_ledger_keeps_only_records_after_all_jobs_have_ended(stack: Stack) -> None:
    wait_for(stack.is_idle)

    # Webhooks of other modules to missing receivers are retried for two hours.
    wait_for(lambda: not [key for key in stack.leftovers() if not key.startswith("webhooks/")])
