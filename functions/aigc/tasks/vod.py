"""The base of the two kinds of VOD task: inputs, outputs, sessions and queries."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from aigc.tasks.answers import code, inner, items, text
from aigc.tasks.fields import (
    Base64,
    InputUrl,
    JsonText,
    Parameters,
    Time,
    field_error,
    in_any_case,
    invalid_request,
    size_of,
)
from aigc.tasks.kind import ApiCall, Submission, Task, UpstreamFailure, UpstreamState, UpstreamTask
from aigc.tasks.outcome import failure_of

if TYPE_CHECKING:
    from typing_extensions import Self

_SOURCES = {"File": "file_id", "Url": "url", "Base64": "base64"}
"""Type of an input → the field that holds it."""

_FileType = Literal["File", "Url", "Base64"]
_StorageMode = Literal["Temporary", "Permanent"]
StorageMode = Annotated[_StorageMode, in_any_case(_StorageMode)]


class InputFile(Parameters):
    """An input image: a VOD file, a URL, or the image itself."""

    type: Annotated[_FileType, in_any_case(_FileType)]
    """Which of `file_id`, `url` and `base64` holds the image. Optional if only one of them is
    given."""
    file_id: str | None = None
    """Id of a file in VOD, for type `File`."""
    url: InputUrl | None = None
    """URL of the image, for type `Url`."""
    base64: Base64 | None = None
    """The image itself, for type `Base64`, with or without `data:image/…;base64,`. The service
    stores it and gives the vendor a link."""

    inferred: ClassVar[frozenset[str]] = frozenset({"type"})

    @classmethod
    def complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Set the type if only one field can hold the image."""
        if "type" in fields:
            return fields
        source_kinds = [kind for kind, field in _SOURCES.items() if field in fields]
        if len(source_kinds) != 1:
            sources = ", ".join(_SOURCES.values())
            raise field_error("type", f"is required unless exactly one of {sources} is set")
        return {"type": source_kinds[0], **fields}

    @model_validator(mode="after")
    def _holds_its_type(self) -> Self:
        field = _SOURCES[self.type]
        if getattr(self, field) is None:
            raise field_error(field, f"is required when the type is {self.type}")
        return self

    @property
    def size(self) -> int:
        """Number of bytes of the image in the request; 0 if it is a URL or a file id."""
        return size_of(self.base64 or "")

    @property
    def name(self) -> str:
        """The name of the image in a record, which does not contain the image."""
        if self.type == "Base64":
            return f"{self.size} bytes of Base64"
        return str(getattr(self, _SOURCES[self.type]))


class OutputConfig(Parameters):
    """How VOD keeps its copies of the finished images."""

    storage_mode: StorageMode | None = None
    """How long VOD keeps its copy: `Temporary` for 7 days, `Permanent` until `expire_time`, for
    storage fees. The results bucket keeps its own copy in both cases."""
    media_name: str | None = Field(default=None, max_length=64)
    """Name of VOD's copy."""
    class_id: int | None = Field(default=None, ge=0)
    """VOD category of the copy."""
    expire_time: Time | None = None
    """When VOD deletes its copy."""


class VodTask(Task):
    """A task of VOD."""

    sub_app_id: int | None = Field(default=None, gt=0)
    """VOD application. Only the application that the service was deployed with is allowed, which
    is the default."""
    ext_info: JsonText | None = None
    """Parameters that only some models have, as an object or as JSON text. Examples:
    `{"AdditionalParameters": {"size": "728x1024"}}` (Hunyuan 3.0, OG),
    `{"AdditionalParameters": {"background": "transparent"}}` (OG),
    `{"AdditionalParameters": {"up_expansion_ratio": 0.5}}` (Kling)."""

    def check_account(self, sub_app_id: int, results_bucket: str) -> None:  # noqa: ARG002  only for MPS
        """Check that the task names no other VOD application.

        Raises:
            InvalidRequestError: It names another one.
        """
        if self.sub_app_id not in {None, sub_app_id}:
            problem = f"{self.sub_app_id} is not the one that this service works in"
            raise invalid_request("sub_app_id", problem, allowed=f"{sub_app_id}, or none")

    def parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters of the Create action, with the session of the attempt."""
        session = {
            "SubAppId": submission.sub_app_id,
            "SessionId": submission.session_id,
            "SessionContext": submission.session_context,
        }
        return self.as_documented().api_parameters(submission) | session


class VodKind:
    """A kind of task of VOD, which refuses a known session id and does not write to COS."""

    name: str
    model: type[Task]
    action: ClassVar[str]
    """The action that creates a task."""
    detail: ClassVar[str]
    """The key of this kind's object in the detail of a task."""
    deduplicates = True
    stores_itself = False

    def create(self, task: Task, submission: Submission) -> ApiCall:
        """Return the call that creates the task, which is then billed."""
        return _call(self.action, task.parameters(submission))

    def describe(self, task_id: str, sub_app_id: int) -> ApiCall:
        """Return the call that queries the task; VOD keeps it for three days."""
        return _call("DescribeTaskDetail", {"TaskId": task_id, "SubAppId": sub_app_id})

    def observe(self, task_id: str, response: dict[str, Any]) -> UpstreamTask:
        """Return the state of a task from its detail, which has a key for each kind, most null."""
        return _observed(task_id, text(response, "Status"), inner(response, self.detail))

    def abort(self, task_id: str, sub_app_id: int) -> ApiCall | None:
        """Return the call that ends a task; VOD refuses it unless the task is WAITING."""
        params = {"TaskId": task_id, "SubAppId": sub_app_id, "OperationType": "Abort"}
        return _call("ManageTask", params)

    def list_tasks(self, sub_app_id: int, since: int, scroll_token: str) -> ApiCall:
        """Return the call that lists 100 tasks since a Unix time, the oldest first."""
        after = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        params = {
            "SubAppId": sub_app_id,
            "CreateTime": {"After": after},
            "Sort": {"Field": "CreateTime", "Order": "Asc"},
            "Limit": 100,
            **({"ScrollToken": scroll_token} if scroll_token else {}),
        }
        return _call("DescribeTasks", params)

    def task_with_session(self, response: dict[str, Any], session_id: str) -> str | None:
        """Return the id of the listed task with this session id; None if it is not listed."""
        for task in items(response, "TaskSet"):
            if text(task, "SessionId") == session_id:
                return text(task, "TaskId") or None
        return None


def _call(action: str, params: dict[str, Any]) -> ApiCall:
    return ApiCall(service="vod", version="2018-07-17", action=action, params=params)


_STATES: dict[str, UpstreamState] = {
    "WAITING": "waiting",
    "PROCESSING": "running",
    "FINISH": "succeeded",  # or failed, with an error code
    "ABORTED": "cancelled",
    "SUCCESS": "succeeded",  # undocumented, reported from the detail of a task
    "FAIL": "failed",
}


def _observed(task_id: str, status: str, detail: dict[str, Any]) -> UpstreamTask:
    if status not in ("WAITING", "ABORTED"):  # a detail has only PROCESSING and FINISH
        status = text(detail, "Status") or status
    state = _STATES.get(status, "running")
    urls = _urls(detail)
    failure = _failure(state, detail, urls)
    if failure and failure.code == "OperationCanceled":
        state = "cancelled"
    elif failure:
        state = "failed"
    return UpstreamTask(
        task_id=task_id,
        state=state,
        vendor_status=status,
        image_urls=urls if state == "succeeded" else (),
        failure=failure,
    )


def _urls(detail: dict[str, Any]) -> tuple[str, ...]:
    files = items(inner(detail, "Output"), "FileInfos")
    return tuple(filter(None, (text(file, "FileUrl") for file in files)))


def _failure(
    state: UpstreamState, detail: dict[str, Any], urls: tuple[str, ...]
) -> UpstreamFailure | None:
    if state not in ("succeeded", "failed"):
        return None
    reason = code(detail, "ErrCodeExt") or code(detail, "ErrCode")
    message = text(detail, "Message")
    if reason or state == "failed":
        return failure_of(reason, message)
    return None if urls else failure_of("", message or "the task finished without an image")
