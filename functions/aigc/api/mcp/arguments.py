"""Arguments of the tools that make images, and the body of a submit of the same task."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from aigc.api.openai.models import find_choice
from aigc.api.submit import MAX_REPEAT_KEY
from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import Parameters, invalid_request, shown, snake
from aigc.tasks.kinds import KINDS
from aigc.tasks.vod_scene_image import SCENES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RESERVED = ("result", "session_id", "webhook_url")
"""Fields of a submit that tools do not accept: they would bypass `request_key`."""

_IMAGES = (
    "Input images, each a URL (https://… or cos://<bucket>/<key>) or the image itself in Base64."
)


class SpendingArguments(Parameters):
    """The arguments of all tools that make images."""

    request_key: str | None = Field(
        default=None,
        max_length=MAX_REPEAT_KEY,
        description="Your own name for this request. A call with the same key finds the same"
        " request and pays nothing more, so the call may be repeated after any error. With a key"
        " the call also waits for the image. Use a new key for each new image.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Further parameters of the task, as a submit takes them (docs/tasks.md).",
    )

    @abstractmethod
    def kind_and_body(self) -> tuple[str, dict[str, Any]]:
        """Return the kind of task and the body of the submit.

        Raises:
            InvalidRequestError: An argument is wrong.
            HttpError: There is no such model.
        """

    def _body(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Add values, by their dotted paths, to the further parameters."""
        body = snake(self.parameters)
        for name in _RESERVED:
            if name in body:
                problem = "is not a parameter of the task"
                allowed = "parameters of the task, and request_key to name the request"
                raise invalid_request(f"parameters.{name}", problem, allowed=allowed)
        for path, value in values.items():
            if value not in (None, "", (), []):
                _set(body, path, value)
        return body


class GenerateArguments(SpendingArguments):
    """Arguments of `generate_image`."""

    model: str = Field(
        description="Id of the model: vod.image/gg-3.0, or gg-3.0. The list is above."
    )
    prompt: str | None = Field(default=None, description="What to draw.")
    negative_prompt: str | None = Field(
        default=None, description="What not to draw, for models that support it."
    )
    aspect_ratio: str | None = Field(default=None, description="Such as 16:9; see the model.")
    resolution: str | None = Field(default=None, description="Such as 2K; see the model.")
    count: int | None = Field(
        default=None, ge=1, description="Number of images; one by default, and for most models."
    )
    output_format: str | None = Field(default=None, description="png or jpeg.")

    def kind_and_body(self) -> tuple[str, dict[str, Any]]:
        """Return the kind of the model, and its parameters."""
        if not self.prompt:
            raise invalid_request("prompt", "is required", allowed="a description of the image")
        return self._task(())

    def _task(self, images: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        choice = find_choice(self.model, "")
        model = KINDS[choice.kind].model
        paths = model.limited if issubclass(model, ByModel) else {}
        output = paths["resolution"].partition(".")[0]
        url = "url" if paths["inputs"] == "file_infos" else "image_url"
        body = self._body(
            {
                "model_name": choice.name,
                "model_version": choice.version,
                "prompt": self.prompt,
                "negative_prompt": self.negative_prompt,
                paths["aspect_ratio"]: self.aspect_ratio,
                paths["resolution"]: self.resolution,
                paths["output_image_count"]: self.count,
                f"{output}.output_format": self.output_format,
                paths["inputs"]: _inputs(images, url),
            }
        )
        return choice.kind, body


class EditArguments(GenerateArguments):
    """Arguments of `edit_image`."""

    images: tuple[str, ...] = Field(min_length=1, description=_IMAGES)

    def kind_and_body(self) -> tuple[str, dict[str, Any]]:
        """Return the kind of the model, and its parameters."""
        return self._task(self.images)


class SceneArguments(SpendingArguments):
    """Arguments of `scene_image`."""

    scene: str = Field(description="Name of the scene; the list is above.")
    images: tuple[str, ...] = Field(
        min_length=1, description=f"{_IMAGES} They show the person, the product or the scenery."
    )
    clothes: tuple[str, ...] = Field(
        default=(), description="Images of the clothes, for scenes in which they are put on."
    )
    model: str | None = Field(
        default=None, description="Model of the scene, for ai_try_on: WAND-tryon-1.0-flash."
    )
    prompt: str | None = Field(
        default=None, description="How the clothes are worn, or the background of the product."
    )
    negative_prompt: str | None = Field(
        default=None, description="What not to draw, for product_image."
    )
    product_desc: str | None = Field(
        default=None, description="What the product is, for product_image."
    )
    more_requirement: str | None = Field(
        default=None, description="Further requirements, for product_image."
    )
    count: int | None = Field(
        default=None, ge=1, description="Number of images, for product_image."
    )
    aspect_ratio: str | None = Field(
        default=None, description="Such as 16:9, for product_image and outpainting."
    )
    resolution: str | None = Field(default=None, description="1K, 2K or 4K, for ai_try_on.")
    width: int | None = Field(default=None, ge=1, description="In pixels, for outpainting.")
    height: int | None = Field(default=None, ge=1, description="In pixels, for outpainting.")

    def kind_and_body(self) -> tuple[str, dict[str, Any]]:
        """Return the kind, and the scene with its configuration."""
        name = self.scene.casefold()
        if name not in SCENES:
            problem = f"{shown(self.scene)} is not allowed"
            raise invalid_request("scene", problem, allowed=", ".join(SCENES))
        body = self._body(
            {
                "file_infos": _inputs(self.images, "url"),
                "scene_info.type": name,
                "output_config.aspect_ratio": self.aspect_ratio,
                "output_config.resolution": self.resolution,
                "output_config.image_width": self.width,
                "output_config.image_height": self.height,
            }
        )
        self._configure(body, name)
        return "vod.scene_image", body

    def _configure(self, body: dict[str, Any], name: str) -> None:
        values = {
            "model": self.model,
            "clothes_file_infos": _inputs(self.clothes, "url"),
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "product_desc": self.product_desc,
            "more_requirement": self.more_requirement,
            "output_image_count": self.count,
        }
        values = {path: value for path, value in values.items() if value not in (None, "", [])}
        scene = SCENES[name]
        if values and scene.config is None:
            first = next(iter(values))
            raise invalid_request(
                _ARGUMENTS.get(first, first), f"is not for {name}", allowed="none"
            )
        if scene.config and (values or scene.needs_config):
            _set(body, f"scene_info.{scene.config}", values)


_ARGUMENTS = {"clothes_file_infos": "clothes", "output_image_count": "count"}


def _inputs(images: Iterable[str], url: str) -> list[dict[str, str]]:
    """Return the fields of input images: `url` is the name of the field for a URL."""
    schemes = ("http:", "https:", "cos:")
    return [{url if image.lower().startswith(schemes) else "base64": image} for image in images]


def _set(body: dict[str, Any], path: str, value: object) -> None:
    """Set a parameter of a body by its dotted path.

    Raises:
        InvalidRequestError: `parameters` has it too, or a part of the path is not an object.
    """
    *outer, name = path.split(".")
    for part in outer:
        inner = body.get(part) or {}
        if not isinstance(inner, dict):
            raise invalid_request(
                f"parameters.{part}", f"{shown(inner)} is not allowed", allowed="an object"
            )
        body[part] = body = snake(inner)
    if name in body:
        problem = "is also set by another argument"
        raise invalid_request(f"parameters.{path}", problem, allowed="one of the two")
    body[name] = value
