"""Types of the bodies of answers. Mypy checks the handlers by them, and OpenAPI is built from them.

No handler imports them at run time, so they are not part of the zip. A docstring below a field is
its description in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from aigc.jobs.job import ErrorType, State  # noqa: TC001  read when OpenAPI is built
from aigc.uploads.entries import Reason  # noqa: TC001  read when OpenAPI is built
from aigc.uploads.statuses import Outcome  # noqa: TC001  read when OpenAPI is built

QueueStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
VodStatus = Literal["WAITING", "PROCESSING", "FINISH", "ABORTED"]
MpsStatus = Literal["WAIT", "RUN", "FAIL", "DONE"]


# Errors


class VendorError(TypedDict):
    """An error in the form of Tencent Cloud."""

    Code: str
    """Error code of Tencent Cloud, such as `InvalidParameterValue`."""
    Message: str
    """Description of the error."""


class VendorRefusalBody(TypedDict):
    """Content of a refusal in the form of Tencent Cloud."""

    Error: VendorError
    """The error."""
    RequestId: str
    """Id of the invocation; the log of the function has it."""


class VendorRefusal(TypedDict):
    """A refusal in the form of Tencent Cloud, for clients of the vendor's API."""

    Response: VendorRefusalBody
    """Content of the refusal."""


class Refusal(TypedDict):
    """Why a call was refused."""

    detail: str
    """Description of the error."""
    error_type: str
    """Name of the error, for programs."""
    field: str | None
    """The wrong field, header or query parameter; null if the error is not about one."""
    allowed: str | None
    """Allowed values of it; null if there is no such list."""
    retryable: bool
    """Whether the same call may succeed later."""
    request_id: str
    """Id of the invocation; the log of the function has it."""
    Response: NotRequired[VendorRefusalBody]
    """The same in the form of Tencent Cloud, on the paths of the vendor's clients."""


class Upstream(TypedDict):
    """The vendor's ids and error code of a failure."""

    code: str
    """Error code of the vendor; may be empty."""
    task_id: str
    """Task id of the vendor; empty if no task was created."""
    request_id: str
    """Request id of the vendor."""


class Failure(TypedDict):
    """Why a request ended without a result."""

    detail: str
    """Description of the error."""
    error_type: str
    """Name of the error, for programs."""
    retryable: bool
    """Whether a new request with the same task may succeed."""
    request_id: str
    """Id of the request."""
    upstream: Upstream
    """The vendor's ids and error code."""


# The queue protocol


class Links(TypedDict):
    """A request and its URLs."""

    request_id: str
    """Id of the request."""
    response_url: str
    """URL of its result."""
    status_url: str
    """URL of its status."""
    cancel_url: str
    """URL that cancels it by a PUT."""


class Pause(TypedDict):
    """Why a lane starts no jobs: the vendor refuses the account, not a single request.

    No request fails because of it. The requests wait, and continue by themselves when the account
    is repaired.
    """

    action: str
    """The vendor's action that was refused."""
    code: str
    """The vendor's error code."""
    message: str
    """The vendor's error message."""
    request_id: str
    """The vendor's request id of the last refusal."""
    since: str
    """When the vendor first refused, in ISO 8601."""
    next_probe: str
    """When the service tries the next call, in ISO 8601."""


class Submission(TypedDict):
    """The answer to a submit in the form of Tencent Cloud."""

    TaskId: str
    """Id of the request."""
    RequestId: str
    """Id of the invocation; the log of the function has it."""


class Submitted(Links):
    """An accepted request."""

    status: Literal["IN_QUEUE"]
    """The request waits or has just been sent."""
    queue_position: int
    """Always 0 here; the status has the position."""
    logs: None
    """Always null here."""
    metrics: dict[str, float]
    """Always empty here."""
    Response: Submission
    """The same in the form of Tencent Cloud, for its clients."""
    warnings: NotRequired[tuple[str, ...]]
    """Values that were accepted without a check, such as a model that is not in the catalogue."""
    paused: NotRequired[Pause]
    """The pause of the request's lane, if it has one."""


class Estimate(TypedDict):
    """The estimated cost of a valid task, by the stack's price table."""

    kind: str
    """Kind of the task, such as `vod.image`."""
    model: str
    """Model and version, or the scene."""
    images: int
    """Number of images that the task requests."""
    currency: str | None
    """Currency of the cost; null if the stack has no prices."""
    per_image: str | None
    """Price of one image, as a decimal number; null if it is unknown."""
    cost: str | None
    """Cost of all images, as a decimal number; null if it is unknown."""
    missing_price: str | None
    """The entry that `prices.toml` lacks; null if the cost is known."""
    warnings: list[str]
    """Values that cannot be checked, such as a model that is not in the catalogue."""


class LogEntry(TypedDict):
    """An event of a request."""

    timestamp: str
    """Time of the event, in ISO 8601."""
    level: Literal["INFO", "WARN", "ERROR"]
    """Severity."""
    message: str
    """Description of the event."""
    source: str
    """Always `aigc-functions`."""


class Metrics(TypedDict, total=False):
    """Measurements of a request; empty until it has ended."""

    inference_time: float
    """Seconds from the submission to the vendor to the end of the request."""


class Deferral(TypedDict):
    """Why a request waits outside its lane: a ceiling of the stack has no share left for it.

    It does not fail. It continues when the ceiling's next period begins or the ceiling is raised.
    """

    reason: Literal["over_budget", "price_unknown"]
    """`over_budget`: too little is left of the ceiling; `price_unknown`: the ceiling is in money,
    and `prices.toml` has no price for the task."""
    ceiling: str
    """Name of the ceiling, as `GET /v1/usage` lists it."""
    since: str
    """When the request began to wait for it, in ISO 8601."""


class RequestStatus(Links):
    """Progress of a request."""

    status: QueueStatus
    """`IN_QUEUE`: it waits in its lane; `IN_PROGRESS`: it was sent to the vendor; `COMPLETED`: it
    has ended, successfully or not."""
    logs: list[LogEntry] | None
    """Events of the request, oldest first; null unless `logs` is on."""
    metrics: Metrics
    """Measurements."""
    queue_position: NotRequired[int]
    """While the request waits in its lane: number of requests before it, counted up to 1000."""
    deferred: NotRequired[Deferral]
    """While the request waits outside its lane: the reason."""
    delay: NotRequired[str]
    """While finished images cannot be stored: why the last try failed. It is tried again."""
    paused: NotRequired[Pause]
    """If the vendor refuses the account: the pause that stops the request."""
    overdue_since: NotRequired[str]
    """If the vendor's task runs far longer than usual: when that was noticed, in ISO 8601."""
    error: NotRequired[str]
    """If the request failed: description of the error."""
    error_type: NotRequired[str]
    """If the request failed: name of the error, for programs."""


class Image(TypedDict):
    """A finished image in the results bucket."""

    url: str
    """Link to the image, valid for one hour at most; another call returns a new link."""
    content_type: str
    """Media type of the image."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    file_name: str
    """Name of the file, without its folder."""
    file_size: int
    """Size of the file in bytes."""
    labels: tuple[str, ...]
    """Labels inside the file: `tc260`, `iptc`, `c2pa`, `visible`."""


class Result(TypedDict):
    """Images of a request that succeeded."""

    images: list[Image]
    """The images."""
    prompt: str
    """Prompt of the task; empty if it had none."""
    request_id: str
    """Id of the request."""
    task_id: str
    """Task id of the vendor."""
    warnings: tuple[str, ...]
    """Values that were accepted without a check."""


class Report(TypedDict):
    """Body of a webhook: how a request ended."""

    request_id: str
    """Id of the request."""
    gateway_request_id: str
    """The same id, as in fal.ai's webhooks."""
    status: Literal["OK", "ERROR"]
    """Whether the request succeeded."""
    payload: Result | Failure
    """The result, or the failure."""
    error: str | None
    """Description of the error; null if the request succeeded."""


class CancellationRequested(TypedDict):
    """A request that was cancelled, or whose task the vendor was asked to abort."""

    status: Literal["CANCELLATION_REQUESTED"]
    """The request was cancelled."""
    request_id: str
    """Id of the request."""
    state: State
    """State of the job after the call."""


class AlreadyCompleted(TypedDict):
    """A request that ended before it could be cancelled."""

    status: Literal["ALREADY_COMPLETED"]
    """The request had ended."""
    request_id: str
    """Id of the request."""


# The vendor's own query


class ImageSize(TypedDict):
    """Size of an image."""

    Size: int
    """Size of the file in bytes."""
    Width: int
    """Width in pixels."""
    Height: int
    """Height in pixels."""


class FileInfo(TypedDict):
    """A finished image in the form of VOD."""

    StorageMode: Literal["Temporary"]
    """Always `Temporary`."""
    MediaName: str
    """Name of the file in the results bucket."""
    ClassId: int
    """Always 0."""
    ExpireTime: str
    """When `FileUrl` expires."""
    FileType: str
    """Extension of the file name."""
    FileUrl: str
    """Link to the image in the results bucket."""
    FileId: str
    """Always empty: the file is not in VOD."""
    MetaData: ImageSize
    """Size of the image."""


class VodOutput(TypedDict):
    """Finished images of a task."""

    FileInfos: list[FileInfo]
    """The images."""


class VodTask(TypedDict):
    """A task in the form of VOD's DescribeTaskDetail."""

    TaskId: str
    """Id of the request."""
    Status: Literal["PROCESSING", "FINISH"]
    """Whether the task has ended."""
    ErrCode: int
    """0 if the task has not failed."""
    ErrCodeExt: str
    """Error code of VOD; empty if the task has not failed."""
    Message: str
    """Description of the error; empty if the task has not failed."""
    Progress: int
    """100 if the task has ended, else 0."""
    Input: dict[str, Any]
    """Parameters of the task, in the spelling of VOD, without images and secrets."""
    Output: VodOutput | None
    """Images of the task; null until there are any."""
    SessionId: str
    """`session_id` of the submit."""
    SessionContext: str
    """`session_context` of the submit."""


class VodTaskDetail(TypedDict):
    """Content of an answer of VOD's DescribeTaskDetail."""

    TaskType: Literal["AigcImageTask", "SceneAigcImageTask"]
    """The field that contains the task, one of two."""
    Status: VodStatus
    """Status of the task."""
    CreateTime: str
    """When the request was accepted."""
    BeginProcessTime: str
    """When the task was sent to VOD; zeros until then."""
    FinishTime: str
    """When the request ended; zeros until then."""
    AigcImageTask: VodTask | None
    """A task of kind `vod.image`, or null."""
    SceneAigcImageTask: VodTask | None
    """A task of kind `vod.scene_image`, or null."""
    RequestId: str
    """Id of the invocation; the log of the function has it."""


class MpsTask(TypedDict):
    """Content of an answer of MPS's DescribeAigcImageTask."""

    Status: MpsStatus
    """Status of the task."""
    Message: str
    """`ok`, or a description of the error."""
    ImageUrls: list[str]
    """Links to the images in the results bucket."""
    RequestId: str
    """Id of the invocation; the log of the function has it."""


class VodQuery(TypedDict):
    """A request in the form of VOD's DescribeTaskDetail."""

    Response: VodTaskDetail
    """Content of the answer."""


class MpsQuery(TypedDict):
    """A request in the form of MPS's DescribeAigcImageTask."""

    Response: MpsTask
    """Content of the answer."""


# Jobs


class JobSource(TypedDict):
    """The cause of a job."""

    type: Literal["call", "upload"]
    """Whether a call or an upload caused it."""
    name: str
    """Name of the API key, or of the rule."""
    bucket: str
    """Bucket of the uploaded file; empty for a call."""
    key: str
    """Object key of the uploaded file; empty for a call."""
    request_id: str
    """Id of the invocation that accepted the job."""


class JobError(TypedDict):
    """Why a job, or one attempt of it, failed."""

    type: ErrorType
    """Class of the error."""
    message: str
    """Description of the error."""
    code: str
    """Error code of the vendor; may be empty."""
    request_id: str
    """Request id of the vendor; may be empty."""
    retryable: bool
    """Whether a new request with the same task may succeed."""


class Wait(TypedDict):
    """Why a queued job has not been sent yet."""

    reason: Literal["next", "lane_full", "backoff", "paused", "over_budget", "price_unknown"]
    """`next`: it is one of the next to be sent; `lane_full`: all slots of its lane are taken;
    `backoff`: the vendor had no capacity, and it waits until `until`; `paused`: its lane is paused;
    `over_budget`, `price_unknown`: it waits outside its lane for the ceiling in `ceiling`."""
    position: int | None
    """Number of jobs before it in its lane, counted up to 1000; null outside its lane."""
    until: str | None
    """Earliest time at which it can be sent, in ISO 8601; null if that is unknown."""
    ceiling: str | None
    """Name of the ceiling, as `GET /v1/usage` lists it."""


class JobSummary(TypedDict):
    """A job in a list."""

    request_id: str
    """Id of the job, which is the id of its request."""
    kind: str
    """Kind of the task, such as `vod.image`."""
    state: State
    """State of the job."""
    wait: Wait | None
    """Why the job waits; null if it does not."""
    source: JobSource
    """The cause of the job."""
    created_at: str
    """When the job was accepted, in ISO 8601."""
    updated_at: str
    """When its record last changed, in ISO 8601."""
    model: str
    """Model and version, or the scene."""
    prompt: str
    """Prompt of the task; empty if it has none."""
    images: int
    """Number of finished images."""
    error: JobError | None
    """Why the job failed; null if it did not."""
    job_url: str
    """URL of the job with all details."""
    response_url: str
    """URL of its result."""


class JobPage(TypedDict):
    """A page of jobs, newest first. A page may be short: the last one has no `cursor`."""

    jobs: list[JobSummary]
    """The jobs."""
    cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""


class InputImage(TypedDict):
    """An uploaded image that a task started from."""

    bucket: str
    """Its bucket."""
    key: str
    """Its object key."""
    url: str
    """Link to it, valid for one hour at most. The object may have been removed since."""
    preview_url: str
    """Link to a smaller version; see `preview_url` of an image."""


class ListedImage(Image):
    """An image in a list, with its task and its job."""

    request_id: str
    """Id of its job."""
    number: int
    """Its number among the images of the job; the first is 1."""
    key: str
    """Its object key in the results bucket."""
    preview_url: str
    """Link to a smaller version that COS's image processing makes, at most 480 pixels wide and
    high, valid for one hour at most. It fails if the bucket has no image processing; then use
    `url`. The same as `url` if the stack makes no previews."""
    kind: str
    """Kind of the task."""
    model: str
    """Model and version, or the scene."""
    prompt: str
    """The first 300 characters of the prompt; empty if the task had none."""
    source: JobSource
    """The cause of the job."""
    created_at: str
    """When the job was accepted, in ISO 8601."""
    ended_at: str
    """When the vendor's task ended, in ISO 8601: images are sorted by this time."""
    description_url: str
    """Link to the JSON file beside the images that says how they were made."""
    input: InputImage | None
    """Image that the task started from; null if it had none, or if it was not uploaded here."""
    job_url: str
    """URL of the job with all details."""


class ImagePage(TypedDict):
    """A page of images, newest first, by the time at which the vendor's task ended.

    A call compares at most 10,000 jobs with its filters. So a page may be short, or empty: the
    last one has no `cursor`.
    """

    images: list[ListedImage]
    """The images."""
    cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""


class Attempt(TypedDict):
    """One attempt to run a task at the vendor."""

    number: int
    """Number of the attempt; the first is 1."""
    session_id: str
    """Session id that was sent to the vendor."""
    task_id: str
    """Task id of the vendor; empty if no task was created."""
    request_id: str
    """Request id of the vendor."""
    submitted_at: str | None
    """When the task was sent, in ISO 8601."""
    finished_at: str | None
    """When the task ended, in ISO 8601."""
    overdue_at: str | None
    """When the task had run far longer than usual, in ISO 8601; null if it has not."""
    vendor_status: str
    """Last status that the vendor reported."""
    may_be_billed: bool
    """Whether the vendor has a task for the attempt, or may have one."""
    error: JobError | None
    """Why the attempt failed; null if it did not."""


class OutputLocation(TypedDict):
    """Where the images of a job are stored."""

    bucket: str
    """The results bucket."""
    prefix: str
    """Folder of the images."""
    name: str
    """Beginning of their file names."""


class DeliveryTry(TypedDict):
    """One try to deliver a webhook."""

    at: str
    """When it was made, in ISO 8601."""
    status: NotRequired[int]
    """Status of the receiver's answer; absent if there was none."""
    error: NotRequired[str]
    """Why there was no answer."""


class Delivery(TypedDict):
    """Delivery of the webhook of a job."""

    url: str
    """URL of the receiver, without its query."""
    state: Literal["pending", "delivered", "dead"]
    """Whether it was delivered, or given up (`dead`)."""
    tries: list[DeliveryTry]
    """All tries."""


class JobDetail(TypedDict):
    """A job with all details, without secrets."""

    request_id: str
    """Id of the job, which is the id of its request."""
    kind: str
    """Kind of the task, such as `vod.image`."""
    lane: str
    """Lane that the job runs in."""
    state: State
    """State of the job."""
    priority: int
    """Priority in the lane, -10 to 10; jobs with 10 are first."""
    source: JobSource
    """The cause of the job."""
    created_at: str
    """When the job was accepted, in ISO 8601."""
    updated_at: str
    """When its record last changed, in ISO 8601."""
    start_by: str | None
    """When the job is cancelled if it has not been sent by then, in ISO 8601."""
    deferred: Deferral | None
    """Why the job waits outside its lane; null if it does not."""
    wait: Wait | None
    """Why the job waits, in its lane or outside; null if it does not."""
    delay: str | None
    """Why the last try to store its images failed; null if no try failed."""
    operations: list[Literal["cancel", "replay", "restore"]]
    """Operations that the key may perform on the job now. A cancel of a task that runs at the
    vendor may still be refused."""
    estimate: Estimate
    """Estimated cost of one attempt."""
    task: dict[str, Any]
    """Parameters of the task; URLs of inputs without their queries."""
    model: str
    """Model and version, or the scene."""
    prompt: str
    """Prompt of the task; empty if it has none."""
    place: OutputLocation
    """Where the images are stored."""
    attempts: list[Attempt]
    """All attempts, oldest first."""
    images: list[Image]
    """Finished images."""
    warnings: tuple[str, ...]
    """Values that were accepted without a check."""
    error: JobError | None
    """Why the job failed; null if it did not."""
    webhook: Delivery | None
    """Delivery of the webhook; null if the job has none."""
    response_url: str
    """URL of its result."""
    status_url: str
    """URL of its status."""
    cancel_url: str
    """URL that cancels it by a PUT."""


class Operated(TypedDict):
    """A job that was replayed or restored."""

    request_id: str
    """Id of the job."""
    state: State
    """State of the job now."""
    attempt: int
    """Number of its present attempt."""


# Keys


class KeyLimit(TypedDict):
    """A limit of a key in its present period."""

    limit: str
    """The limit, as a decimal number."""
    left: str
    """The rest of the limit; a little more may be left."""
    resets_at: str
    """When the next period begins, in ISO 8601."""


class Me(TypedDict):
    """The key of the call: its permissions and its limits."""

    name: str
    """Name of the key."""
    kinds: list[str]
    """Kinds of task that it may submit."""
    own_only: bool
    """Whether it sees only its own requests."""
    may_operate: bool
    """Whether it may replay and restore jobs."""
    may_upload: bool
    """Whether it may see and write the inbox."""
    requests_per_minute: KeyLimit | None
    """Calls in a minute; null if there is no limit."""
    jobs_per_day: KeyLimit | None
    """Jobs in a day; null if there is no limit."""
    budget_per_month: KeyLimit | None
    """Budget of the month in `currency`; null if there is no limit."""
    currency: str | None
    """Currency of the stack's prices; null if it has none."""


# Lanes and models


class Lane(TypedDict):
    """A lane: tasks that share a limit of the vendor."""

    name: str
    """Name of the lane, which is the kind of its tasks."""
    limit: int
    """Number of tasks that may run at the same time."""
    limit_now: int
    """The present limit: lower than `limit` for a while after the vendor had no capacity."""
    in_use: int
    """Number of tasks that run."""
    waiting: int
    """Number of jobs that wait."""
    waiting_is_exact: bool
    """Whether `waiting` is exact; false if more jobs wait than were counted."""
    slowed_down_at: str | None
    """When the vendor last had no capacity, in ISO 8601."""
    paused: Pause | None
    """Why the lane starts no jobs; null if it is not paused."""


class LastSweep(TypedDict):
    """The last run of the sweep, which continues jobs that no event reports."""

    started_at: str | None
    """When it started, in ISO 8601; null before the first one."""
    finished_at: str | None
    """When a sweep last finished, in ISO 8601. Sweeps start each minute by default."""


class LaneList(TypedDict):
    """All lanes."""

    lanes: list[Lane]
    """The lanes."""
    sweep: LastSweep
    """The last run of the sweep."""


class ModelLimit(TypedDict):
    """Documented limit of one parameter of a model."""

    parameter: str
    """Path of the parameter in the body."""
    allowed: str
    """The limit, in words."""
    at_least: NotRequired[int]
    """Smallest number that is allowed, if the limit has one."""
    at_most: NotRequired[int]
    """Largest number that is allowed, if the limit has one."""
    one_of: NotRequired[list[str]]
    """Values that are allowed, if the limit is a list."""


class Model(TypedDict):
    """A version of a model and its documented limits."""

    name: str
    """Name of the model."""
    version: str
    """Its version."""
    source: str
    """Document that states the limits."""
    limits: list[ModelLimit]
    """The limits."""


class ModelsOfKind(TypedDict):
    """Models of a kind of task."""

    kind: str
    """Kind of the task, such as `vod.image`."""
    endpoint: str
    """Path to submit such a task to."""
    models: list[Model]
    """The models."""


class Scene(TypedDict):
    """A scene of `vod.scene_image`."""

    name: str
    """Name of the scene: `type` in `scene_info`."""
    config: str | None
    """Field of `scene_info` that holds its configuration; null if it has none."""
    output: list[str]
    """Fields of `output_config` that it allows."""
    is_deprecated: bool
    """Whether the vendor has deprecated it."""
    limits: list[ModelLimit]
    """Its limits of the parameters of the task."""


class Models(TypedDict):
    """Catalogue of models."""

    as_of: str
    """Date of the catalogue."""
    kinds: list[ModelsOfKind]
    """Models, by kind of task."""
    scenes: list[Scene]
    """Scenes of `vod.scene_image`."""


# Uploads


class Upload(TypedDict):
    """The URL to PUT an image to, and the URL of the image as an input."""

    upload_url: str
    """URL to PUT the image to, valid for 15 minutes."""
    method: Literal["PUT"]
    """Method of the upload."""
    headers: dict[str, str]
    """Headers of the upload: send them unchanged, they are signed."""
    expires_at: str
    """When the URL expires, in ISO 8601."""
    url: str
    """The image as an input (`cos://…`): put it into the field of the task for the URL of an
    image."""


class UploadJob(TypedDict):
    """A job that an object of the inbox became."""

    request_id: str
    """Id of the job."""
    rule: str
    """Name of the rule."""
    state: State | None
    """State of the job; null if the job has no record, or one that cannot be read."""
    job_url: str
    """URL of the job with all details."""


class UploadAccount(TypedDict):
    """An object of the inbox and its outcome."""

    key: str
    """Key of the object."""
    size: int
    """Size in bytes."""
    etag: str
    """ETag of the object, which changes with its content."""
    uploaded_at: str
    """When the object was written, in ISO 8601."""
    outcome: Outcome
    """`job`: it became one or more jobs. `none`: it has no job; `reason` says why. `pending`: it
    has not been processed yet."""
    reason: Reason | None
    """Why it has no job; null if it has one, or is pending."""
    detail: str
    """The reason in words."""
    jobs: list[UploadJob]
    """Its jobs, the oldest first."""


class UploadPage(TypedDict):
    """A page of the inbox, in order of keys. The last one has no `cursor`."""

    uploads: list[UploadAccount]
    """The objects."""
    cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""


class InboxUpload(TypedDict):
    """The URL to PUT an image to, and the tasks that the upload becomes."""

    upload_url: str
    """URL to PUT the image to, valid for 15 minutes."""
    method: Literal["PUT"]
    """Method of the upload."""
    headers: dict[str, str]
    """Headers of the upload: send them unchanged, they are signed. COS answers 409 if an object of
    this name exists."""
    expires_at: str
    """When the URL expires, in ISO 8601."""
    key: str
    """Key of the object in the inbox."""
    account_url: str
    """URL that shows the outcome of the upload."""
    estimates: list[Estimate]
    """The tasks that the upload becomes, and what each costs."""


class Rule(TypedDict):
    """A rule: which uploads become which task."""

    name: str
    """Name of the rule."""
    type: Literal["image", "batch"]
    """`batch`: an upload is a file whose lines become jobs."""
    kind: str | None
    """Kind of the tasks; null for a batch whose lines name it."""
    model: str | None
    """Model and version, or the scene; null for a batch."""
    folder: str
    """Beginning of the keys of its uploads; links put uploads there."""
    suffix: list[str]
    """Allowed ends of the key; empty: all."""
    glob: list[str]
    """Patterns of the whole key; empty: all."""
    content_type: list[str]
    """Allowed formats; empty: all."""
    min_bytes: int | None
    """Smallest size in bytes; null if there is no limit."""
    max_bytes: int | None
    """Largest size in bytes; null if there is no limit."""
    metadata: dict[str, list[str]]
    """Name of own metadata and patterns, one of which its value must match."""
    needs: list[str]
    """Names of own metadata without which an upload becomes no task."""
    continues: bool
    """Whether later rules may make a job of the same upload too."""
    may_upload: bool
    """Whether the key gets links into the folder: not for batches, not for other kinds than its
    own, and with a limit of jobs or money not for a rule with `repeat`."""
    estimate: Estimate | None
    """Estimated cost of an upload; null for a batch."""


class RuleList(TypedDict):
    """All rules, in their order: the first that matches applies."""

    rules: list[Rule]
    """The rules."""


class Batch(TypedDict):
    """A file of the inbox whose lines become jobs."""

    batch_id: str
    """Id of the batch."""
    object_key: str
    """Key of the file in the inbox."""
    rule: str
    """Name of the rule."""
    created_at: str
    """When it was processed, in ISO 8601."""
    lines: int
    """Number of lines that were read so far; wrong ones count, empty ones do not."""
    is_read: bool
    """Whether all lines were read."""
    is_complete: bool
    """Whether all lines were read and their jobs have ended, so that nothing changes any more."""
    states: dict[str, int]
    """State → number of lines, by the last report; a line's state is its job's, or `refused`."""
    problem: str
    """Why the rest of the file was not read; empty if there was no error."""
    bucket: str
    """Bucket of the report and the contact sheet."""
    report_key: str
    """Key of the report. It exists after the first sweep."""
    sheet_key: str
    """Key of the contact sheet."""


class BatchPage(TypedDict):
    """A page of the batches, the newest first. The last one has no `cursor`."""

    batches: list[Batch]
    """The batches."""
    cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""


class FalUpload(TypedDict):
    """The URL to PUT an image to, and the URL of the image as an input, in fal.ai's form."""

    upload_url: str
    """URL to PUT the image to, valid for 15 minutes."""
    file_url: str
    """The image as an input (`cos://…`): put it into the field of the task for the URL of an
    image."""


# Usage


class UsageSum(TypedDict):
    """Sum over some jobs."""

    jobs: int
    """Number of jobs."""
    succeeded: int
    """Number of jobs that succeeded."""
    images: int
    """Number of images."""
    cost: str | None
    """Estimated cost of the jobs with a known price, as a decimal number; null if there are
    none."""
    jobs_without_price: int
    """Number of jobs that `cost` does not include."""


class UsageRow(UsageSum):
    """Sum over the jobs of one day, source, kind and model."""

    day: str
    """Day in UTC on which the jobs ended."""
    kind: str
    """Kind of the tasks, such as `vod.image`."""
    model: str
    """Model, or scene; `default` if MPS chose the model."""
    version: str
    """Version of the model, or model of the scene; may be empty."""
    source: str
    """`call:<key>` or `upload:<rule>`."""


class Ceiling(TypedDict):
    """A ceiling of the stack in its present period; amounts are decimal numbers."""

    name: str
    """Scope, period and unit: `uploads/month/money`."""
    limit: str
    """The most images, or the most money in `currency`."""
    spent: str
    """Images or money that ended requests have used."""
    reserved: str
    """Images or money that other requests may still use."""
    left: str
    """Images or money that are left for new requests."""
    resets_at: str
    """When the next period begins, in ISO 8601."""


UsageReport = TypedDict(
    "UsageReport",
    {
        "from": Annotated[str, Field(description="First day, in UTC.")],
        "to": Annotated[str, Field(description="Last day, in UTC.")],
        "currency": Annotated[
            str | None, Field(description="Currency of the costs; null if no prices are known.")
        ],
        "complete": Annotated[
            bool,
            Field(
                description="False if the time of the call was not enough: call again with the last"
                " day in `usage` as `from`."
            ),
        ],
        "total": Annotated[UsageSum, Field(description="Sum over all jobs.")],
        "usage": Annotated[
            list[UsageRow], Field(description="Sums by day, kind, model, version and source.")
        ],
        "ceilings": Annotated[
            list[Ceiling],
            Field(
                description="The ceilings of the stack as they are now; none for keys that see"
                " only their own requests."
            ),
        ],
    },
)
UsageReport.__doc__ = "Number of jobs and images, and their estimated cost, of some days."


# The rest


class Health(TypedDict):
    """The service runs."""

    status: Literal["ok"]
    """Always `ok`."""


class CallbackTaken(TypedDict):
    """Answer to a callback of VOD."""

    code: Literal[0]
    """Always 0: VOD need not repeat the callback."""


# OpenAI's Images API


class OpenAIErrorBody(TypedDict):
    """Content of an error in the form of OpenAI's API."""

    message: str
    """Description of the error, and the allowed values."""
    type: str
    """Class of the error, as OpenAI names it."""
    param: str | None
    """The wrong field; null if the error is not about one."""
    code: str
    """Name of the error, for programs."""
    request_id: str
    """Id of the request, or of the invocation if there is no request."""


class OpenAIError(TypedDict):
    """An error in the form of OpenAI's API."""

    error: OpenAIErrorBody
    """Content of the error."""


class OpenAIModel(TypedDict):
    """A model, as OpenAI's API describes it."""

    id: str
    """Name of the model: `<kind>/<name>-<version>`, or short `<name>-<version>`."""
    object: Literal["model"]
    """Always `model`."""
    created: int
    """Unix time of the catalogue."""
    owned_by: str
    """The vendor's product that runs the model."""


class OpenAIModelList(TypedDict):
    """Models, as OpenAI's API lists them."""

    object: Literal["list"]
    """Always `list`."""
    data: list[OpenAIModel]
    """The models that the key may use."""


class OpenAIImage(TypedDict):
    """One finished image."""

    url: str
    """URL of the image, valid for an hour."""
    b64_json: NotRequired[str]
    """The image in Base64, unless `response_format` is `url` or the images are too large."""


class OpenAIImages(TypedDict):
    """The answer to a generation or an edit; with `async` without images."""

    created: int
    """Unix time at which the request ended or, with `async`, was accepted."""
    data: list[OpenAIImage]
    """The images; empty with `async`."""
    output_format: NotRequired[str]
    """File format of the images."""
    size: NotRequired[str]
    """Width and height of the first image in pixels."""
    request_id: str
    """Id of the request, for the other paths of this API."""
    warnings: list[str]
    """Fields that were ignored or could not be checked."""
    id: NotRequired[str]
    """The same id, with `async`."""
    status: NotRequired[Literal["IN_QUEUE"]]
    """Only with `async`: the request was accepted."""
    status_url: NotRequired[str]
    """Only with `async`: URL of the status."""
    response_url: NotRequired[str]
    """Only with `async`: URL of the result."""
    cancel_url: NotRequired[str]
    """Only with `async`: URL that cancels the request with PUT."""


class _OpenAIRequest(TypedDict, total=False):
    """Fields that generations and edits have in common."""

    n: Annotated[int, Field(ge=1, le=10)] | None
    """Number of images; more than 1 only with models that make several."""
    size: str | None
    """`auto`, or `<width>x<height>` within what the model can make."""
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None
    """Level of quality, for models that have levels; otherwise ignored with a warning."""
    output_format: Literal["png", "jpeg"] | None
    """File format of the images."""
    background: Literal["auto", "opaque", "transparent"] | None
    """Background; `transparent` only with OG."""
    response_format: Literal["url", "b64_json"] | None
    """`url`: the answer has only URLs. Otherwise it also has the images in Base64."""
    user: str | None
    """Name of the end user: users do not find each other's requests."""


class OpenAIGeneration(_OpenAIRequest):
    """A generation, as OpenAI's clients send it.

    Other fields are those of the kind's submit, and `async`: true answers at once with the URLs of
    the request.
    """

    model: str
    """Name of the model, as `/models` lists it."""
    prompt: str
    """What to draw."""


class OpenAIEdit(_OpenAIRequest):
    """An edit, as OpenAI's clients send it.

    Other fields are those of the kind's submit, and `async`: true answers at once with the URLs of
    the request.
    """

    model: str
    """Name of the model, as `/models` lists it."""
    prompt: str
    """What to draw."""
    image: str | list[str]
    """The images to start from, as URLs or in Base64; in a form, as files."""
    mask: NotRequired[str | None]
    """A mask, as a URL or in Base64; in a form, as a file. Only with OG."""


# MCP


class RpcMessage(TypedDict):
    """A message of JSON-RPC, as the Model Context Protocol has them."""

    jsonrpc: Literal["2.0"]
    """Version of JSON-RPC."""
    id: NotRequired[str | int]
    """Id of a request; a notification has none."""
    method: str
    """Such as `tools/list` or `tools/call`."""
    params: NotRequired[dict[str, Any]]
    """Parameters of the method."""


class RpcAnswer(TypedDict):
    """The answer to a request of JSON-RPC."""

    jsonrpc: Literal["2.0"]
    """Version of JSON-RPC."""
    id: str | int
    """Id of the request."""
    result: dict[str, Any]
    """Result of the method. A tool that was refused returns `isError` and a text."""


class RpcErrorBody(TypedDict):
    """An error of JSON-RPC."""

    code: int
    """Code of JSON-RPC or of MCP."""
    message: str
    """Description of the error."""
    data: NotRequired[dict[str, Any]]
    """Details, for programs."""


class RpcFailure(TypedDict):
    """The answer to a message that was refused."""

    jsonrpc: Literal["2.0"]
    """Version of JSON-RPC."""
    id: str | int | None
    """Id of the request; null if it was not read."""
    error: RpcErrorBody
    """The error."""
