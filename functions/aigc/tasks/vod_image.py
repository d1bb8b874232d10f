"""`vod.image`: any of VOD's image models (CreateAigcImageTask)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import Switch, fault, spelled
from aigc.tasks.vod import InputFile, OutputConfig, VodKind, VodTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from aigc.tasks.kind import Task

BASE64_LIMIT = 7 * 1024 * 1024  # bytes of all pictures: a request may have 10 MB, in Base64

_ReferenceType = Literal["mask"]
_PersonGeneration = Literal["AllowAdult", "Disallowed"]
_OutputFormat = Literal["jpeg", "png"]
_Region = Literal["Mainland", "Oversea", "OverseaUSWest"]


class ImageInput(InputFile):
    """A reference picture: a VOD file, a URL, or the picture itself."""

    text: str | None = None
    reference_type: Annotated[_ReferenceType, spelled(_ReferenceType)] | None = None


class ImageOutput(OutputConfig):
    """What the pictures are to be like; the model decides what may be chosen."""

    resolution: str | None = None
    aspect_ratio: str | None = None
    person_generation: Annotated[_PersonGeneration, spelled(_PersonGeneration)] | None = None
    input_compliance_check: Switch | None = None
    output_compliance_check: Switch | None = None
    output_image_count: int | None = Field(default=None, ge=1)
    output_format: Annotated[_OutputFormat, spelled(_OutputFormat)] | None = None
    logo_add: Switch | None = None


class VodImageTask(ByModel, VodTask):
    """Pictures from a prompt, from reference pictures, or from both."""

    model_name: str
    model_version: str
    file_infos: tuple[ImageInput, ...] = ()
    enhance_prompt: Switch | None = None
    output_config: ImageOutput | None = None
    input_region: Annotated[_Region, spelled(_Region)] | None = None
    seed: int | None = None

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
            allowed = f"at most {BASE64_LIMIT} bytes of pictures in Base64; a URL has no such limit"
            raise fault("file_infos", f"{size} bytes are too many", allowed=allowed)
        return self

    def visible_label(self) -> bool | None:
        """Read `logo_add`."""
        logo = self.output_config and self.output_config.logo_add
        return None if logo is None else logo == "Enabled"

    def with_visible_label(self) -> Self:
        """Set `logo_add` where it is not set."""
        if self.visible_label() is not None:
            return self
        output = (self.output_config or ImageOutput()).model_copy(update={"logo_add": "Enabled"})
        return self.model_copy(update={"output_config": output})

    def inputs(self) -> tuple[str, ...]:
        """Name the reference pictures."""
        return tuple(file.name for file in self.file_infos)


class VodImage(VodKind):
    """`vod.image` for the life of a job."""

    name = "vod.image"
    model: type[Task] = VodImageTask
    action = "CreateAigcImageTask"
    detail = "AigcImageTask"
