"""A refusal names the value and what is allowed, and never shows an image."""

from __future__ import annotations

import pytest

from tests.unit.tasks.bodies import Body, image, refusal, scene


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("vod.image", [], "the request: a list of 0 is not allowed; allowed: an object"),
        ("vod.image", {}, "model_name: is required; model_version: is required"),
        (
            "vod.image",
            image(output_config=[]),
            "output_config: a list of 0 is not allowed; allowed: an object",
        ),
        (
            "vod.image",
            image(tasks_priority="high"),
            "tasks_priority: 'high' is not allowed; allowed: a valid integer",
        ),
        (
            "vod.image",
            image(model_version=3.0),
            "model_version: 3.0 is not allowed; allowed: a valid string",
        ),
        (
            "vod.image",
            image(output_config={"resolution": "8K"}),
            "output_config.resolution: '8K' is not allowed; allowed: 1K, 2K, 4K (GG 3.0)",
        ),
        ("vod.image", image(prompt=""), "prompt: is required without file_infos"),
        (
            "vod.scene_image",
            scene("ai_try_on"),
            "scene_info.ai_try_on_config: is required for ai_try_on",
        ),
    ],
)
def test_a_refusal_is_one_line_for_a_person(kind: str, body: object, text: str) -> None:
    error = refusal(kind, body)

    assert str(error) == text


@pytest.mark.parametrize(
    ("body", "field", "meant"),
    [
        (image(promt="a cat"), "promt", "prompt"),
        (image(OutputConfg={}), "OutputConfg", "output_config"),
        (image(output_config={"aspectRatio": "1:1"}), "output_config.aspectRatio", "aspect_ratio"),
        (image(file_infos=[{"fileid": "1"}]), "file_infos.0.fileid", "file_id"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(
    body: Body, field: str, meant: str
) -> None:
    error = refusal("vod.image", body)

    assert error.field.casefold().replace("_", "") == field.casefold().replace("_", "")
    assert f"did you mean {meant}?" in str(error)
    assert meant in error.allowed.split(", ")


def test_a_field_that_is_like_no_other_is_named_without_a_guess() -> None:
    error = refusal("mps.image", {"prompt": "a cat", "zzz": 1})

    assert error.field == "zzz"
    assert "did you mean" not in str(error)


def test_several_faults_are_named_together_up_to_five() -> None:
    config = {"storage_mode": "x", "class_id": "x", "media_name": "x" * 65, "output_format": "gif"}

    error = refusal("vod.image", image(tasks_priority=11, seed="x", output_config=config))

    assert error.field == "tasks_priority"
    assert "output_config.storage_mode" in str(error)
    assert str(error).endswith("; and 1 more")


def test_an_image_is_never_shown() -> None:
    content = "iVBORw0KGgo" * 100_000 + "!"

    errors = [
        refusal("vod.image", image(file_infos=[{"base64": content}])),
        refusal("vod.image", image(file_infos=[{"url": content}])),
    ]

    assert [len(str(error)) < 300 for error in errors] == [True, True]
    assert "iVBOR" not in str(errors[0])


def test_a_field_of_the_wrong_kind_is_named_by_its_path() -> None:
    error = refusal("vod.scene_image", scene("outpainting", file_infos="house.png"))

    assert error.field == "file_infos"
