"""The parameters of a rule: its options, which differ by kind, and the templates in texts."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from aigc.errors import InvalidRequestError
from aigc.tasks.fields import invalid_request, parsed_json, snake, snake_case
from aigc.uploads.templates import (
    as_key_part,
    as_text,
    as_url_part,
    check_template,
    check_url_template,
    fill,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "vod.image": {
        "images": "output_config.output_image_count",
        "output_format": "output_config.output_format",
        "priority": "tasks_priority",
    },
    "vod.scene_image": {
        "images": "scene_info.product_image_config.output_image_count",
        "output_format": "output_config.encode_config.format",
        "priority": "tasks_priority",
    },
    "mps.image": {
        "images": "output_image_count",
        "output_format": "extra_parameters.output_format",
        "priority": "tasks_priority",
    },
}
"""Kind → option of a rule → the parameter that it sets."""

_JSON_TEXTS = {"ext_info", "additional_parameters", "AdditionalParameters", "ExtInfo"}


class Verbatim(str):
    """A text from the metadata of an upload: it is not a template."""

    __slots__ = ()


def with_option(parameters: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the parameters with a value at a dotted path.

    Raises:
        InvalidRequestError: The parameter is set already.
    """
    name, _, rest = path.partition(".")
    parameters = snake(parameters)
    if not rest:
        if name in parameters:
            raise invalid_request(
                name, "is set twice", allowed="the option of the rule or the parameter"
            )
        return {**parameters, name: value}
    inner = parameters.get(name, {})
    if not isinstance(inner, dict):  # the validation of the task reports it
        return parameters
    return {**parameters, name: with_option(inner, rest, value)}


def with_prompt(task: dict[str, Any], prompt: str) -> dict[str, Any]:
    """Return the parameters with the upload's own prompt in place of the rule's.

    Raises:
        InvalidRequestError: The scene has no prompt.
    """
    scene = task.get("scene_info")
    if scene is None:
        return {**task, "prompt": Verbatim(prompt)}
    config = next((field for field in scene if field.endswith("_config")), None)
    if config is None:
        raise InvalidRequestError(
            f"the scene {scene.get('type')} has no prompt, but the metadata of the upload has one",
            field="scene_info",
        )
    return {**task, "scene_info": {**scene, config: {**scene[config], "prompt": Verbatim(prompt)}}}


def check_templates(parameters: Mapping[str, Any]) -> None:
    """Check the templates in all texts.

    Raises:
        ValueError: A placeholder is unknown, or not allowed there; the message begins with the name
            of the parameter.
    """

    def check(text: str, name: str) -> str:
        try:
            check_template(text)
            if name.endswith("url"):
                check_url_template(text)
        except ValueError as error:
            raise ValueError(f"{name}: got {text[:80]!r}: {error}") from None
        return text

    _mapped(dict(parameters), "", check)


def filled(parameters: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters with the values of an upload in all texts.

    Raises:
        InvalidRequestError: The upload lacks metadata, or a value is not allowed there.
    """

    def fill_text(text: str, name: str) -> str:
        return text if isinstance(text, Verbatim) else fill(text, values, _encoding(text, name))

    mapped: dict[str, Any] = _mapped(dict(parameters), "", fill_text)
    return mapped


def _encoding(text: str, name: str) -> Callable[[str, str], str]:
    if not name.endswith("url"):
        return as_text
    return as_key_part if text.startswith("cos:") else as_url_part


def _mapped(
    value: Any,  # noqa: ANN401  JSON
    name: str,
    change: Callable[[str, str], str],
    *,
    is_json: bool = False,
) -> Any:  # noqa: ANN401  JSON
    """Return a copy of parameters in which each text is changed, also texts inside JSON text."""
    is_json = is_json or name in _JSON_TEXTS
    change_inside = functools.partial(_mapped, change=change, is_json=is_json)
    if isinstance(value, dict):
        return {key: change_inside(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [change_inside(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    parsed = parsed_json(value) if is_json else {}
    if not parsed:
        return change(value, name)
    changed = change_inside(parsed, name)
    return value if changed == parsed else json.dumps(changed, ensure_ascii=False)


def paths_of(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield all texts of parameters with their dotted paths in snake case."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths_of(inner, f"{path}.{snake_case(name)}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from paths_of(inner, f"{path}.{number}")
    elif isinstance(value, str):
        yield path, value


def texts_of(value: object) -> Iterator[str]:
    """Yield all texts of parameters."""
    return (text for _, text in paths_of(value))
