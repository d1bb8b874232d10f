"""`mps.image`: the image models of MPS (CreateAigcImageTask), which writes to the bucket itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from aigc.places import checked_prefix
from aigc.tasks.answers import items, text
from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import (
    Base64,
    Bit,
    InputUrl,
    JsonText,
    Parameters,
    Truth,
    field_error,
    invalid_request,
    parsed_json,
    shown,
    size_of,
    spelled,
)
from aigc.tasks.kind import ApiCall, Submission, Task, UpstreamState, UpstreamTask
from aigc.tasks.outcome import fault_of
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

_OutputFormat = Literal["jpeg", "png"]


def _json_object(text: str) -> str:
    if not parsed_json(text):
        problem = f"{shown(text)} is not allowed"
        raise field_error("", problem, allowed='a JSON object: {"size":"1024x1024"}')
    return text


class MpsImageInput(Parameters):
    """A reference image of an `mps.image` task: a URL or the image itself."""

    image_url: InputUrl | None = None
    """URL of the image. Required if there is no `base64`."""
    base64: Base64 | None = None
    """The image itself, instead of `image_url`, with or without `data:image/…;base64,`. The
    service stores it and gives the vendor a link."""
    reference_type: str | None = None
    """Role of the image, for models that have one: the id of a subject of Vidu q2."""

    @model_validator(mode="after")
    def _is_one_image(self) -> Self:
        if (self.image_url is None) == (self.base64 is None):
            raise field_error(
                "image_url", "is required, or else base64", allowed="exactly one of them"
            )
        return self

    @property
    def name(self) -> str:
        """What the image is called in a record, which need not hold it."""
        return self.image_url or f"{size_of(self.base64 or '')} bytes of Base64"


class ExtraParameters(Parameters):
    """Properties of the images of an `mps.image` task."""

    aspect_ratio: str | None = None
    """Aspect ratio of the images; the allowed values depend on the model."""
    resolution: str | None = None
    """Resolution of the images; the allowed values depend on the model."""
    logo_add: Bit | None = None
    """Whether a watermark is added."""
    output_format: Annotated[_OutputFormat, spelled(_OutputFormat)] | None = None
    """File format of the images; the model decides by default."""


class StoreCosParam(Parameters):
    """Where MPS stores the images. The results bucket is always used."""

    cos_bucket_name: str | None = None
    """Name of the results bucket. A call that names another bucket is refused."""
    cos_bucket_region: str | None = None
    """Not used."""
    cos_bucket_path: str | None = None
    """In a call: prefix of the results, unless `result.prefix` is given."""


class MpsImageTask(ByModel):
    """Images from a prompt, from reference images, or from both, by a model of MPS."""

    enhance_prompt: Truth | None = None
    """Whether the vendor improves the prompt."""
    image_infos: tuple[MpsImageInput, ...] = ()
    """Reference images: JPEG, PNG or WebP, best below 7 MB each. Their number depends on the
    model."""
    output_image_count: int | None = Field(default=None, ge=1)
    """Number of images; all known models make one."""
    extra_parameters: ExtraParameters | None = None
    """Properties of the images."""
    additional_parameters: Annotated[JsonText, AfterValidator(_json_object)] | None = None
    """Parameters that only some models have, as an object or as JSON text:
    `{"size": "1024x1024"}` (Hunyuan 3.0, Qwen 0925)."""
    store_cos_param: StoreCosParam | None = None
    """Not sent, with a warning: MPS always stores to the results bucket."""
    operator: str | None = None
    """Name of the operator, for the vendor's records."""

    kind: ClassVar[str] = "mps.image"
    limited: ClassVar[Mapping[str, str]] = {
        "inputs": "image_infos",
        "prompt": "prompt",
        "scene_type": "scene_type",
        "resolution": "extra_parameters.resolution",
        "aspect_ratio": "extra_parameters.aspect_ratio",
        "output_image_count": "output_image_count",
        "size": "additional_parameters",
    }

    def visible_label(self) -> bool | None:
        """Read `logo_add`."""
        logo = self.extra_parameters and self.extra_parameters.logo_add
        return None if logo is None else bool(logo)

    def with_visible_label(self) -> Self:
        """Set `logo_add` where it is not set."""
        if self.visible_label() is not None:
            return self
        extra = with_fields(self.extra_parameters or ExtraParameters(), logo_add=1)
        return with_fields(self, extra_parameters=extra)

    def image_count(self) -> int:
        """Return `output_image_count`."""
        return self.output_image_count or 1

    def inputs(self) -> tuple[str, ...]:
        """Name the reference images."""
        return tuple(image.name for image in self.image_infos)

    def check_account(self, sub_app_id: int, results_bucket: str) -> None:  # noqa: ARG002  VOD's alone
        """Check that the task names no bucket but the results bucket.

        Raises:
            InvalidRequestError: It does.
        """
        bucket = self.store_cos_param and self.store_cos_param.cos_bucket_name
        if bucket and bucket != results_bucket:
            field = "store_cos_param.cos_bucket_name"
            problem = f"results cannot go to the bucket {bucket}"
            raise invalid_request(field, problem, allowed=f"{results_bucket}, or none")

    def results_prefix(self) -> str | None:
        """Return `cos_bucket_path` as a prefix of the results bucket.

        Raises:
            InvalidRequestError: It is not allowed as a prefix.
        """
        path = self.store_cos_param and self.store_cos_param.cos_bucket_path
        if not path:
            return None
        try:
            return checked_prefix(path.lstrip("/"))
        except ValueError as error:
            field = "store_cos_param.cos_bucket_path"
            raise invalid_request(
                field, f"{shown(path)} is not allowed", allowed=f"it {error}"
            ) from None

    def warnings(self) -> tuple[str, ...]:
        """Add that a bucket of the caller's own was not used."""
        if self.store_cos_param is None:
            return super().warnings()
        return (
            *super().warnings(),
            "store_cos_param was not sent: the results lie in the results bucket",
        )

    def parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters; MPS has neither sessions nor priorities."""
        sent = self.as_documented().sent(submission)
        for field in ("SessionId", "SessionContext", "TasksPriority"):
            sent.pop(field, None)
        return sent | {"StoreCosParam": _store(submission)}


def _store(submission: Submission) -> dict[str, str]:
    return {
        "CosBucketName": submission.store_bucket,
        "CosBucketRegion": submission.store_region,
        "CosBucketPath": submission.store_path,
    }


_STATES: dict[str, UpstreamState] = {
    "WAIT": "waiting",
    "RUN": "running",
    "DONE": "succeeded",
    "FAIL": "failed",
}


class MpsImage:
    """`mps.image` for the life of a job."""

    name = "mps.image"
    model: type[Task] = MpsImageTask
    deduplicates = False
    stores_itself = True

    def create(self, task: Task, submission: Submission) -> ApiCall:
        """Build the call that starts, and bills, the task."""
        return _call("CreateAigcImageTask", task.parameters(submission))

    def describe(self, task_id: str, sub_app_id: int) -> ApiCall:  # noqa: ARG002  VOD's alone
        """Build the call that queries the task; MPS knows it for seven days."""
        return _call("DescribeAigcImageTask", {"TaskId": task_id})

    def abort(self, task_id: str, sub_app_id: int) -> ApiCall | None:  # noqa: ARG002  VOD's alone
        """Return None: MPS's ManageTask names no image tasks among those it ends."""
        return None

    def observe(self, task_id: str, response: dict[str, Any]) -> UpstreamTask:
        """Read the answer; a failure has no code, only a message.

        Done without URLs is no failure: the images lie in the bucket that the task named, and
        what the vendor reports of them then is not documented.
        """
        status = text(response, "Status")
        state = _STATES.get(status, "running")
        message = text(response, "Message")
        return UpstreamTask(
            task_id=task_id,
            state=state,
            vendor_status=status,
            image_urls=_urls(response) if state == "succeeded" else (),
            fault=fault_of("", message) if state == "failed" else None,
        )

    def find(self, sub_app_id: int, since: int, scroll_token: str) -> ApiCall | None:  # noqa: ARG002  VOD's alone
        """Return None: MPS lists no image tasks."""
        return None

    def found(self, response: dict[str, Any], session_id: str) -> str | None:  # noqa: ARG002  VOD's alone
        """Return None: MPS lists no image tasks."""
        return None


def _urls(response: dict[str, Any]) -> tuple[str, ...]:
    return tuple(url for url in items(response, "ImageUrls") if url and isinstance(url, str))


def _call(action: str, params: dict[str, Any]) -> ApiCall:
    return ApiCall(service="mps", version="2019-06-12", action=action, params=params)
