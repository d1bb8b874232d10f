"""`vod.scene_image`: clothes tried on, product images, outpainting (CreateSceneAigcImageTask)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from aigc.tasks.fields import JsonText, Parameters, field_error, in_any_case, shown
from aigc.tasks.vod import InputFile, OutputConfig, VodKind, VodTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import PydanticCustomError
    from typing_extensions import Self

    from aigc.tasks.kind import Task

_TryOnModel = Literal["WAND-tryon-1.0-lite", "WAND-tryon-1.0-flash", "WAND-tryon-1.0-pro"]
_SceneType = Literal[
    "ai_try_on",
    "product_image",
    "outpainting",
    "change_clothes",
    "change_clothes_under",
    "change_clothes_top_wear",
    "change_clothes_bottom_wear",
    "change_clothes_full_wear",
]
_AspectRatio = Literal["1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "16:9", "9:16", "21:9"]
_Resolution = Literal["1K", "2K", "4K"]
_Format = Literal["JPEG", "PNG"]


Clothes = Annotated[tuple[InputFile, ...], Field(min_length=1, max_length=4)]


class AiTryOnConfig(Parameters):
    """Configuration of the scene `ai_try_on`: what the person wears."""

    model: Annotated[_TryOnModel, in_any_case(_TryOnModel)]
    """Model of the scene: `lite` is fast, `flash` is balanced, `pro` is best."""
    clothes_file_infos: Clothes
    """Images of the clothes."""
    prompt: str | None = None
    """How the clothes are worn."""


class ChangeClothesConfig(Parameters):
    """Configuration of the deprecated scenes whose name begins with `change_clothes`."""

    clothes_file_infos: Clothes
    """Images of the clothes; only the scene `change_clothes` takes more than one."""
    prompt: str | None = None
    """How the clothes are worn; only for the scene `change_clothes`."""


class ProductImageConfig(Parameters):
    """Configuration of the scene `product_image`: how the product is shown. It may be empty."""

    prompt: str | None = None
    """The background; the vendor chooses one by default."""
    negative_prompt: str | None = None
    """What not to draw."""
    product_desc: str | None = None
    """What the product is."""
    more_requirement: str | None = None
    """Further requirements."""
    output_image_count: int | None = Field(default=None, ge=1, le=10)
    """Number of images; 1 by default."""


class SceneInfo(Parameters):
    """A scene and its configuration."""

    type: Annotated[_SceneType, in_any_case(_SceneType)]
    """The scene. Those whose name begins with `change_clothes` are deprecated by the vendor and
    pass with a warning."""
    ai_try_on_config: AiTryOnConfig | None = None
    """Required for `ai_try_on`, not allowed for other scenes."""
    change_clothes_config: ChangeClothesConfig | None = None
    """For the scenes whose name begins with `change_clothes`; required for `change_clothes` and
    `change_clothes_under`."""
    product_image_config: ProductImageConfig | None = None
    """Required for `product_image`, not allowed for other scenes; may be empty, `{}`."""

    @property
    def config(self) -> AiTryOnConfig | ChangeClothesConfig | ProductImageConfig | None:
        """The configuration of the scene; None if it has none."""
        return self.ai_try_on_config or self.change_clothes_config or self.product_image_config

    @property
    def clothes(self) -> tuple[InputFile, ...]:
        """The images of clothes; none if the scene does not use them."""
        config = self.ai_try_on_config or self.change_clothes_config
        return config.clothes_file_infos if config else ()


class EncodeConfig(Parameters):
    """Encoding of the finished images."""

    format: Annotated[_Format, in_any_case(_Format)] | None = None
    """File format."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Quality of the encoding."""


class VodSceneImageOutput(OutputConfig):
    """Properties of the images of a `vod.scene_image` task; the scene decides which may be set."""

    aspect_ratio: _AspectRatio | None = None
    """Aspect ratio of the images, for `product_image` and `outpainting`."""
    encode_config: EncodeConfig | None = None
    """Encoding of the images."""
    image_width: int | None = Field(default=None, ge=1)
    """Width in pixels, for `outpainting`. Width and height together override `aspect_ratio`."""
    image_height: int | None = Field(default=None, ge=1)
    """Height in pixels, for `outpainting`."""
    resolution: Annotated[_Resolution, in_any_case(_Resolution)] | None = None
    """Resolution of the images, for `ai_try_on`."""


class Scene(NamedTuple):
    """What the documents require of a task with this scene."""

    config: str | None
    """The configuration of the scene; None if it has none."""
    needs_config: bool = True
    images: range = range(1, 2)
    """Allowed numbers of images of the person or the product."""
    clothes: int = 4
    """Highest number of images of clothes."""
    has_prompt: bool = True
    output: frozenset[str] = frozenset()
    """The fields of `CHOICES` that the scene has."""
    is_deprecated: bool = False

    @property
    def takes_clothes(self) -> bool:
        """Whether its configuration has images of clothes."""
        return self.config in {"ai_try_on_config", "change_clothes_config"}

    @property
    def limits_images(self) -> bool:
        """Whether the documents limit the number of images."""
        return self.images.stop < sys.maxsize


_CONFIGS = ("ai_try_on_config", "change_clothes_config", "product_image_config")
CHOICES = ("aspect_ratio", "image_width", "image_height", "resolution")
_ONE_GARMENT = Scene(
    config="change_clothes_config",
    needs_config=False,
    clothes=1,
    has_prompt=False,
    is_deprecated=True,
)
SCENES: Mapping[str, Scene] = {
    "ai_try_on": Scene(config="ai_try_on_config", output=frozenset({"resolution"})),
    "product_image": Scene(
        config="product_image_config", images=range(1, 11), output=frozenset({"aspect_ratio"})
    ),
    "outpainting": Scene(
        config=None,
        images=range(1, sys.maxsize),
        output=frozenset({"aspect_ratio", "image_width", "image_height"}),
    ),
    "change_clothes": Scene(config="change_clothes_config", is_deprecated=True),
    "change_clothes_under": Scene(
        config="change_clothes_config", clothes=1, has_prompt=False, is_deprecated=True
    ),
    "change_clothes_top_wear": _ONE_GARMENT,
    "change_clothes_bottom_wear": _ONE_GARMENT,
    "change_clothes_full_wear": _ONE_GARMENT,
}


class VodSceneImageTask(VodTask):
    """Images for one purpose, a scene, which chooses the model."""

    ext_info: JsonText | None = None
    """Reserved by the vendor."""
    scene_info: SceneInfo
    """The scene and its configuration."""
    file_infos: tuple[InputFile, ...] = Field(default=(), json_schema_extra={"minItems": 1})
    """Images of the person, of the product, or the image to extend: JPEG, PNG or WebP. At least
    one; their number depends on the scene. A rule adds the uploaded image."""
    output_config: VodSceneImageOutput | None = None
    """Properties of the images, and how VOD keeps its copies."""

    @model_validator(mode="after")
    def _suits_the_scene(self) -> Self:
        scene = SCENES[self.scene_info.type]
        for errors in (self._config_errors, self._input_errors, self._output_errors):
            for error in errors(scene):
                raise error
        return self

    def _config_errors(self, scene: Scene) -> Iterator[PydanticCustomError]:
        name = self.scene_info.type
        for config in _CONFIGS:
            is_set = getattr(self.scene_info, config) is not None
            path = f"scene_info.{config}"
            if is_set and config != scene.config:
                yield field_error(
                    path, f"is not allowed for {name}", allowed=scene.config or "no config"
                )
            if not is_set and config == scene.config and scene.needs_config:
                yield field_error(path, f"is required for {name}")

    def _input_errors(self, scene: Scene) -> Iterator[PydanticCustomError]:
        name = self.scene_info.type
        images, garments = len(self.file_infos), len(self.scene_info.clothes)
        if images not in scene.images:
            allowed = f"{as_words(scene.images)} for {name}"
            yield field_error("file_infos", f"{images} images are not allowed", allowed=allowed)
        if garments > scene.clothes:
            path = f"scene_info.{scene.config}.clothes_file_infos"
            allowed = f"at most {scene.clothes} for {name}"
            yield field_error(path, f"{garments} images are not allowed", allowed=allowed)
        if self.prompt_text() and not scene.has_prompt:
            yield field_error(f"scene_info.{scene.config}.prompt", f"is not allowed for {name}")

    def _output_errors(self, scene: Scene) -> Iterator[PydanticCustomError]:
        for choice in CHOICES:
            value = getattr(self.output_config, choice, None)
            if value is not None and choice not in scene.output:
                problem = f"{shown(value)} is not allowed for {self.scene_info.type}"
                scenes = ", ".join(name for name, known in SCENES.items() if choice in known.output)
                yield field_error(f"output_config.{choice}", problem, allowed=f"only for {scenes}")

    def model_label(self) -> str:
        """Return the scene, with the model if the scene has several."""
        try_on = self.scene_info.ai_try_on_config
        return f"{self.scene_info.type} {try_on.model}" if try_on else self.scene_info.type

    def prompt_text(self) -> str:
        """Return the prompt of the scene's configuration; empty if there is none."""
        return (self.scene_info.config and self.scene_info.config.prompt) or ""

    def inputs(self) -> tuple[str, ...]:
        """Return the names of the images, the clothes last."""
        return tuple(file.name for file in (*self.file_infos, *self.scene_info.clothes))

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the vendor has deprecated the scene."""
        if not SCENES[self.scene_info.type].is_deprecated:
            return ()
        return (f"the vendor has deprecated {self.scene_info.type}: use ai_try_on",)


def as_words(numbers: range) -> str:
    """Return a text with the allowed number of images."""
    first, last = numbers.start, numbers.stop - 1
    if last >= sys.maxsize - 1:
        return f"at least {first}"
    return f"exactly {first}" if first == last else f"{first} to {last}"


class VodSceneImage(VodKind):
    """The calls and answers of `vod.scene_image`."""

    name = "vod.scene_image"
    model: type[Task] = VodSceneImageTask
    action = "CreateSceneAigcImageTask"
    detail = "SceneAigcImageTask"
