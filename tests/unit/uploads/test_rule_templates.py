"""Templates of a rule; values of an upload cannot leave their part of a path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import InvalidRequestError
from aigc.uploads.rules import Rules
from aigc.uploads.templates import MissingMetadataError
from tests.unit.uploads.test_rules import (
    JOB,
    TASK,
    a_rule,
    an_upload,
    location_of,
    refused,
    rule,
    task_of,
)

if TYPE_CHECKING:
    from aigc.tasks.kind import Task
    from aigc.uploads.conditions import UploadFacts

STYLES = {"type": "Url", "url": "https://example.com/styles/{meta.style}.png"}
KEY = "anime/2026/my cat.tar.jpg"


def with_metadata(key: str, metadata: dict[str, str]) -> UploadFacts:
    return replace(an_upload(key), metadata=metadata)


def prompt_of(prompt: str, **metadata: str) -> str:
    return task_of(rule(task=TASK | {"prompt": prompt}), with_metadata(KEY, metadata)).prompt_text()


def inputs_of(url: str, key: str = KEY, **metadata: str) -> tuple[str, ...]:
    wanted = rule(task=TASK | {"file_infos": [{"url": url}]})
    return task_of(wanted, with_metadata(key, metadata)).inputs()[1:]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{folder}", "anime/2026/"),
        ("{parent}", "2026"),
        ("{name}", "my cat.tar.jpg"),
        ("{stem}", "my cat.tar"),
        ("{extension}", "jpg"),
        ("{rule} on {date}", "anime on 2026-11-20"),
        ("{job}", JOB),
        ("as {meta.style}, {meta.mood|calm}", "as ink, calm"),
        ("{meta.style|oil}", "ink"),
        ("{{stem}} {{", "{stem} {"),
    ],
)
def test_template_is_filled_from_key_and_metadata(template: str, text: str) -> None:
    assert prompt_of(template, style="ink") == text


def test_metadata_is_not_read_as_a_template() -> None:
    assert prompt_of("as {meta.style}", style="{stem} {job}") == "as {stem} {job}"


def test_prompt_of_the_upload_is_not_read_as_a_template() -> None:
    made = task_of(rule(), an_upload(prompt="{stem} in {braces"))

    assert made.prompt_text() == "{stem} in {braces"


def test_scene_gets_texts_and_clothes_of_the_upload() -> None:
    config = {
        "model": "WAND-tryon-1.0-lite",
        "clothes_file_infos": [{"url": "https://example.com/{meta.coat}.png"}],
        "prompt": "the coat of {stem}",
    }
    scene = {"type": "ai_try_on", "ai_try_on_config": config}
    wanted = rule(kind="vod.scene_image", task={"scene_info": scene})

    made = task_of(wanted, an_upload("anime/eve.png", coat="red coat"))

    assert made.prompt_text() == "the coat of eve"
    assert "https://example.com/red%20coat.png" in made.model_dump_json()


@pytest.mark.parametrize(
    "text", ['{"AdditionalParameters": {"size": "{meta.edge}"}}', '{"size": "{meta.edge}"}']
)
def test_json_in_a_text_is_filled_without_breaking_it(text: str) -> None:
    task = TASK | {"model_name": "Newer", "ext_info": text}

    made = task_of(rule(task=task), an_upload(edge='1", "n": "2'))

    assert '\\"n\\"' in made.model_dump()["ext_info"]


def test_json_without_placeholders_stays_as_it_is_written() -> None:
    text = '{"AdditionalParameters":  {"size":"1024x1024"}}'

    made = task_of(rule(task=TASK | {"model_name": "Newer", "ext_info": text}))

    assert made.model_dump()["ext_info"] == text


def test_parameters_given_as_a_table_are_filled_too() -> None:
    task = TASK | {"model_name": "Newer", "ext_info": {"AdditionalParameters": {"s": "{stem}"}}}

    made = task_of(rule(task=task), an_upload("anime/cat.png"))

    assert "cat" in made.model_dump()["ext_info"]


@pytest.mark.parametrize(
    ("url", "style", "filled"),
    [
        (
            "https://example.com/{meta.style}.png",
            "a b?c#d%",
            "https://example.com/a%20b%3Fc%23d%25.png",
        ),
        ("https://example.com/{folder}x.png", "", "https://example.com/anime/2026/x.png"),
        ("cos://styles-1250000000/{meta.style}.png", "a b", "cos://styles-1250000000/a b.png"),
    ],
)
def test_url_is_filled_with_encoded_values(url: str, style: str, filled: str) -> None:
    assert inputs_of(url, style=style) == (filled,)


@pytest.mark.parametrize(
    ("place", "style"),
    [
        *(
            ("https://example.com/", style)
            for style in ("../secret", "a/b", "..", "a\\b", "a\nb", "a\u202eb")
        ),
        ("cos://styles-1250000000/", "../secret"),
    ],
)
def test_metadata_cannot_leave_its_place_in_a_url(place: str, style: str) -> None:
    with pytest.raises(InvalidRequestError, match="one part of a path"):
        inputs_of(place + "{meta.style}/a.png", style=style)


def test_key_cannot_leave_its_place_in_a_url() -> None:
    with pytest.raises(InvalidRequestError, match=r"value of \{stem\}"):
        inputs_of("cos://styles-1250000000/x/{stem}/a.png", "anime/...png")


@pytest.mark.parametrize(
    ("changes", "style"),
    [
        *(({"results": "{meta.style}/{folder}"}, style) for style in ("..", "a/b", "\x00", "/etc")),
        ({"results_name": "{meta.style}-{name}"}, "a/b"),
    ],
)
def test_metadata_cannot_leave_its_place_in_the_results(
    changes: dict[str, str], style: str
) -> None:
    with pytest.raises(InvalidRequestError):
        location_of(rule(**changes), an_upload(style=style))


def test_results_cannot_go_to_the_functions_own_folder() -> None:
    with pytest.raises(InvalidRequestError, match=r"not below \.aigc/"):
        location_of(rule(results="{meta.style}/{folder}"), an_upload(style=".aigc"))


def test_results_have_a_longest_key() -> None:
    with pytest.raises(InvalidRequestError, match="at most 770 bytes"):
        location_of(rule(results="{meta.style}/{folder}"), an_upload(style="长" * 300))


def test_value_has_a_longest_length() -> None:
    with pytest.raises(InvalidRequestError, match="1001 characters"):
        prompt_of("{meta.style}", style="x" * 1001)


def test_control_characters_of_metadata_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="control characters"):
        prompt_of("{meta.style}", style="a\x07")


@pytest.mark.parametrize(
    "changes",
    [
        {"task": TASK | {"prompt": "as {meta.style}"}},
        {"task": TASK | {"file_infos": [STYLES]}},
        {"results": "{meta.style}/{folder}"},
        {"results_name": "{meta.style}-{name}"},
    ],
)
def test_missing_metadata_is_named(changes: dict[str, Any]) -> None:
    wanted = rule(**changes)

    with pytest.raises(MissingMetadataError, match="no metadata x-cos-meta-aigc-style"):
        _ = task_of(wanted), location_of(wanted, an_upload())


def test_metadata_with_an_empty_default_may_be_missing() -> None:
    assert location_of(rule(results="{meta.style|}/{folder}"), "anime/a.png") == "anime/a.png"


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"task": TASK | {"prompt": "a {meta.Style}"}}, ["task", "{meta.Style} is not one"]),
        ({"task": TASK | {"prompt": "a {stem"}}, ["task", "a brace without its counterpart"]),
        ({"task": TASK | {"file_infos": [{"url": "cos://{stem}/a.png"}]}}, ["only after its host"]),
        ({"task": TASK | {"file_infos": [{"url": "{meta.url}"}]}}, ["only after its host"]),
        ({"results_name": "{folder}-{name}"}, ["results_name", "{folder} has slashes"]),
        ({"results_name": "a/{name}"}, ["results_name", "without a slash"]),
        ({"results_name": "{nam}"}, ["results_name", "{nam} is not one"]),
    ],
)
def test_wrong_template_is_refused(changes: dict[str, Any], parts: list[str]) -> None:
    message = refused(a_rule(**changes))

    assert [part for part in parts if part not in message] == []


def test_parameter_that_only_an_upload_decides_is_checked_then() -> None:
    task = TASK | {"output_config": {"aspect_ratio": "{meta.ratio}"}}
    wanted = rule(task=task)

    made = task_of(wanted, an_upload(ratio="16:9"))

    assert made.model_dump()["output_config"]["aspect_ratio"] == "16:9"
    with pytest.raises(InvalidRequestError, match=r"aspect_ratio: '7:1'"):
        task_of(wanted, an_upload(ratio="7:1"))


def test_wrong_parameter_is_refused_beside_one_with_a_placeholder() -> None:
    output = {"aspect_ratio": "{meta.ratio}", "output_format": "gif"}

    assert "task: output_config.output_format" in refused(
        a_rule(task=TASK | {"output_config": output})
    )


def test_wrong_default_is_refused() -> None:
    output = {"aspect_ratio": "{meta.ratio|7:1}"}

    assert "'7:1' is not allowed" in refused(a_rule(task=TASK | {"output_config": output}))


# Options that each kind spells differently

OTHERS: dict[str, dict[str, Any]] = {
    "vod.image": {"model_name": "Kling", "model_version": "2.1", "prompt": "x"},
    "vod.scene_image": {"scene_info": {"type": "product_image", "product_image_config": {}}},
    "mps.image": {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "x"},
}


def with_options(kind: str, **options: Any) -> Task:
    return task_of(rule(kind=kind, task=OTHERS[kind], **options))


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("vod.image", "output_config.output_image_count"),
        ("vod.scene_image", "scene_info.product_image_config.output_image_count"),
        ("mps.image", "output_image_count"),
    ],
)
def test_number_of_images_is_set_for_each_kind(kind: str, path: str) -> None:
    assert value_at(with_options(kind, images=1), path) == 1


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("vod.image", "output_config.output_format"),
        ("vod.scene_image", "output_config.encode_config.format"),
        ("mps.image", "extra_parameters.output_format"),
    ],
)
def test_output_format_is_set_for_each_kind(kind: str, path: str) -> None:
    assert str(value_at(with_options(kind, output_format="png"), path)).lower() == "png"


@pytest.mark.parametrize("kind", OTHERS)
def test_priority_is_set_for_each_kind(kind: str) -> None:
    assert with_options(kind, priority=-3).tasks_priority == -3


def test_option_and_parameter_for_the_same_thing_are_refused() -> None:
    task = TASK | {"OutputConfig": {"OutputFormat": "png"}}

    assert "task: output_format: is set twice" in refused(a_rule(task=task, output_format="png"))


def test_option_that_the_scene_lacks_is_refused() -> None:
    task = {"scene_info": {"type": "outpainting"}}

    assert "task: scene_info" in refused(a_rule(kind="vod.scene_image", task=task, images=2))


# Results of one name


@pytest.mark.parametrize(
    ("changes", "key", "location"),
    [
        ({}, "anime/cat.jpg", "anime/cat.jpg"),
        ({}, "anime/cat.png", "anime/cat.png"),
        ({"suffix": [".jpg", ".png"]}, "anime/cat.png", "anime/cat.png"),
        ({"suffix": [".jpg"]}, "anime/cat.jpg", "anime/cat"),
        ({"suffix": [".jpg"]}, "anime/cat.JPG", "anime/cat.JPG"),
        ({"replaces": "name", "results_name": "{stem}"}, "anime/cat.png", "anime/cat"),
        ({"replaces": "nothing"}, "anime/cat.png", f"anime/cat.png-{JOB[:12]}"),
        ({"replaces": "nothing", "results": "{job}/"}, "anime/cat.png", f"{JOB}/cat.png"),
    ],
)
def test_results_of_two_keys_have_two_names_by_default(
    changes: dict[str, Any], key: str, location: str
) -> None:
    assert location_of(rule(**changes), key) == location


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"results": "done/"}, ["results: 'done/'", "two folders", "{folder} or {job}"]),
        ({"results_name": "{stem}"}, ["results_name: '{stem}'", "cat.jpg and cat.png", "{name}"]),
        ({"results_name": "image"}, ["results_name: 'image'"]),
    ],
)
def test_names_that_uploads_would_share_are_refused(
    changes: dict[str, Any], parts: list[str]
) -> None:
    message = refused(a_rule(**changes))

    assert [part for part in [*parts, 'replaces = "name"'] if part not in message] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"results_name": "{stem}", "suffix": [".jpg"]},
        {"results_name": "{stem}-{extension}"},
        {"results": "done/{folder}"},
        {"results": "done/{job}/", "results_name": "{stem}"},
        {"results": "done/", "replaces": "name"},
        {"results": "done/", "replaces": "nothing"},
    ],
)
def test_names_that_distinguish_uploads_are_accepted(changes: dict[str, Any]) -> None:
    assert rule(**changes).name == "anime"


def test_two_rules_for_one_upload_need_two_places() -> None:
    first = a_rule("first", **{"continue": True})

    assert "results: an upload that rule first matches too" in refused(first, a_rule("second"))


@pytest.mark.parametrize(
    "second",
    [
        {"prefix": "other/"},
        {"results": "{rule}/{folder}"},
        {"results_name": "{name}-{rule}"},
        {"min_bytes": 501},
        {"content_type": "image/png"},
    ],
)
def test_two_rules_that_cannot_collide_are_accepted(second: dict[str, Any]) -> None:
    first = a_rule("first", max_bytes=500, content_type="image/jpeg", **{"continue": True})

    rules = Rules.parse({"rule": [first, a_rule("second", **second)]})

    assert len(rules.rule) == 2


def value_at(task: Task, path: str) -> object:
    value: Any = task.model_dump()
    for name in path.split("."):
        value = value[name]
    return value
