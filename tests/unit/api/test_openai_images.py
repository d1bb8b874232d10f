"""OpenAI's Images API: fields become a task, and a repeated call pays nothing."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api.openai import images
from aigc.errors import AmbiguousError
from tests.fakes import StoreFault, image_bytes
from tests.unit.api.test_keys import put_key, with_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.api.client import Answer, Client

GENERATE = "/openai/v1/images/generations"
EDIT = "/openai/v1/images/edits"
BODY = {"model": "gg-3.0", "prompt": "a lighthouse"}
IMAGE = base64.b64encode(image_bytes()).decode()
URL = "https://example.com/a.png"
ASYNC: dict[str, Any] = {"async": True}


class Vendor:
    """Ends tasks while a caller waits, or lets them run."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = client.world
        self.ends = "done"
        sleep = self.world.clock.sleep

        def sleep_and_end(seconds: float) -> None:
            sleep(seconds)
            self.end()

        monkeypatch.setattr(self.world.clock, "sleep", sleep_and_end)

    @property
    def created(self) -> int:
        return len(self.world.vendor.tasks)

    def end(self) -> None:
        for task in self.world.vendor.tasks:
            if task.state == "running" and self.ends == "done":
                self.world.vendor.finish(task)
            elif task.state == "running" and self.ends:
                self.world.vendor.fail(task, self.ends)


@pytest.fixture
def vendor(client: Client, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    return Vendor(client, monkeypatch)


def generate(client: Client, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return client.post(GENERATE, {**BODY, **fields}, **(headers or {}))


def sent(client: Client) -> dict[str, Any]:
    params: dict[str, Any] = client.world.vendor.tasks[-1].params
    return params


def retry(count: int) -> dict[str, str]:
    return {"X-Stainless-Retry-Count": str(count)}


def error(answer: Answer) -> dict[str, Any]:
    error: dict[str, Any] = answer.body["error"]
    return error


def while_it_waits(
    client: Client, monkeypatch: pytest.MonkeyPatch, call: Callable[[], Answer]
) -> list[Answer]:
    """Make another call the first time that a call waits; return the list of its answer."""
    sleep, answers = client.world.clock.sleep, list[Any]()

    def call_once(seconds: float) -> None:
        if not answers:
            answers.append(None)
            answers[0] = call()
        sleep(seconds)

    monkeypatch.setattr(client.world.clock, "sleep", call_once)
    return answers


# Answers


def test_generation_answers_with_the_image(client: Client, vendor: Vendor) -> None:
    answer = generate(client)

    [image] = answer.body["data"]
    job = client.get(f"/v1/jobs/{answer.body['request_id']}").body
    assert answer.status == 200
    assert image["url"].startswith("https://results-1250000000.cos.example/calls/")
    assert (answer.body["output_format"], answer.body["size"]) == ("png", "32x24")
    assert answer.headers["X-Fal-Request-Id"] == answer.body["request_id"]
    assert (job["kind"], job["model"], job["prompt"]) == ("vod.image", "GG 3.0", "a lighthouse")
    assert vendor.created == 1


@pytest.mark.usefixtures("vendor")
def test_image_is_in_the_answer_by_default(client: Client) -> None:
    answer = generate(client)

    [image] = answer.body["data"]
    assert base64.b64decode(image["b64_json"]).startswith(b"\x89PNG")


@pytest.mark.usefixtures("vendor")
def test_answer_may_have_only_urls(client: Client) -> None:
    answer = generate(client, response_format="url")

    [image] = answer.body["data"]
    assert image.keys() == {"url"}
    assert answer.body["warnings"] == []


@pytest.mark.usefixtures("vendor")
def test_image_too_large_for_an_answer_is_answered_as_url(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "LARGEST_ANSWER", 10)

    answer = generate(client, response_format="b64_json")

    [image] = answer.body["data"]
    assert image.keys() == {"url"}
    assert "get them by their url" in answer.body["warnings"][0]


def test_async_answers_at_once_with_the_urls_of_the_queue(client: Client, vendor: Vendor) -> None:
    answer = generate(client, **ASYNC)
    vendor.end()

    status = client.get(answer.body["status_url"].removeprefix(client.base_url))
    assert (answer.status, answer.body["data"], answer.body["status"]) == (200, [], "IN_QUEUE")
    assert answer.body["id"] == answer.body["request_id"]
    assert (status.status, status.body["status"]) == (200, "COMPLETED")


# Repeats


def test_a_wait_that_ends_early_is_answered_with_504_and_the_job_continues(
    client: Client, vendor: Vendor
) -> None:
    vendor.ends = ""
    late = generate(client)
    vendor.ends = "done"
    second = generate(client)

    assert (late.status, error(late)["code"]) == (504, "request_in_progress")
    assert late.headers["x-should-retry"] == "true"
    assert (second.status, second.body["request_id"]) == (200, error(late)["request_id"])
    assert vendor.created == 1


def test_two_deliberate_calls_make_two_images(client: Client, vendor: Vendor) -> None:
    answers = [generate(client) for _ in range(2)]

    assert len({answer.body["request_id"] for answer in answers}) == 2
    assert vendor.created == 2


def test_repeat_of_the_sdk_gets_what_was_answered_to_the_attempt_before(
    client: Client, vendor: Vendor
) -> None:
    first = generate(client, retry(0))
    second = generate(client, retry(1))
    third = generate(client, retry(2))

    assert first.body["data"] == second.body["data"] == third.body["data"]
    assert vendor.created == 1


def test_each_number_of_a_repeat_gets_an_image_once(client: Client, vendor: Vendor) -> None:
    """The second call's first attempt was lost on its way to the service."""
    first = generate(client, retry(1))
    other = generate(client, retry(1))

    assert first.body["request_id"] != other.body["request_id"]
    assert vendor.created == 2


def test_repeat_long_after_the_answer_is_another_call(client: Client, vendor: Vendor) -> None:
    first = generate(client, retry(0))
    client.world.clock.pass_time(16 * 60)
    other = generate(client, retry(1))

    assert first.body["request_id"] != other.body["request_id"]
    assert vendor.created == 2


def test_repeat_of_a_call_whose_first_attempt_just_begins_finds_it(
    client: Client, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = generate(client, retry(0))
    begun = while_it_waits(client, monkeypatch, lambda: generate(client, retry(0), **ASYNC))

    repeated = generate(client, retry(1))

    assert repeated.body["request_id"] == begun[0].body["request_id"]
    assert repeated.body["request_id"] != before.body["request_id"]
    assert vendor.created == 2


def test_calls_at_the_same_time_are_one_request(
    client: Client, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = while_it_waits(client, monkeypatch, lambda: generate(client))

    answer = generate(client)
    later = generate(client)

    assert others[0].body["request_id"] == answer.body["request_id"]
    assert later.body["request_id"] != answer.body["request_id"]
    assert vendor.created == 2


def test_death_before_the_record_leaves_the_image_to_the_next_call(
    client: Client, vendor: Vendor
) -> None:
    fault = StoreFault("put handouts/", RuntimeError("killed"))
    client.world.store.faults.append(fault)
    dead = generate(client)
    next_answer = generate(client)

    assert dead.status == 500
    assert next_answer.status == 200
    assert vendor.created == 1


def test_death_after_the_record_leaves_the_image_to_the_repeat(
    client: Client, vendor: Vendor
) -> None:
    fault = StoreFault("put handouts/", RuntimeError("killed"), takes_effect=True)
    client.world.store.faults.append(fault)
    dead = generate(client, retry(0))
    repeated = generate(client, retry(1))

    assert (dead.status, repeated.status) == (500, 200)
    assert vendor.created == 1


def test_record_whose_answer_is_lost_is_written_again(client: Client, vendor: Vendor) -> None:
    client.world.store.faults.append(StoreFault("put handouts/", AmbiguousError("put")))

    assert generate(client).status == 200
    assert generate(client).status == 200
    assert vendor.created == 2


def test_idempotency_key_names_a_request_for_ever(client: Client, vendor: Vendor) -> None:
    name = {"Idempotency-Key": "one"}
    first, second = generate(client, name), generate(client, name)
    other = generate(client, {"Idempotency-Key": "two"})

    assert first.body["request_id"] == second.body["request_id"] != other.body["request_id"]
    assert vendor.created == 2
    assert client.world.ledger_keys("handouts/") == []


@pytest.mark.usefixtures("vendor")
def test_idempotency_key_with_another_body_is_refused(client: Client) -> None:
    name = {"Idempotency-Key": "one"}
    generate(client, name)
    answer = generate(client, name, prompt="a ship")

    assert (answer.status, error(answer)["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("change", [{"prompt": "a ship"}, {"user": "anna"}])
def test_other_bodies_are_other_requests(
    client: Client, vendor: Vendor, change: dict[str, Any]
) -> None:
    vendor.ends = ""
    first, other = generate(client), generate(client, **change)

    assert error(first)["request_id"] != error(other)["request_id"]


def test_another_key_with_the_same_body_makes_another_request(
    client: Client, vendor: Vendor
) -> None:
    vendor.ends = ""
    first = generate(client)
    other = generate(client, {"Authorization": "Bearer other-key"})

    assert error(first)["request_id"] != error(other)["request_id"]


def test_failure_is_answered_once_and_the_next_call_tries_anew(
    client: Client, vendor: Vendor
) -> None:
    vendor.ends = "InvalidParameter.VoilationContent"
    failed = generate(client, retry(0))
    repeated = generate(client, retry(1))
    vendor.ends = "done"
    later = generate(client, retry(0))

    assert (failed.status, error(failed)["code"]) == (400, "moderation_blocked")
    assert failed.headers["x-should-retry"] == "false"
    assert error(repeated) == error(failed)
    assert later.status == 200
    assert vendor.created == 2


# Keys


def test_repeat_finds_its_image_where_the_key_has_no_jobs_left(
    client: Client, vendor: Vendor
) -> None:
    caller = with_key(client, put_key(client.world, jobs_per_day=1))
    vendor.ends = ""
    late = generate(caller)
    vendor.ends = "done"
    accepted, refused = generate(caller), generate(caller)

    assert (late.status, accepted.status) == (504, 200)
    assert (refused.status, error(refused)["code"]) == (429, "insufficient_quota")
    assert refused.headers["x-should-retry"] == "false"
    assert vendor.created == 1


def test_refused_call_costs_the_key_nothing(client: Client, vendor: Vendor) -> None:
    caller = with_key(client, put_key(client.world, jobs_per_day=1))
    body = {**BODY, "image": "cos://inbox-1250000000/private.png"}

    assert caller.post(EDIT, body).status == 400
    assert generate(caller).status == 200
    assert vendor.created == 1


def test_rate_limit_is_answered_in_openais_form(client: Client) -> None:
    caller = with_key(client, put_key(client.world, requests_per_minute=1))
    caller.get("/openai/v1/models")
    answer = caller.get("/openai/v1/models")

    assert (answer.status, error(answer)["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["x-should-retry"] == "true"
    assert answer.headers["Retry-After"]


def test_key_uses_and_sees_the_models_of_its_kinds(client: Client) -> None:
    caller = with_key(client, put_key(client.world, kinds=["mps.image"]))
    refused = generate(caller)

    assert {name.partition("/")[0] for name in listed(caller) if "/" in name} == {"mps.image"}
    assert caller.get("/openai/v1/models/gg-3.0").status == 404
    assert (refused.status, error(refused)["code"]) == (403, "forbidden")


# Errors


@pytest.mark.parametrize(
    ("err_code_ext", "status", "code"),
    [("ModelGenerateFailed", 500, "task_failed"), ("InvalidParameter", 400, "refused")],
)
def test_failure_of_the_vendor_is_an_error(
    client: Client, vendor: Vendor, err_code_ext: str, status: int, code: str
) -> None:
    vendor.ends = err_code_ext
    answer = generate(client)

    assert answer.status == status
    assert answer.headers["x-should-retry"] == "false"
    assert err_code_ext in error(answer)["message"]
    assert error(answer)["code"] in {code, "task_failed"}


@pytest.mark.parametrize("path", [GENERATE, "/openai/v1/chat/completions"])
def test_wrong_key_is_answered_in_openais_form(client: Client, path: str) -> None:
    answer = client.post(path, BODY, Authorization="Bearer nobodys")

    assert (answer.status, error(answer)["code"]) == (401, "invalid_api_key")
    assert error(answer)["type"] == "invalid_request_error"


def test_unknown_path_is_answered_in_openais_form(client: Client) -> None:
    answer = client.post("/openai/v1/chat/completions", BODY)

    assert (answer.status, error(answer)["code"]) == (404, "not_found")


def test_unexpected_error_is_answered_in_openais_form(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(images, "read_request", crash)
    answer = generate(client)

    assert (answer.status, error(answer)["type"]) == (500, "server_error")


@pytest.mark.parametrize(
    ("fields", "param", "hint"),
    [
        ({"model": ""}, "model", "/models"),
        ({"prompt": ""}, "prompt", "required"),
        ({"n": 0}, "n", "1"),
        ({"n": 2}, "n", "GG"),
        ({"n": "two"}, "n", "1 to 10"),
        ({"n": True}, "n", "1 to 10"),
        ({"size": "100x100"}, "size", "1K"),
        ({"size": "1024x5000"}, "size", "16:9"),
        ({"size": "large"}, "size", "auto"),
        ({"quality": "best"}, "quality", "low, medium, high"),
        ({"output_format": "webp"}, "output_format", "png, jpeg"),
        ({"background": "transparent"}, "background", "opaque"),
        ({"response_format": "svg"}, "response_format", "url, b64_json"),
        ({"stream": True}, "stream", "false"),
        ({"partial_images": 2}, "stream", "partial_images"),
        ({"svg": {"model": "x"}}, "svg", "no model"),
        ({"async": "perhaps"}, "async", "true, false"),
        ({"promt": "x"}, "promt", "prompt"),
        ({"size": "1024x1024", "output_config": {"resolution": "4K"}}, "size", "one of the two"),
        ({"model": "gg-3.0", "model_name": "Kling"}, "model", "one of the two"),
        ({"output_format": "png", "output_config": "x"}, "output_config", "object"),
        ({"model": "og-image2_low", "quality": "high"}, "quality", "low"),
        (
            {"model": "og-image2", "background": "transparent", "output_format": "jpeg"},
            "background",
            "png",
        ),
    ],
)
def test_wrong_field_is_named_before_anything_is_paid(
    client: Client, fields: dict[str, Any], param: str, hint: str
) -> None:
    answer = generate(client, **fields)

    assert (answer.status, error(answer)["param"]) == (400, param)
    assert hint in error(answer)["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert client.world.vendor.tasks == []


FIELDS = (
    *("model", "prompt", "n", "size", "quality", "output_format", "background", "response_format"),
    *("user", "safety_identifier", "image", "mask", "async", "stream", "partial_images", "svg"),
    *("style", "moderation", "output_compression", "result", "webhook_url", "output_config"),
    *("ext_info", "file_infos", "session_id", "model_name", "seed"),
)
ODD: tuple[Any, ...] = (None, "", "x" * 5000, -1, 1.5, True, [], [None], {"a": 1}, "é\u0000")


def test_no_value_of_a_field_crashes_a_call(client: Client) -> None:
    for field, odd in itertools.product(FIELDS, ODD):
        body = {**BODY, "image": URL, **ASYNC, field: odd}
        if field == "async":
            body["n"] = 99

        assert client.post(EDIT, body).status in {200, 400, 404}, (field, odd)


@pytest.mark.parametrize("model", ["gpt-image-1", "vod.image/GG", "nowhere/gg-3.0", "gg"])
def test_unknown_model_is_404(client: Client, model: str) -> None:
    answer = generate(client, model=model)

    assert (answer.status, error(answer)["code"]) == (404, "model_not_found")
    assert error(answer)["param"] == "model"


# Fields


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({"size": "auto"}, {}),
        ({"size": None, "n": None, "quality": None}, {}),
        ({"size": "1024x1024"}, {"OutputConfig": {"AspectRatio": "1:1", "Resolution": "1K"}}),
        ({"size": "1024x1792"}, {"OutputConfig": {"AspectRatio": "9:16", "Resolution": "1K"}}),
        ({"size": "3840x2160"}, {"OutputConfig": {"AspectRatio": "16:9", "Resolution": "4K"}}),
        (
            {"model": "vod.image/OG-image2_low", "size": "1024x1536", "n": 3},
            {
                "ModelVersion": "image2_low",
                "ExtInfo": '{"AdditionalParameters":"{\\"size\\":\\"1024x1536\\"}"}',
                "OutputConfig": {"OutputImageCount": 3},
            },
        ),
        ({"model": "og-image2", "quality": "high"}, {"ModelVersion": "image2_high"}),
        ({"model": "OG-image2"}, {"ModelVersion": "image2_medium"}),
        ({"model": "og-image2_high", "quality": "standard"}, {"ModelVersion": "image2_high"}),
        (
            {"model": "og-image2", "background": "transparent", "output_format": "png"},
            {
                "ExtInfo": '{"AdditionalParameters":"{\\"background\\":\\"transparent\\"}"}',
                "OutputConfig": {"OutputFormat": "png"},
            },
        ),
        ({"model": "gem-3.0", "size": "1024x1024"}, {"OutputConfig": {"Resolution": "1024x1024"}}),
        (
            {"model": "vidu-q2", "size": "1920x1080"},
            {"OutputConfig": {"AspectRatio": "16:9", "Resolution": "1080p"}},
        ),
        (
            {"model": "mps.image/hunyuan-3.0", "size": "1024x768"},
            {"AdditionalParameters": '{"size":"1024x768"}'},
        ),
        (
            {"model": "mps.image/kling-2.1", "size": "1536x1024", "output_format": "JPEG"},
            {
                "ExtraParameters": {
                    "AspectRatio": "3:2",
                    "Resolution": "1080P",
                    "OutputFormat": "jpeg",
                }
            },
        ),
        ({"model": "vod.image/New-9.0-x"}, {"ModelName": "New", "ModelVersion": "9.0-x"}),
        ({"seed": 7, "negative_prompt": "fog"}, {"Seed": 7, "NegativePrompt": "fog"}),
        (
            {"size": "1024x1024", "OutputConfig": {"LogoAdd": True}},
            {"OutputConfig": {"AspectRatio": "1:1", "Resolution": "1K", "LogoAdd": "Enabled"}},
        ),
    ],
)
def test_fields_become_parameters_of_the_task(
    client: Client, fields: dict[str, Any], params: dict[str, Any]
) -> None:
    assert generate(client, **fields, **ASYNC).status == 200

    assert {name: sent(client)[name] for name in params} == params


@pytest.mark.parametrize("fields", [{"quality": "high"}, {"style": "vivid"}])
def test_field_without_meaning_is_ignored_with_a_warning(
    client: Client, fields: dict[str, Any]
) -> None:
    answer = generate(client, **fields, **ASYNC)

    [name] = fields
    assert [name in warning and "ignored" in warning for warning in answer.body["warnings"]] == [
        True
    ]


def test_newer_model_passes_with_a_warning(client: Client) -> None:
    answer = generate(client, model="vod.image/gg-9.9", size="1024x1024", **ASYNC)

    assert "not in the catalogue" in answer.body["warnings"][0]
    assert sent(client)["ModelName"] == "GG"


# Edits


@pytest.mark.parametrize(
    ("model", "image"),
    [
        ("gg-3.0", URL),
        ("gg-3.0", [URL]),
        ("gg-3.0", {"image_url": URL}),
        ("gg-3.0", [{"url": URL}]),
        ("mps.image/vidu-q2", URL),
    ],
)
def test_edit_accepts_images_by_url(client: Client, model: str, image: object) -> None:
    body = {"model": model, "prompt": "winter", "image": image, "async": True}
    assert client.post(EDIT, body).status == 200

    params = sent(client)
    urls = [item.get("Url") for item in params.get("FileInfos", [])]
    urls += [item.get("ImageUrl") for item in params.get("ImageInfos", [])]
    assert urls == [URL]


@pytest.mark.parametrize("image", [IMAGE, f"data:image/png;base64,{IMAGE}"])
def test_edit_accepts_images_in_base64(client: Client, image: str) -> None:
    body = {**BODY, "image": [image, image], "async": True}
    assert client.post(EDIT, body).status == 200

    urls = [file_info["Url"] for file_info in sent(client)["FileInfos"]]
    assert len(urls) == 2
    assert all(".aigc/inputs/" in url for url in urls)


def test_mask_is_for_the_model_that_has_it(client: Client) -> None:
    body = {"prompt": "winter", "image": URL, "mask": URL, "async": True}
    taken = client.post(EDIT, {**body, "model": "og-image2"})
    refused = client.post(EDIT, {**body, "model": "gg-3.0"})

    assert taken.status == 200
    assert sent(client)["FileInfos"][1]["ReferenceType"] == "mask"
    assert (refused.status, error(refused)["param"]) == (400, "mask")


@pytest.mark.parametrize("image", [None, [], [3], {"file_id": "x"}])
def test_edit_without_an_image_is_refused(client: Client, image: object) -> None:
    answer = client.post(EDIT, {**BODY, "image": image})

    assert (answer.status, error(answer)["param"]) == (400, "image")
    assert client.world.vendor.tasks == []


# Models


def listed(client: Client) -> Iterator[str]:
    return (model["id"] for model in client.get("/openai/v1/models").body["data"])


def test_models_have_full_and_short_names(client: Client) -> None:
    names = set(listed(client))

    assert {"vod.image/gg-3.0", "gg-3.0", "mps.image/kling-2.1", "kling-2.1", "og-image2"} <= names
    assert {"og-image2_low", "vod.image/og-image2"} <= names


@pytest.mark.parametrize("name", ["GG-3.0", "vod.image%2Fgg-3.0"])
def test_one_model_is_described(client: Client, name: str) -> None:
    answer = client.get(f"/openai/v1/models/{name}")

    assert (answer.status, answer.body["object"]) == (200, "model")
    assert answer.body["owned_by"] == "tencent-vod"


def test_model_that_is_not_there_is_404(client: Client) -> None:
    answer = client.get("/openai/v1/models/gpt-image-1")

    assert (answer.status, error(answer)["code"]) == (404, "model_not_found")


def test_every_listed_model_can_be_used(client: Client) -> None:
    for name in listed(client):
        assert generate(client, model=name, **ASYNC).status == 200


def test_short_name_is_that_of_the_first_kind(client: Client) -> None:
    generate(client, model="kling-2.1", **ASYNC)

    assert client.world.vendor.tasks[-1].action == "CreateAigcImageTask"
    assert "SubAppId" in sent(client)
