"""All spellings of the vendor's documents are accepted."""

from __future__ import annotations

import json

import pytest

from tests.unit.tasks.bodies import EXAMPLES, Body, clothes, image, refusal, scene, sent, task


@pytest.mark.parametrize(("kind", "body"), EXAMPLES)
def test_the_documents_examples_are_accepted(kind: str, body: Body) -> None:
    warnings = task(kind, body).warnings()

    assert not [warning for warning in warnings if "catalogue" in warning]


def test_the_gateways_example_is_sent_in_the_vendors_form() -> None:
    gateway_example = EXAMPLES[2][1]

    params = sent("vod.image", gateway_example)

    assert params["FileInfos"] == [
        {"Type": "File", "FileId": "387702299774574677", "Text": "原始图片的描述信息"}
    ]
    assert params["TasksPriority"] == 10
    assert "ExtInfo" not in params


def test_the_session_that_is_sent_is_the_jobs() -> None:
    body = image(session_id="mine", session_context="my context", sub_app_id=1)

    params = sent("vod.image", body)

    assert params["SubAppId"] == 1500000000
    assert params["SessionId"] == "0123456789abcdef-1"
    assert params["SessionContext"] == "0123456789abcdef"


def test_mps_gets_no_session_and_stores_where_the_job_says() -> None:
    body = {"prompt": "a cat", "session_id": "mine", "session_context": "x", "tasks_priority": 3}

    params = sent("mps.image", body)

    assert params == {
        "Prompt": "a cat",
        "StoreCosParam": {
            "CosBucketName": "results-1250000000",
            "CosBucketRegion": "ap-guangzhou",
            "CosBucketPath": "jobs/0123456789abcdef-1/",
        },
    }


def test_a_bucket_of_the_callers_own_is_warned_of() -> None:
    body = {"prompt": "a cat", "store_cos_param": {"cos_bucket_name": "elsewhere-1250000000"}}

    warnings = task("mps.image", body).warnings()

    assert warnings == ("store_cos_param was not sent: the results lie in the results bucket",)


@pytest.mark.parametrize(
    "body",
    [
        {"ModelName": "GG", "ModelVersion": "3.0", "Prompt": "a cat", "Seed": 1},
        {"ModelName": "GG", "model_version": "3.0", "Prompt": "a cat", "seed": "1"},
    ],
)
def test_keys_are_understood_in_both_spellings(body: Body) -> None:
    params = sent("vod.image", body)

    assert params["ModelName"] == "GG"
    assert params["Seed"] == 1


def test_a_key_in_both_spellings_at_once_is_refused() -> None:
    error = refusal("vod.image", {**image(), "Prompt": "a dog"})

    assert error.field == "Prompt"


@pytest.mark.parametrize("priority", ["10", 10, 10.0])
def test_a_number_may_be_text(priority: object) -> None:
    params = sent("vod.image", image(tasks_priority=priority))

    assert params["TasksPriority"] == 10
    assert isinstance(params["TasksPriority"], int)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"file_id": "1"}, {"Type": "File", "FileId": "1"}),
        ({"type": "file", "file_id": "1", "url": ""}, {"Type": "File", "FileId": "1"}),
        ({"type": "", "file_id": "1"}, {"Type": "File", "FileId": "1"}),
        ({"url": "https://e.com/1"}, {"Type": "Url", "Url": "https://e.com/1"}),
        ({"type": "URL", "url": "https://e.com/1"}, {"Type": "Url", "Url": "https://e.com/1"}),
        ({"Type": "Url", "Url": "https://e.com/1"}, {"Type": "Url", "Url": "https://e.com/1"}),
        (
            {"type": "Url", "url": "https://e.com/1", "file_id": "1"},
            {"Type": "Url", "Url": "https://e.com/1", "FileId": "1"},
        ),
        ({"base64": "iVBORw=="}, {"Type": "Base64", "Base64": "iVBORw=="}),
        (
            {"type": "BASE64", "base64": "data:image/png;base64,iVBORw=="},
            {"Type": "Base64", "Base64": "iVBORw=="},
        ),
    ],
)
def test_the_type_of_an_input_is_inferred_from_its_fields(file: Body, expected: Body) -> None:
    params = sent("vod.image", image(file_infos=[file]))

    assert params["FileInfos"] == [expected]


def test_inputs_of_a_scene_are_presigned_wherever_they_are() -> None:
    body = scene("change_clothes", config=clothes("change_clothes_config", 1))
    body["file_infos"] = [{"url": "cos://inbox/a model.png"}]
    body["scene_info"]["change_clothes_config"]["clothes_file_infos"] = [
        {"url": "cos://inbox/coat.png"}
    ]

    params = sent("vod.scene_image", body)

    signed = "https://inbox.example/signed/"
    assert params["FileInfos"] == [{"Type": "Url", "Url": f"{signed}a model.png"}]
    assert params["SceneInfo"]["ChangeClothesConfig"]["ClothesFileInfos"] == [
        {"Type": "Url", "Url": f"{signed}coat.png"}
    ]


@pytest.mark.parametrize(
    ("ext_info", "expected"),
    [
        ("myextinfo", "myextinfo"),
        ('{"AdditionalParameters": "{}"}', '{"AdditionalParameters": "{}"}'),
        ({"Mood": "calm", "deep": {"Key": 1}}, '{"Mood":"calm","deep":{"Key":1}}'),
        (
            {"AdditionalParameters": {"size": "1024x1024"}},
            r'{"AdditionalParameters":"{\"size\":\"1024x1024\"}"}',
        ),
        (
            {"additional_parameters": {"Size": "1024x1024"}},
            r'{"AdditionalParameters":"{\"Size\":\"1024x1024\"}"}',
        ),
        (
            {"AdditionalParameters": '{"size":"1024x1024"}'},
            r'{"AdditionalParameters":"{\"size\":\"1024x1024\"}"}',
        ),
    ],
)
def test_ext_info_may_be_text_or_an_object(ext_info: object, expected: str) -> None:
    params = sent("vod.image", image(ext_info=ext_info))

    assert params["ExtInfo"] == expected


@pytest.mark.parametrize("parameters", [{"size": "1024x1024"}, '{"size":"1024x1024"}'])
def test_additional_parameters_of_mps_may_be_text_or_an_object(parameters: object) -> None:
    params = sent("mps.image", {"prompt": "a cat", "additional_parameters": parameters})

    assert json.loads(params["AdditionalParameters"]) == {"size": "1024x1024"}


@pytest.mark.parametrize(
    ("kind", "value", "truth"),
    [
        ("vod.image", "enabled", True),
        ("vod.image", True, True),
        ("vod.image", "true", True),
        ("vod.image", 1, True),
        ("vod.image", "Disabled", False),
        ("vod.image", "FALSE", False),
        ("vod.image", 0, False),
        ("mps.image", "Enabled", True),
        ("mps.image", False, False),
    ],
)
def test_yes_and_no_are_understood_in_both_spellings_by_both(
    kind: str, value: object, *, truth: bool
) -> None:
    logo: Body = {"logo_add": value}
    outputs = {"output_config": logo} if kind == "vod.image" else {"extra_parameters": logo}

    params = sent(kind, image(model_name="New", enhance_prompt=value, **outputs))

    word = "Enabled" if truth else "Disabled"
    if kind == "vod.image":
        assert params["EnhancePrompt"] == params["OutputConfig"]["LogoAdd"] == word
    else:
        assert params["EnhancePrompt"] is truth
        assert params["ExtraParameters"]["LogoAdd"] == int(truth)


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_value_is_absent(value: object) -> None:
    body = image(
        negative_prompt=value,
        enhance_prompt=value,
        tasks_priority=value,
        session_id=value,
        seed=value,
        output_config={"resolution": value, "class_id": 0},
    )

    params = sent("vod.image", body)

    assert params["OutputConfig"] == {"ClassId": 0}
    assert not {"NegativePrompt", "EnhancePrompt", "TasksPriority", "Seed"} & set(params)


@pytest.mark.parametrize(
    ("name", "version", "resolution", "expected"),
    [
        ("gg", "3.1", "720p", ("GG", "3.1", "720P")),
        ("KLING", "o1", "4K", ("Kling", "O1", "4k")),
        ("vidu", "Q2", "1080P", ("Vidu", "q2", "1080p")),
        ("brand-New", "v1", "8K", ("brand-New", "v1", "8K")),
    ],
)
def test_words_are_sent_as_the_model_spells_them(
    name: str, version: str, resolution: str, expected: tuple[str, str, str]
) -> None:
    body = image(model_name=name, model_version=version, output_config={"resolution": resolution})

    params = sent("vod.image", body)

    sent_words = params["ModelName"], params["ModelVersion"], params["OutputConfig"]["Resolution"]
    assert sent_words == expected


def test_a_model_without_a_version_is_sent_without_one() -> None:
    params = sent("mps.image", {"model_name": "kling", "prompt": "a cat"})

    assert params["ModelName"] == "Kling"
    assert "ModelVersion" not in params


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (image(model_name="GGX"), "GGX is not in the catalogue of "),
        (image(model_version="9.9"), "version 9.9 of GG is not in the catalogue of "),
    ],
)
def test_a_model_newer_than_the_data_passes_with_a_warning(body: Body, warning: str) -> None:
    [text] = task("vod.image", body).warnings()

    assert text.startswith(warning)
    assert text.endswith(": its limits were not checked")


def test_a_scene_that_is_deprecated_passes_with_a_warning() -> None:
    body = scene("change_clothes", config=clothes("change_clothes_config", 1))

    warnings = task("vod.scene_image", body).warnings()

    assert warnings == ("the vendor has deprecated change_clothes: use ai_try_on",)


@pytest.mark.parametrize(
    ("kind", "body", "label", "prompt", "inputs"),
    [
        (
            "vod.image",
            image(file_infos=[{"file_id": "7"}, {"base64": "iVA="}]),
            "GG 3.0",
            "a cat",
            ("7", "2 bytes of Base64"),
        ),
        ("mps.image", {"prompt": "a cat"}, "default", "a cat", ()),
        (
            "mps.image",
            {"model_name": "Vidu", "image_infos": [{"image_url": "https://e.com/1"}]},
            "Vidu",
            "",
            ("https://e.com/1",),
        ),
        ("vod.scene_image", scene("outpainting"), "outpainting", "", ("387702299774574677",)),
        (
            "vod.scene_image",
            scene(
                "ai_try_on",
                config=clothes("ai_try_on_config", 1, model="wand-tryon-1.0-PRO", prompt="open"),
            ),
            "ai_try_on WAND-tryon-1.0-pro",
            "open",
            ("387702299774574677",) * 2,
        ),
    ],
)
def test_a_task_describes_itself_for_the_record_of_its_results(
    kind: str, body: Body, label: str, prompt: str, inputs: tuple[str, ...]
) -> None:
    parsed = task(kind, body)

    assert (parsed.model_label(), parsed.prompt_text(), parsed.inputs()) == (
        label,
        prompt,
        inputs,
    )
