"""`vod.image`: any of VOD's image models (CreateAigcImageTask)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import Switch, field_error, in_any_case
from aigc.tasks.vod import InputFile, OutputConfig, VodKind, VodTask
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from aigc.tasks.kind import Task

BASE64_LIMIT = 7 * 1024 * 1024  # bytes of all images: a request may have 10 MB, in Base64

_ReferenceType = Literal["mask"]
_PersonGeneration = Literal["AllowAdult", "Disallowed"]
_OutputFormat = Literal["jpeg", "png"]
_Region = Literal["Mainland", "Oversea", "OverseaUSWest"]


class VodImageInput(InputFile):
    """A reference image of a `vod.image` task: a VOD file, a URL, or the image itself."""

    text: str | None = None
    """What the image shows, for models that read it (GEM)."""
    reference_type: Annotated[_ReferenceType, in_any_case(_ReferenceType)] | None = None
    """`mask`: the image is a mask (OG)."""


class VodImageOutput(OutputConfig):
    """Properties of the images of a `vod.image` task; the allowed values depend on the model."""

    resolution: str | None = None
    """Resolution of the images; the allowed values depend on the model."""
    aspect_ratio: str | None = None
    """Aspect ratio of the images; the allowed values depend on the model."""
    person_generation: Annotated[_PersonGeneration, in_any_case(_PersonGeneration)] | None = None
    """Whether the images may show people."""
    input_compliance_check: Switch | None = None
    """Whether VOD checks the content of prompt and inputs."""
    output_compliance_check: Switch | None = None
    """Whether VOD checks the content of the images."""
    output_image_count: int | None = Field(default=None, ge=1)
    """Number of images; only Kling and OG support more than one."""
    output_format: Annotated[_OutputFormat, in_any_case(_OutputFormat)] | None = None
    """File format of the images; the model decides by default."""
    logo_add: Switch | None = None
    """Whether a watermark is added."""


class VodImageTask(ByModel, VodTask):
    """Images from a prompt, from reference images, or from both, by a model of VOD."""

    model_name: str
    """Name of the model; a model that is not in the catalogue passes with a warning."""
    model_version: str
    """Version of the model."""
    scene_type: str | None = None
    """Special purpose, for models that have one: `3d_panorama` (Hunyuan), `image_expand`
    (Kling)."""
    file_infos: tuple[VodImageInput, ...] = ()
    """Reference images: JPEG, PNG or WebP, best below 7 MB each. Their number depends on the
    model. Base64 data may have 7 MiB in total, but a body can hold about 4.5 MB of images."""
    enhance_prompt: Switch | None = None
    """Whether the vendor improves the prompt."""
    output_config: VodImageOutput | None = None
    """Properties of the images, and how VOD keeps its copies."""
    input_region: Annotated[_Region, in_any_case(_Region)] | None = None
    """Region of the inputs; mainland China by default."""
    seed: int | None = None
    """Seed of the random numbers of the model."""

    kind: ClassVar[str] = "vod.image"
    limited: ClassVar[Mapping[str, str]] = {
        "inputs": "file_infos",
        "prompt": "prompt",
        "scene_type": "scene_type",
        "resolution": "output_config.resolution",
        "aspect_ratio": "output_config.aspect_ratio",
        "output_image_count": "output_config.output_image_count",
        "size": "ext_info",
        "expansion": "ext_info",
    }

    @model_validator(mode="after")
    def _fits_into_a_request(self) -> Self:
        size = sum(file.size for file in self.file_infos)
        if size > BASE64_LIMIT:
            allowed = f"at most {BASE64_LIMIT} bytes of images in Base64; a URL has no such limit"
            raise field_error("file_infos", f"{size} bytes are too many", allowed=allowed)
        return self

    def visible_label(self) -> bool | None:
        """Return `logo_add`."""
        logo = self.output_config and self.output_config.logo_add
        return None if logo is None else logo == "Enabled"

    def with_visible_label(self) -> Self:
        """Return the task with `logo_add`, unless it is set."""
        if self.visible_label() is not None:
            return self
        output = with_fields(self.output_config or VodImageOutput(), logo_add="Enabled")
        return with_fields(self, output_config=output)

    def inputs(self) -> tuple[str, ...]:
        """Return the names of the reference images."""
        return tuple(file.name for file in self.file_infos)


class VodImage(VodKind):
    """The calls and answers of `vod.image`."""

    name = "vod.image"
    model: type[Task] = VodImageTask
    action = "CreateAigcImageTask"
    detail = "AigcImageTask"
