"""A task beyond a limit is refused, with its field, before anything is sent."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from aigc.tasks.vod_image import BASE64_LIMIT
from tests.unit.tasks.bodies import Body, clothes, image, refusal, scene, sent, task

if TYPE_CHECKING:
    from collections.abc import Iterable

CAT: Body = {"prompt": "a cat"}
TRY_ON = clothes("ai_try_on_config", 1, model="WAND-tryon-1.0-lite")


def files(count: int) -> list[Body]:
    return [{"file_id": "387702299774574677"}] * count


def images(count: int) -> list[Body]:
    return [{"image_url": "https://example.com/1.png"}] * count


def output(**config: object) -> Body:
    return {"output_config": config}


def size(text: object) -> Body:
    return {"ext_info": {"AdditionalParameters": {"size": text}}}


def model(name: str, version: str, *changes: Body) -> Body:
    body = image(model_name=name, model_version=version)
    for change in changes:
        body |= change
    return body


def mps(name: str | None, version: str | None, **changes: object) -> Body:
    return {**CAT, "model_name": name, "model_version": version, **changes}


REFUSED: list[tuple[str, Body, str, str]] = [
    # Every kind
    ("vod.image", image(session_id="s" * 51), "session_id", "at most 50 characters"),
    ("vod.image", image(session_context="s" * 1001), "session_context", "at most 1000 characters"),
    ("vod.image", image(tasks_priority=11), "tasks_priority", "less than or equal to 10"),
    ("vod.image", image(tasks_priority="-11"), "tasks_priority", "greater than or equal to -10"),
    # Something to draw
    ("mps.image", {"operator": "admin"}, "prompt", ""),
    ("vod.image", {"prompt": "a cat"}, "model_name", ""),
    # Outputs
    (
        "vod.image",
        image(**output(storage_mode="Forever")),
        "output_config.storage_mode",
        "'Temporary' or 'Permanent'",
    ),
    (
        "vod.image",
        image(**output(media_name="n" * 65)),
        "output_config.media_name",
        "at most 64 characters",
    ),
    (
        "vod.image",
        image(**output(expire_time="tomorrow")),
        "output_config.expire_time",
        "ISO 8601: 2027-01-31T12:00:00Z",
    ),
    ("vod.image", image(**output(class_id="x")), "output_config.class_id", "a valid integer"),
    (
        "vod.image",
        image(input_region="Moon"),
        "input_region",
        "'Mainland', 'Oversea' or 'OverseaUSWest'",
    ),
    # Inputs
    ("vod.image", image(file_infos=[{"text": "a house"}]), "file_infos.0.type", ""),
    (
        "vod.image",
        image(file_infos=[{"file_id": "1", "url": "https://example.com/1.png"}]),
        "file_infos.0.type",
        "",
    ),
    ("vod.image", image(file_infos=[{"type": "url", "file_id": "1"}]), "file_infos.0.url", ""),
    (
        "vod.image",
        image(file_infos=[{"url": "house.png"}]),
        "file_infos.0.url",
        "a URL that the vendor can fetch: https://…, http://… or cos://<bucket>/<key>",
    ),
    (
        "vod.image",
        image(file_infos=[{"base64": "an image"}]),
        "file_infos.0.base64",
        "an image in Base64, without a data: prefix",
    ),
    (
        "mps.image",
        {**CAT, "image_infos": [{"image_url": "387702299774574677"}]},
        "image_infos.0.image_url",
        "a URL that the vendor can fetch: https://…, http://… or cos://<bucket>/<key>",
    ),
    ("mps.image", {**CAT, "image_infos": [{}]}, "image_infos.0.image_url", "exactly one of them"),
    # Models of VOD
    ("vod.image", model("GG", "2.5", {"file_infos": files(4)}), "file_infos", "at most 3 (GG 2.5)"),
    (
        "vod.image",
        model("GG", "3.0", output(resolution="8K")),
        "output_config.resolution",
        "1K, 2K, 4K (GG 3.0)",
    ),
    (
        "vod.image",
        model("Hunyuan", "3.0", output(resolution="2K")),
        "output_config.resolution",
        "nothing, the model has no such parameter (Hunyuan 3.0)",
    ),
    (
        "vod.image",
        model("GEM", "3.0", output(aspect_ratio="1:8")),
        "output_config.aspect_ratio",
        "1:1, 3:2, 2:3, 3:4, 4:3, 4:5, 5:4, 9:16, 16:9, 21:9 (GEM 3.0)",
    ),
    (
        "vod.image",
        model("OG", "image2_low", output(output_image_count=9)),
        "output_config.output_image_count",
        "at most 8 (OG image2_low)",
    ),
    (
        "vod.image",
        image(**output(output_image_count=0)),
        "output_config.output_image_count",
        "greater than or equal to 1",
    ),
    (
        "vod.image",
        model("Kling", "3.0", {"scene_type": "3d_panorama"}),
        "scene_type",
        "image_expand (Kling 3.0)",
    ),
    # Models of MPS
    (
        "mps.image",
        mps("Hunyuan", "3.0", image_infos=images(4)),
        "image_infos",
        "at most 3 (Hunyuan 3.0)",
    ),
    (
        "mps.image",
        mps("Qwen", "0925", additional_parameters={"size": "511x512"}),
        "additional_parameters",
        "size <width>x<height> with 262144 to 4194304 pixels in all (Qwen 0925)",
    ),
    (
        "mps.image",
        mps("Qwen", "0925", additional_parameters="1024x1024"),
        "additional_parameters",
        'a JSON object: {"size":"1024x1024"}',
    ),
    (
        "mps.image",
        mps("Hunyuan", None, image_infos=images(6)),
        "image_infos",
        "at most 5 (Hunyuan 3.5-preview); at most 3 (Hunyuan 3.0)",
    ),
    ("mps.image", mps("GEM", "2.5", prompt="c" * 1001), "prompt", "at most 1000 (GEM 2.5)"),
    (
        "mps.image",
        mps("Vidu", "q2", output_image_count=2),
        "output_image_count",
        "at most 1 (Vidu q2)",
    ),
    # Scenes
    ("vod.scene_image", scene("ai_try_on"), "scene_info.ai_try_on_config", ""),
    ("vod.scene_image", scene("change_clothes"), "scene_info.change_clothes_config", ""),
    (
        "vod.scene_image",
        scene("outpainting", config=TRY_ON),
        "scene_info.ai_try_on_config",
        "no config",
    ),
    (
        "vod.scene_image",
        scene("product_image", config={**TRY_ON, "product_image_config": {}}),
        "scene_info.ai_try_on_config",
        "product_image_config",
    ),
    (
        "vod.scene_image",
        scene("ai_try_on", config=TRY_ON, images=2),
        "file_infos",
        "exactly 1 for ai_try_on",
    ),
    (
        "vod.scene_image",
        scene("ai_try_on", config=clothes("ai_try_on_config", 5, model="WAND-tryon-1.0-pro")),
        "scene_info.ai_try_on_config.clothes_file_infos",
        "at most 4 items",
    ),
    (
        "vod.scene_image",
        scene("ai_try_on", config=clothes("ai_try_on_config", 0, model="WAND-tryon-1.0-pro")),
        "scene_info.ai_try_on_config.clothes_file_infos",
        "at least 1 item",
    ),
    (
        "vod.scene_image",
        scene("ai_try_on", config=clothes("ai_try_on_config", 1, model="WAND-tryon-2.0")),
        "scene_info.ai_try_on_config.model",
        "'WAND-tryon-1.0-lite', 'WAND-tryon-1.0-flash' or 'WAND-tryon-1.0-pro'",
    ),
    (
        "vod.scene_image",
        scene("change_clothes_under", config=clothes("change_clothes_config", 2)),
        "scene_info.change_clothes_config.clothes_file_infos",
        "at most 1 for change_clothes_under",
    ),
    (
        "vod.scene_image",
        scene("change_clothes_top_wear", config=clothes("change_clothes_config", 1, prompt="red")),
        "scene_info.change_clothes_config.prompt",
        "",
    ),
    (
        "vod.scene_image",
        scene("product_image", config={"product_image_config": {}}, images=11),
        "file_infos",
        "1 to 10 for product_image",
    ),
    (
        "vod.scene_image",
        scene("outpainting", images=0),
        "file_infos",
        "at least 1 for outpainting",
    ),
    (
        "vod.scene_image",
        scene("product_image", config={"product_image_config": {"output_image_count": 11}}),
        "scene_info.product_image_config.output_image_count",
        "less than or equal to 10",
    ),
    (
        "vod.scene_image",
        scene("ai_try_on", config=TRY_ON, **output(aspect_ratio="1:1")),
        "output_config.aspect_ratio",
        "only for product_image, outpainting",
    ),
    (
        "vod.scene_image",
        scene("outpainting", **output(resolution="2K")),
        "output_config.resolution",
        "only for ai_try_on",
    ),
    (
        "vod.scene_image",
        scene("outpainting", **output(encode_config={"quality": 101})),
        "output_config.encode_config.quality",
        "less than or equal to 100",
    ),
    (
        "vod.scene_image",
        scene("outpainting", file_infos=[{"type": "Base64"}]),
        "file_infos.0.base64",
        "",
    ),
    (
        "vod.scene_image",
        scene("outpainting", file_infos=[{"file_id": "1", "text": "a house"}]),
        "file_infos.0.text",
        "type, file_id, url, base64",
    ),
]


def titles(cases: Iterable[tuple[str, Body, str, str]]) -> list[str]:
    return [f"{kind}-{field}-{number}" for number, (kind, _, field, _) in enumerate(cases)]


@pytest.mark.parametrize(("kind", "body", "field", "allowed"), REFUSED, ids=titles(REFUSED))
def test_a_task_beyond_a_limit_is_refused_by_field_and_with_what_is_allowed(
    kind: str, body: Body, field: str, allowed: str
) -> None:
    error = refusal(kind, body)

    assert (error.field, error.allowed) == (field, allowed)
    assert str(error).startswith(f"{field}: ")
    assert not error.retryable


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("vod.image", model("GG", "2.5", {"file_infos": files(3)})),
        ("vod.image", model("OG", "image2_high", output(output_image_count=8))),
        ("vod.image", model("GEM", "3.0", output(resolution="6198x2656"))),
        ("vod.image", image(session_id="s" * 50, session_context="c" * 1000, tasks_priority=-10)),
        ("vod.image", image(prompt=None, file_infos=files(1))),
        ("vod.image", image(**output(media_name="n" * 64))),
        ("mps.image", mps("Hunyuan", None, image_infos=images(5))),
        ("vod.scene_image", scene("change_clothes", config=clothes("change_clothes_config", 4))),
        (
            "vod.scene_image",
            scene("product_image", config={"product_image_config": {}}, images=10),
        ),
        ("vod.scene_image", scene("outpainting", **output(image_width=1, aspect_ratio="21:9"))),
    ],
)
def test_a_task_at_a_limit_passes(kind: str, body: Body) -> None:
    warnings = task(kind, body).warnings()

    assert not [warning for warning in warnings if "catalogue" in warning]


@pytest.mark.parametrize(
    ("name", "version", "text", "passes"),
    [
        ("Hunyuan", "3.0", "1024x1024", True),
        ("Hunyuan", "3.0", "2048x512", True),
        ("Hunyuan", "3.0", "511x1024", False),
        ("Hunyuan", "3.0", "1024x1025", False),
        ("Hunyuan", "3.0", "1024", False),
        ("Hunyuan", "3.0", 1024, False),
        ("OG", "image2_low", "3840x2160", True),
        ("OG", "image2_low", "1000x1024", False),
        ("OG", "image2_low", "640x640", False),
        ("OG", "image2_low", "3840x2176", False),
        ("GG", "3.0", "1x1", True),
    ],
)
def test_a_free_size_keeps_the_models_rule(
    name: str, version: str, text: object, *, passes: bool
) -> None:
    body = model(name, version, size(text))

    if passes:
        assert sent("vod.image", body)["ModelName"] == name
    else:
        assert refusal("vod.image", body).field == "ext_info"


@pytest.mark.parametrize(
    ("ratios", "passes"),
    [
        ({"up": 2}, True),
        ({"up": 2.1}, False),
        ({"left": -0.1}, False),
        ({"up": 1, "left": 1}, False),
        ({"up": "1"}, False),
    ],
)
def test_an_expansion_grows_the_image_threefold_at_most(
    ratios: dict[str, object], *, passes: bool
) -> None:
    named = {f"{side}_expansion_ratio": ratio for side, ratio in ratios.items()}
    body = model("Kling", "scene", {"ext_info": {"AdditionalParameters": named}})

    if passes:
        assert sent("vod.image", body)["ModelVersion"] == "scene"
    else:
        assert refusal("vod.image", body).field == "ext_info"


def test_a_size_that_comes_encoded_is_checked_too() -> None:
    encoded = r'{"AdditionalParameters": "{\"size\":\"5000x5000\"}"}'

    error = refusal("vod.image", model("Hunyuan", "3.0", {"ext_info": encoded}))

    assert error.field == "ext_info"


def test_images_in_base64_may_have_seven_megabytes_together() -> None:
    half = base64.b64encode(bytes(BASE64_LIMIT // 2)).decode()
    encoded = base64.b64encode(bytes(BASE64_LIMIT // 2 + 3)).decode()

    error = refusal("vod.image", image(file_infos=[{"base64": half}, {"base64": encoded}]))

    assert len(task("vod.image", image(file_infos=[{"base64": half}] * 2)).inputs()) == 2
    assert error.field == "file_infos"
    assert len(str(error)) < 300
