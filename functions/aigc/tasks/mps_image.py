"""`mps.image`: the image models of MPS (CreateAigcImageTask), which writes to the bucket itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from aigc.object_keys import checked_prefix
from aigc.tasks.answers import items, text
from aigc.tasks.catalogue import ByModel
from aigc.tasks.fields import (
    Base64,
    Bit,
    InputUrl,
    JsonText,
    Parameters,
    YesNo,
    field_error,
    in_any_case,
    invalid_request,
    parsed_json,
    shown,
    size_of,
)
from aigc.tasks.kind import ApiCall, Submission, Task, UpstreamState, UpstreamTask
from aigc.tasks.outcome import failure_of
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
        """The name of the image in a record, which does not contain the image."""
        return self.image_url or f"{size_of(self.base64 or '')} bytes of Base64"


class ExtraParameters(Parameters):
    """Properties of the images of an `mps.image` task."""

    aspect_ratio: str | None = None
    """Aspect ratio of the images; the allowed values depend on the model."""
    resolution: str | None = None
    """Resolution of the images; the allowed values depend on the model."""
    logo_add: Bit | None = None
    """Whether a watermark is added."""
    output_format: Annotated[_OutputFormat, in_any_case(_OutputFormat)] | None = None
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

    enhance_prompt: YesNo | None = None
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
        """Return `logo_add`."""
        logo = self.extra_parameters and self.extra_parameters.logo_add
        return None if logo is None else bool(logo)

    def with_visible_label(self) -> Self:
        """Return the task with `logo_add`, unless it is set."""
        if self.visible_label() is not None:
            return self
        extra = with_fields(self.extra_parameters or ExtraParameters(), logo_add=1)
        return with_fields(self, extra_parameters=extra)

    def image_count(self) -> int:
        """Return `output_image_count`."""
        return self.output_image_count or 1

    def inputs(self) -> tuple[str, ...]:
        """Return the names of the reference images."""
        return tuple(image.name for image in self.image_infos)

    def check_account(self, sub_app_id: int, results_bucket: str) -> None:  # noqa: ARG002  only for VOD
        """Check that the task names no other bucket than the results bucket.

        Raises:
            InvalidRequestError: It names another one.
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
        """Add a warning if `store_cos_param` is set, which is not sent."""
        if self.store_cos_param is None:
            return super().warnings()
        return (
            *super().warnings(),
            "store_cos_param was not sent: the results lie in the results bucket",
        )

    def parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters; MPS has neither sessions nor priorities."""
        sent = self.as_documented().api_parameters(submission)
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
    """The calls and answers of `mps.image`."""

    name = "mps.image"
    model: type[Task] = MpsImageTask
    deduplicates = False
    stores_itself = True

    def create(self, task: Task, submission: Submission) -> ApiCall:
        """Return the call that creates the task, which is then billed."""
        return _call("CreateAigcImageTask", task.parameters(submission))

    def describe(self, task_id: str, sub_app_id: int) -> ApiCall:  # noqa: ARG002  only for VOD
        """Return the call that queries the task; MPS keeps it for seven days."""
        return _call("DescribeAigcImageTask", {"TaskId": task_id})

    def abort(self, task_id: str, sub_app_id: int) -> ApiCall | None:  # noqa: ARG002  only for VOD
        """Return None: by its documents, ManageTask of MPS does not end image tasks."""
        return None

    def observe(self, task_id: str, response: dict[str, Any]) -> UpstreamTask:
        """Return the state of a task; a failure has no code, only a message.

        DONE without URLs is not a failure: the images are in the bucket, and the documents do not
        say what the answer contains then.
        """
        status = text(response, "Status")
        state = _STATES.get(status, "running")
        message = text(response, "Message")
        return UpstreamTask(
            task_id=task_id,
            state=state,
            vendor_status=status,
            image_urls=_urls(response) if state == "succeeded" else (),
            failure=failure_of("", message) if state == "failed" else None,
        )

    def list_tasks(self, sub_app_id: int, since: int, scroll_token: str) -> ApiCall | None:  # noqa: ARG002  only for VOD
        """Return None: MPS does not list image tasks."""
        return None

    def task_with_session(self, response: dict[str, Any], session_id: str) -> str | None:  # noqa: ARG002  only for VOD
        """Return None: MPS does not list image tasks."""
        return None


def _urls(response: dict[str, Any]) -> tuple[str, ...]:
    return tuple(url for url in items(response, "ImageUrls") if url and isinstance(url, str))


def _call(action: str, params: dict[str, Any]) -> ApiCall:
    return ApiCall(service="mps", version="2019-06-12", action=action, params=params)
