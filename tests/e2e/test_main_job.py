"""The main job as a user meets it: uploads and calls become pictures."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import requests
from PIL import Image

from tests.e2e.stack import SAMPLES, Stack, wait_for

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


def tasks_about(stack: Stack, prompt: str) -> list[dict[str, Any]]:
    return [task for task in stack.tasks() if task["prompt"] == prompt]


@pytest.mark.parametrize("folder", ["anime", "product", "sketch"])
def test_an_upload_becomes_a_picture_beside_how_it_was_made(stack: Stack, folder: str) -> None:
    stack.upload(f"{folder}/pets/cat one+two.jpg", PHOTO)

    wait_for(lambda: f"{folder}/pets/cat one+two.json" in stack.results(folder))

    made = json.loads(stack.result(f"{folder}/pets/cat one+two.json"))
    drawn = Image.open(io.BytesIO(stack.result(made["pictures"][0]["key"])))
    assert (made["pictures"][0]["width"], made["pictures"][0]["height"]) == drawn.size
    assert made["source"]["key"] == f"{folder}/pets/cat one+two.jpg"
    assert made["vendor_task_id"] in {task["task_id"] for task in stack.tasks()}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_call_becomes_a_picture_that_opens_without_a_proxy(stack: Stack, endpoint: str) -> None:
    answer = stack.call(endpoint, ENDPOINTS[endpoint]).json()

    status = stack.ended(answer)
    result = stack.get(answer["response_url"]).json()

    assert status["status"] == "COMPLETED"
    [image] = result["images"]
    data = requests.get(image["url"], timeout=30)
    assert data.headers["Content-Type"] == image["content_type"]
    assert Image.open(io.BytesIO(data.content)).size == (image["width"], image["height"])


def test_the_relays_query_answers_in_the_vendors_form(stack: Stack) -> None:
    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    task_id = answer["Response"]["TaskId"]
    stack.ended(answer)

    detail = stack.get(f"/tencent-vod/v1/query/{task_id}").json()["Response"]

    assert (detail["Status"], detail["TaskType"]) == ("FINISH", "AigcImageTask")
    [file] = detail["AigcImageTask"]["Output"]["FileInfos"]
    assert requests.get(file["FileUrl"], timeout=30).ok


def test_an_uploads_own_prompt_replaces_the_rules(stack: Stack) -> None:
    stack.upload(
        "anime/own.jpg", PHOTO, **{"x-cos-meta-aigc-prompt": "a%20cat%20in%20%E6%B0%B4%E5%A2%A8"}
    )

    wait_for(lambda: "anime/own.json" in stack.results("anime/"))

    assert json.loads(stack.result("anime/own.json"))["prompt"] == "a cat in 水墨"


def test_what_no_rule_wants_and_what_is_no_picture_costs_nothing(stack: Stack) -> None:
    before = len(stack.tasks())

    stack.upload("elsewhere/cat.jpg", PHOTO)
    stack.upload("anime/empty.jpg", b"")
    stack.upload("anime/page.jpg", b"<html>not a picture</html>")
    reasons = wait_for(lambda: _refusals(stack, expected=3))

    assert "no rule fits its key" in reasons
    assert "it is empty" in reasons
    assert "not a JPEG, PNG or WebP" in reasons
    assert len(stack.tasks()) == before


def _refusals(stack: Stack, expected: int) -> str:
    refusals = [line for line in stack.log if "upload_not_wanted" in line]
    return "".join(refusals) if len(refusals) >= expected else ""


def test_the_upload_itself_is_not_touched(stack: Stack) -> None:
    stack.upload("sketch/kept.jpg", PHOTO)
    wait_for(lambda: "sketch/kept.json" in stack.results("sketch/"))

    kept = stack.cos().get_object(
        Bucket=stack.connection["buckets"]["inbox"], Key="sketch/kept.jpg"
    )

    assert kept["Body"].get_raw_stream().read() == PHOTO


def test_a_call_repeated_with_one_idempotency_key_is_one_task(stack: Stack) -> None:
    body = IMAGE | {"prompt": "one and the same"}

    answers = [
        stack.call("tencent-vod/v1/aigc-image", body, **{"Idempotency-Key": "k-1"}).json()
        for _ in range(3)
    ]
    stack.ended(answers[0])

    assert len({answer["request_id"] for answer in answers}) == 1
    assert len(tasks_about(stack, "one and the same")) == 1


def test_a_cos_event_delivered_three_times_is_one_task(stack: Stack) -> None:
    stack.fault("scf.upload", "repeat", times=2)

    stack.upload("anime/thrice.jpg", PHOTO, **{"x-cos-meta-aigc-prompt": "thrice"})
    wait_for(lambda: "anime/thrice.json" in stack.results("anime/"))

    assert len(tasks_about(stack, "thrice")) == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_lost_reply_is_paid_once_and_the_job_succeeds(stack: Stack, endpoint: str) -> None:
    actions = {
        "tencent-vod/v1/aigc-image": "vod.CreateAigcImageTask",
        "tencent-vod/v1/aigc-scene-image": "vod.CreateSceneAigcImageTask",
        "tencent-mps/v1/aigc-image": "mps.CreateAigcImageTask",
    }
    before = len(stack.tasks())
    stack.fault(actions[endpoint], "lost_reply")

    answer = stack.call(endpoint, ENDPOINTS[endpoint]).json()
    stack.ended(answer)

    assert stack.get(answer["response_url"]).status_code == 200
    assert len(stack.tasks()) == before + 1


@pytest.mark.parametrize(
    ("fault", "status", "error_type"),
    [
        ("task_failure:ModelGenerateFailed", 500, "task_failed"),
        ("task_failure:ContentModerationFailed", 422, "content_policy_violation"),
        ("task_failure:InvalidParameter.MediaFormat", 424, "refused"),
    ],
)
def test_a_task_that_fails_upstream_tells_the_caller_why(
    stack: Stack, fault: str, status: int, error_type: str
) -> None:
    stack.fault("vod.CreateAigcImageTask", fault)

    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    stack.ended(answer)
    result = stack.get(answer["response_url"])

    assert (result.status_code, result.json()["error_type"]) == (status, error_type)
    assert result.json()["upstream"]["code"] == fault.partition(":")[2]


def test_a_throttled_submission_succeeds_later(stack: Stack) -> None:
    stack.fault("vod.CreateAigcImageTask", "throttle", times=6)

    answer = stack.call("tencent-vod/v1/aigc-image", IMAGE).json()
    stack.ended(answer)

    assert stack.get(answer["response_url"]).status_code == 200


def test_a_callback_that_never_comes_is_made_up_for(stack: Stack) -> None:
    stack.fault("vod.callback", "drop")

    stack.upload("anime/unreported.jpg", PHOTO)

    wait_for(lambda: "anime/unreported.json" in stack.results("anime/"))


def test_only_keys_open_the_api(stack: Stack) -> None:
    url = f"{stack.gateway}/tencent-vod/v1/aigc-image"

    nobody = requests.post(url, json=IMAGE, timeout=30)
    stranger = requests.post(url, json=IMAGE, headers={"Authorization": "Key no"}, timeout=30)
    fal = {"Authorization": f"Key {stack.connection['api_key']}"}
    friend = requests.post(url, json=IMAGE, headers=fal, timeout=30)

    assert [nobody.status_code, stranger.status_code, friend.status_code] == [401, 401, 200]
    assert nobody.json()["error_type"] == stranger.json()["error_type"] == "unauthorized"
    assert requests.get(f"{stack.gateway}/health", timeout=30).json() == {"status": "ok"}


def test_a_value_outside_a_known_models_limits_names_field_and_choice(stack: Stack) -> None:
    before = len(stack.tasks())
    body = IMAGE | {"output_config": {"aspect_ratio": "7:5"}}

    answer = stack.call("tencent-vod/v1/aigc-image", body)

    assert answer.status_code == 422
    assert answer.json()["field"] == "output_config.aspect_ratio"
    assert "16:9" in answer.json()["allowed"]
    assert len(stack.tasks()) == before


def test_nothing_but_records_is_left_when_all_have_ended(stack: Stack) -> None:
    wait_for(stack.is_idle)

    # Webhooks of other modules, to receivers that do not exist, are tried for two hours.
    wait_for(lambda: not [key for key in stack.leftovers() if not key.startswith("webhooks/")])
