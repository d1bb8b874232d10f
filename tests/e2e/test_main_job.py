"""The main job: uploads and calls become images."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import requests
from PIL import Image

from aigc.labels.files import read_labels
from aigc_cli import cli
from tests.e2e.stack import SAMPLES, Stack, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
SCENE = {
    "scene_info": {"type": "product_image", "product_image_config": {"prompt": "on a table"}},
    "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
}
MPS = {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a paper boat"}
ENDPOINTS = {
    "tencent-vod/v1/aigc-image": IMAGE,
    "tencent-vod/v1/aigc-scene-image": SCENE,
    "tencent-mps/v1/aigc-image": MPS,
}
PHOTO = (SAMPLES / "cat.jpg").read_bytes()


def tasks_with_prompt(stack: Stack, prompt: str) -> list[dict[str, Any]]:
    return [task for task in stack.tasks() if task["prompt"] == prompt]


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
    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    task_id = answer["Response"]["TaskId"]
    stack.ended(answer)

    detail = stack.get(f"/tencent-vod/v1/query/{task_id}").json()["Response"]

    assert (detail["Status"], detail["TaskType"]) == ("FINISH", "AigcImageTask")
    [file] = detail["AigcImageTask"]["Output"]["FileInfos"]
    assert requests.get(file["FileUrl"], timeout=30).ok


def test_prompt_of_an_upload_replaces_the_prompt_of_its_rule(stack: Stack) -> None:
    stack.upload(
        "anime/own.jpg", PHOTO, **{"x-cos-meta-aigc-prompt": "a%20cat%20in%20%E6%B0%B4%E5%A2%A8"}
    )

    wait_for(lambda: "anime/own.jpg.json" in stack.results("anime/"))

    assert json.loads(stack.result("anime/own.jpg.json"))["prompt"] == "a cat in 水墨"


def test_uploads_that_match_no_rule_or_are_no_images_cost_nothing(stack: Stack) -> None:
    before = len(stack.tasks())

    stack.upload("elsewhere/cat.jpg", PHOTO)
    stack.upload("anime/empty.jpg", b"")
    stack.upload("anime/page.jpg", b"<html>not an image</html>")
    reasons = wait_for(lambda: _refusals(stack, expected=3))

    assert "no rule matches its key" in reasons
    assert "it is empty" in reasons
    assert "not a JPEG, PNG or WebP" in reasons
    assert len(stack.tasks()) == before


def _refusals(stack: Stack, expected: int) -> str:
    refusals = [line for line in stack.log if "upload_not_wanted" in line]
    return "".join(refusals) if len(refusals) >= expected else ""


def test_call_repeated_with_the_same_idempotency_key_is_one_task(stack: Stack) -> None:
    body = IMAGE | {"prompt": "one and the same"}

    answers = [
        stack.call("tencent-vod/v1/aigc-image", body, **{"Idempotency-Key": "k-1"}).json()
        for _ in range(3)
    ]
    stack.ended(answers[0])

    assert len({answer["request_id"] for answer in answers}) == 1
    assert len(tasks_with_prompt(stack, "one and the same")) == 1


def test_cos_event_delivered_three_times_is_one_task(stack: Stack) -> None:
    stack.fault("scf.upload", "repeat", times=2)

    stack.upload("anime/thrice.jpg", PHOTO, **{"x-cos-meta-aigc-prompt": "thrice"})
    wait_for(lambda: "anime/thrice.jpg.json" in stack.results("anime/"))

    assert len(tasks_with_prompt(stack, "thrice")) == 1


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

    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    stack.ended(answer)
    result = stack.get(answer["response_url"])

    assert (result.status_code, result.json()["error_type"]) == (500, "task_failed")
    assert result.json()["upstream"]["code"] == "ModelGenerateFailed"


def test_throttled_submission_succeeds_later(stack: Stack) -> None:
    stack.fault("vod.CreateAigcImageTask", "throttle", times=6)

    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    stack.ended(answer)

    assert stack.get(answer["response_url"]).status_code == 200


def test_job_ends_without_its_callback(stack: Stack) -> None:
    stack.fault("vod.callback", "drop")

    stack.upload("anime/unreported.jpg", PHOTO)

    wait_for(lambda: "anime/unreported.jpg.json" in stack.results("anime/"))


def test_api_requires_a_valid_key(stack: Stack) -> None:
    url = f"{stack.gateway}/tencent-vod/v1/aigc-image"

    without_key = requests.post(url, json=IMAGE, timeout=30)
    wrong_key = requests.post(url, json=IMAGE, headers={"Authorization": "Key no"}, timeout=30)
    fal = {"Authorization": f"Key {stack.connection['api_key']}"}
    valid_key = requests.post(url, json=IMAGE, headers=fal, timeout=30)

    assert [without_key.status_code, wrong_key.status_code, valid_key.status_code] == [
        401,
        401,
        200,
    ]
    assert without_key.json()["error_type"] == wrong_key.json()["error_type"] == "unauthorized"
    assert requests.get(f"{stack.gateway}/health", timeout=30).json() == {"status": "ok"}


def test_value_outside_the_limits_of_a_model_is_refused_with_field_and_choices(
    stack: Stack,
) -> None:
    before = len(stack.tasks())
    body = IMAGE | {"output_config": {"aspect_ratio": "7:5"}}

    answer = stack.call("tencent-vod/v1/aigc-image", body)

    assert answer.status_code == 422
    assert answer.json()["field"] == "output_config.aspect_ratio"
    assert "16:9" in answer.json()["allowed"]
    assert len(stack.tasks()) == before


def test_ledger_keeps_only_records_after_all_jobs_have_ended(stack: Stack) -> None:
    wait_for(stack.is_idle)

    # Webhooks of other modules to missing receivers are retried for two hours.
    wait_for(lambda: not [key for key in stack.leftovers() if not key.startswith("webhooks/")])
