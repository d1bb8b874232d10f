"""What the API answers, as types: mypy holds the handlers to them, OpenAPI is made of them.

No handler imports them when it runs: they cost a cold start nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

from aigc.jobs.job import ErrorType, State  # noqa: TC001  read when the OpenAPI page is made

QueueStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
VodStatus = Literal["WAITING", "PROCESSING", "FINISH", "ABORTED"]
MpsStatus = Literal["WAIT", "RUN", "FAIL", "DONE"]


# Refusals


class VendorError(TypedDict):
    """An error as Tencent Cloud says it."""

    Code: str
    Message: str


class VendorRefusalBody(TypedDict):
    """What stands below `Response` in a refusal of Tencent Cloud's."""

    Error: VendorError
    RequestId: str


class VendorRefusal(TypedDict):
    """A refusal in Tencent Cloud's own form, for clients that read only that."""

    Response: VendorRefusalBody


class Refusal(TypedDict):
    """Why a call could not be served."""

    detail: str
    error_type: str
    field: str | None
    allowed: str | None
    retryable: bool
    request_id: str
    Response: NotRequired[VendorRefusalBody]


class Upstream(TypedDict):
    """The vendor's own words about a failure."""

    code: str
    task_id: str
    request_id: str


class Failure(TypedDict):
    """Why a request ended without a result."""

    detail: str
    error_type: str
    retryable: bool
    request_id: str
    upstream: Upstream


# The queue protocol


class Links(TypedDict):
    """A request and the URLs that belong to it."""

    request_id: str
    response_url: str
    status_url: str
    cancel_url: str


class Submission(TypedDict):
    """What stands below `Response` when a task was accepted."""

    TaskId: str
    RequestId: str


class Submitted(Links):
    """The answer to a submit."""

    status: Literal["IN_QUEUE"]
    queue_position: int
    logs: None
    metrics: dict[str, float]
    Response: Submission
    warnings: NotRequired[tuple[str, ...]]


class LogEntry(TypedDict):
    """One thing that happened to a request."""

    timestamp: str
    level: Literal["INFO", "WARN", "ERROR"]
    message: str
    source: str


class Metrics(TypedDict, total=False):
    """What was measured; empty until the request has ended."""

    inference_time: float


class Status(Links):
    """How far a request is."""

    status: QueueStatus
    logs: list[LogEntry] | None
    metrics: Metrics
    queue_position: NotRequired[int]
    error: NotRequired[str]
    error_type: NotRequired[str]


class Image(TypedDict):
    """One finished picture."""

    url: str
    content_type: str
    width: int
    height: int
    file_name: str
    file_size: int
    labels: tuple[str, ...]


class Result(TypedDict):
    """The pictures of a request that succeeded."""

    images: list[Image]
    prompt: str
    request_id: str
    task_id: str
    warnings: tuple[str, ...]


class Report(TypedDict):
    """What a webhook carries: how a request ended."""

    request_id: str
    gateway_request_id: str
    status: Literal["OK", "ERROR"]
    payload: Result | Failure
    error: str | None


class CancellationRequested(TypedDict):
    """A request that was cancelled, or whose task the vendor was told to end."""

    status: Literal["CANCELLATION_REQUESTED"]
    request_id: str
    state: State


class AlreadyCompleted(TypedDict):
    """A request that ended before it could be cancelled."""

    status: Literal["ALREADY_COMPLETED"]
    request_id: str


# The vendor's own query


class PictureSize(TypedDict):
    """A picture's size in bytes and pixels."""

    Size: int
    Width: int
    Height: int


class FileInfo(TypedDict):
    """A finished picture as VOD names it."""

    StorageMode: Literal["Temporary"]
    MediaName: str
    ClassId: int
    ExpireTime: str
    FileType: str
    FileUrl: str
    FileId: str
    MetaData: PictureSize


class FileInfos(TypedDict):
    """The finished pictures of a task."""

    FileInfos: list[FileInfo]


class VodTask(TypedDict):
    """A task as VOD's DescribeTaskDetail has it."""

    TaskId: str
    Status: Literal["PROCESSING", "FINISH"]
    ErrCode: int
    ErrCodeExt: str
    Message: str
    Progress: int
    Input: dict[str, Any]
    Output: FileInfos | None
    SessionId: str
    SessionContext: str


class VodTaskDetail(TypedDict):
    """What stands below `Response` in VOD's DescribeTaskDetail."""

    TaskType: Literal["AigcImageTask", "SceneAigcImageTask"]
    Status: VodStatus
    CreateTime: str
    BeginProcessTime: str
    FinishTime: str
    AigcImageTask: VodTask | None
    SceneAigcImageTask: VodTask | None
    RequestId: str


class MpsTask(TypedDict):
    """What stands below `Response` in MPS's DescribeAigcImageTask."""

    Status: MpsStatus
    Message: str
    ImageUrls: list[str]
    RequestId: str


class VodQuery(TypedDict):
    """A request as VOD's DescribeTaskDetail answers."""

    Response: VodTaskDetail


class MpsQuery(TypedDict):
    """A request as MPS's DescribeAigcImageTask answers."""

    Response: MpsTask


# Jobs


class JobSource(TypedDict):
    """What caused a job."""

    type: Literal["call", "upload"]
    name: str
    bucket: str
    key: str
    request_id: str


class JobError(TypedDict):
    """Why a job, or one attempt of it, failed."""

    type: ErrorType
    message: str
    code: str
    request_id: str
    retryable: bool


class JobSummary(TypedDict):
    """A job in a list."""

    request_id: str
    kind: str
    state: State
    source: JobSource
    created_at: str
    updated_at: str
    model: str
    prompt: str
    pictures: int
    error: JobError | None
    job_url: str
    response_url: str


class Jobs(TypedDict):
    """A page of jobs, the newest first; it may be short: only `cursor` tells the end."""

    jobs: list[JobSummary]
    cursor: str | None


class Attempt(TypedDict):
    """One try to have the vendor run a task."""

    number: int
    session_id: str
    task_id: str
    request_id: str
    submitted_at: str | None
    finished_at: str | None
    vendor_status: str
    error: JobError | None


class ResultPlace(TypedDict):
    """Where a job's pictures go."""

    bucket: str
    prefix: str
    name: str


class DeliveryTry(TypedDict):
    """One try to deliver a webhook."""

    at: str
    status: NotRequired[int]
    """What was answered; not there where nothing was."""
    error: NotRequired[str]
    """Why nothing was answered."""


class Delivery(TypedDict):
    """What became of a job's webhook."""

    url: str
    """Without its query."""
    state: Literal["pending", "delivered", "dead"]
    tries: list[DeliveryTry]


class JobDetail(TypedDict):
    """All that the ledger knows of a job, without what is secret."""

    request_id: str
    kind: str
    lane: str
    state: State
    priority: int
    source: JobSource
    created_at: str
    updated_at: str
    start_by: str | None
    task: dict[str, Any]
    model: str
    prompt: str
    place: ResultPlace
    attempts: list[Attempt]
    images: list[Image]
    warnings: tuple[str, ...]
    error: JobError | None
    webhook: Delivery | None
    response_url: str
    status_url: str
    cancel_url: str


# Lanes and models


class Lane(TypedDict):
    """What the vendor counts together."""

    name: str
    limit: int
    limit_now: int
    """Less than `limit` for a while after the vendor had no room."""
    in_use: int
    waiting: int
    waiting_is_exact: bool
    """False where more wait than were counted."""
    slowed_down_at: str | None


class Lanes(TypedDict):
    """All lanes."""

    lanes: list[Lane]


class ModelLimit(TypedDict):
    """What a model allows of one parameter."""

    parameter: str
    """Its path in the body."""
    allowed: str
    """In words."""
    at_most: NotRequired[int]
    one_of: NotRequired[list[str]]


class Model(TypedDict):
    """One version of a model, and its documented limits."""

    name: str
    version: str
    source: str
    """Where the limits were read."""
    limits: list[ModelLimit]


class ModelsOfKind(TypedDict):
    """The models of one kind of task."""

    kind: str
    endpoint: str
    models: list[Model]


class Scene(TypedDict):
    """A scene of vod.scene_image, and what it takes."""

    name: str
    config: str | None
    output: list[str]
    is_deprecated: bool


class Models(TypedDict):
    """The catalogue."""

    as_of: str
    kinds: list[ModelsOfKind]
    scenes: list[Scene]


# Uploads


class Upload(TypedDict):
    """Where to PUT a picture, and how to name it as an input then."""

    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    """To be sent exactly so: they are signed."""
    expires_at: str
    url: str
    """`cos://…`, for the field of the task that takes a picture's URL."""


# Usage


class UsageSum(TypedDict):
    """Jobs that are counted together."""

    jobs: int
    succeeded: int
    pictures: int
    cost: str | None
    """Of the jobs whose cost is known, as a decimal number; null where it is of none."""
    jobs_without_price: int
    """Jobs that `cost` does not hold."""


class UsageRow(UsageSum):
    """What one source had made by one model on one day."""

    day: str
    kind: str
    model: str
    version: str
    source: str
    """`call:<key>` or `upload:<rule>`."""


Usage = TypedDict(
    "Usage",
    {
        "from": str,
        "to": str,
        "currency": str | None,
        "complete": bool,
        "total": UsageSum,
        "usage": list[UsageRow],
    },
)
"""What was made in some days; not all of it unless `complete`."""


# The rest


class Health(TypedDict):
    """The function runs."""

    status: Literal["ok"]


class CallbackTaken(TypedDict):
    """What VOD is told when its callback was taken."""

    code: Literal[0]
