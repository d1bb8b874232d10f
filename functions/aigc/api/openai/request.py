"""The fields of OpenAI's Images API, as the body of a task.

Each field becomes part of the task, is refused, or is ignored with a warning; docs/openai.md has
the table. Other fields are those of a submit: the parameters of the task, `result` and
`webhook_url`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aigc.api.openai.models import LEVELS, Choice, find_choice, has_levels
from aigc.api.openai.sizes import mapped_size
from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import invalid_request, shown, snake
from aigc.tasks.kinds import KINDS

MOST_IMAGES = 10
"""Largest `n` of OpenAI's API."""

_QUALITIES = ("auto", "standard", "hd", *LEVELS)
_QUALITY_LEVELS = {"auto": "", "standard": "", "hd": "high"}
"""Words that are not levels → the level that they mean; empty means the usual level."""

_IGNORED = {
    "complexity": "no model has such a parameter",
    "input_fidelity": "no model has such a parameter",
    "moderation": "the vendor decides how strict its check is",
    "output_compression": "images are stored as the model makes them",
    "style": "describe the style in the prompt",
}
"""Fields that change nothing → the reason in the warning."""

_REFUSED = {
    "frame_count": "GIF images",
    "frame_duration_ms": "GIF images",
    "markup": "markup",
    "svg": "SVG images",
}
"""Fields that no model supports → what no model makes or reads."""

_MASK_MODEL = ("vod.image", "OG")
"""The kind and the model that take a mask."""


@dataclass(slots=True)
class ImageRequest:
    """A parsed call of OpenAI's API."""

    choice: Choice
    body: dict[str, Any]
    """The body of a submit of the same task."""
    warnings: list[str] = field(default_factory=list)
    is_base64: bool = True
    """Whether the answer also has the images in Base64, as by default at OpenAI."""
    is_async: bool = False

    @property
    def kind(self) -> str:
        """Kind of the task."""
        return self.choice.kind


def read_request(fields: dict[str, Any], *, is_edit: bool) -> ImageRequest:
    """Read the fields of a generation or an edit.

    Raises:
        InvalidRequestError: A field is wrong, or the model does not support it.
        HttpError: There is no such model.
    """
    fields = snake(fields)
    quality = _word(fields, "quality", _QUALITIES)
    choice = find_choice(fields.pop("model", None), _QUALITY_LEVELS.get(quality, quality))
    reader = _Reader(fields, choice)
    reader.read_model()
    reader.read_quality(quality)
    reader.read_count()
    reader.read_format()
    reader.read_extras()
    reader.read_user()
    if is_edit:
        reader.read_images()
    reader.read_unsupported()
    request = reader.request
    request.is_base64 = _word(fields, "response_format", ("url", "b64_json")) != "url"
    request.is_async = _boolean(fields, "async")
    if not fields.get("prompt"):
        raise invalid_request("prompt", "is required", allowed="a description of the image")
    request.body = fields
    return request


class _Reader:
    """Replaces OpenAI's fields of a body by those of the task."""

    def __init__(self, fields: dict[str, Any], choice: Choice) -> None:
        model = KINDS[choice.kind].model
        self._paths = model.limited if issubclass(model, ByModel) else {}
        self._fields = fields
        self._choice = choice
        self.request = ImageRequest(choice, fields)

    def read_model(self) -> None:
        self._set("model_name", self._choice.name, "model")
        self._set("model_version", self._choice.version, "model")

    def read_quality(self, quality: str) -> None:
        if _QUALITY_LEVELS.get(quality, quality) and not has_levels(self._choice):
            self._warn(f"quality is ignored: {self._choice.name} has no levels of quality")

    def read_count(self) -> None:
        count = _integer(self._fields, "n")
        if count is None:
            return
        known = self._choice.known
        limit = known.limits.get("output_image_count") if known else None
        most = getattr(limit, "number", 1) if known else MOST_IMAGES
        most = min(most, MOST_IMAGES)
        if not 1 <= count <= most:
            problem = f"{count} images are not possible with {self._choice.name}"
            raise invalid_request("n", problem, allowed="1" if most == 1 else f"1 to {most}")
        if count > 1:
            self._set(self._paths["output_image_count"], count, "n")

    def read_format(self) -> None:
        file_format = _word(self._fields, "output_format", ("png", "jpeg"))
        if file_format:
            self._set(self._beside_resolution("output_format"), file_format, "output_format")

    def read_extras(self) -> None:
        """Read size and background, which partly become additional parameters of the task."""
        size = mapped_size(self._fields.pop("size", None), self._choice)
        self._set(self._paths["aspect_ratio"], size.aspect_ratio, "size")
        self._set(self._paths["resolution"], size.resolution, "size")
        extras = {"size": size.pixels, "background": self._background()}
        extras = {name: value for name, value in extras.items() if value}
        if extras:
            is_nested = self._paths["size"] == "ext_info"
            value = {"AdditionalParameters": extras} if is_nested else extras
            self._set(self._paths["size"], value, " and ".join(extras))

    def read_user(self) -> None:
        """Add the end user to the task, so that users do not find each other's requests."""
        users = [self._fields.pop(name, None) for name in ("safety_identifier", "user")]
        user = next((user for user in users if user), None)
        if user:
            self._set("session_context", user, "user")

    def read_images(self) -> None:
        images = _as_list(self._fields.pop("image", None))
        mask = self._fields.pop("mask", None)
        if not images:
            raise invalid_request(
                "image", "is required", allowed="a file, a URL, or an image in Base64"
            )
        inputs = [self._input(image, "image") for image in images]
        if mask:
            if (self._choice.kind, self._choice.name) != _MASK_MODEL:
                problem = f"is not possible with {self._choice.name}"
                raise invalid_request("mask", problem, allowed="only with OG of vod.image")
            inputs += [{**self._input(mask, "mask"), "reference_type": "mask"}]
        self._set(self._paths["inputs"], inputs, "image")

    def read_unsupported(self) -> None:
        for name, reason in _IGNORED.items():
            if self._fields.pop(name, None) not in (None, "", "auto"):
                self._warn(f"{name} is ignored: {reason}")
        for name, ability in _REFUSED.items():
            if self._fields.pop(name, None) not in (None, ""):
                raise invalid_request(
                    name, f"no model makes or reads {ability}", allowed="no such field"
                )
        if _boolean(self._fields, "stream") or _integer(self._fields, "partial_images"):
            problem = "is not possible: an answer is sent in one piece"
            raise invalid_request("stream", problem, allowed="false, and no partial_images")

    def _background(self) -> str:
        background = _word(self._fields, "background", ("auto", "opaque", "transparent"))
        if background != "transparent":
            return ""
        if (self._choice.kind, self._choice.name) != _MASK_MODEL:
            problem = f"'transparent' is not possible with {self._choice.name}"
            raise invalid_request("background", problem, allowed="auto, opaque")
        if self._output_format() == "jpeg":
            problem = "'transparent' is not possible with output_format jpeg"
            raise invalid_request("background", problem, allowed="output_format png")
        return background

    def _output_format(self) -> object:
        outer, _, inner = self._beside_resolution("output_format").partition(".")
        return (self._fields.get(outer) or {}).get(inner)

    def _input(self, image: object, name: str) -> dict[str, str]:
        """Return the fields of an input image: a URL is `url` for VOD and `image_url` for MPS."""
        if isinstance(image, dict):
            image = image.get("image_url") or image.get("url")
        if not isinstance(image, str) or not image:
            raise invalid_request(name, f"{shown(image)} is not allowed", allowed=_IMAGES)
        if image.lower().startswith(("http:", "https:", "cos:")):
            is_vod = self._paths["inputs"] == "file_infos"
            return {"url" if is_vod else "image_url": image}
        return {"base64": image}

    def _beside_resolution(self, name: str) -> str:
        return f"{self._paths['resolution'].partition('.')[0]}.{name}"

    def _set(self, path: str, value: object, name: str) -> None:
        """Set a parameter of the task; refuse a request that sends it with another value."""
        if value in ("", None):
            return
        outer, _, inner = path.partition(".")
        target = self._object(outer, name) if inner else self._fields
        if target.get(inner or outer) not in (None, "", value):
            problem = f"is sent together with {path}"
            raise invalid_request(name, problem, allowed="one of the two")
        target[inner or outer] = value

    def _object(self, name: str, cause: str) -> dict[str, Any]:
        present = self._fields.get(name) or {}
        if not isinstance(present, dict):
            raise invalid_request(
                name, f"{shown(present)} is not allowed with {cause}", allowed="an object"
            )
        renamed: dict[str, Any] = snake(present)
        self._fields[name] = renamed
        return renamed

    def _warn(self, warning: str) -> None:
        self.request.warnings.append(warning)


_IMAGES = "a URL (https://…, cos://<bucket>/<key>), an image in Base64, or a list of them"


def _word(fields: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """Remove a field whose value must be an allowed word, and return it; empty if absent."""
    value = fields.pop(name, None)
    if value in (None, ""):
        return ""
    word = value.casefold() if isinstance(value, str) else ""
    if word not in allowed:
        raise invalid_request(name, f"{shown(value)} is not allowed", allowed=", ".join(allowed))
    return word


def _integer(fields: dict[str, Any], name: str) -> int | None:
    """Remove a field with a small integer, and return it; a form sends digits."""
    value = fields.pop(name, None)
    if value in (None, ""):
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = str(value) if is_number or isinstance(value, str) else ""
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise invalid_request(name, f"{shown(value)} is not allowed", allowed=f"1 to {MOST_IMAGES}")
    return int(text)


def _boolean(fields: dict[str, Any], name: str) -> bool:
    """Remove a field that is true or false, and return it; a form sends words."""
    value = fields.pop(name, None)
    words = {"true": True, "false": False, "none": False, "": False}
    boolean = words.get(str(value).casefold())
    if boolean is None or not isinstance(value, bool | str | None):
        raise invalid_request(name, f"{shown(value)} is not allowed", allowed="true, false")
    return boolean


def _as_list(value: object) -> list[object]:
    return [item for item in value if item] if isinstance(value, list) else [value] if value else []
