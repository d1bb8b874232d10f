"""The interface of the three kinds of task."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pydantic import Field

from aigc.tasks.fields import Parameters
from aigc.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

RECORDED = object()
"""Validation context for the task of an existing job: the present limits are not checked."""

UpstreamState = Literal["waiting", "running", "succeeded", "failed", "cancelled"]


class ApiCall(NamedTuple):
    """One call of Tencent Cloud API 3.0, not yet sent."""

    service: str
    version: str
    action: str
    params: dict[str, Any]


class Submission(NamedTuple):
    """The values that an attempt of a job adds to the parameters of its task."""

    sub_app_id: int
    session_id: str
    """Unique for each attempt; VOD refuses a second task with the same session id."""
    session_context: str
    """The job's id; VOD returns it in its callback."""
    input_url: Callable[[str], str]
    """Returns the URL by which the vendor can read an input (`cos://…` is presigned)."""
    store_bucket: str
    store_region: str
    store_path: str
    """The folder for the images of MPS, with a slash at its end."""


class UpstreamFailure(Wire):
    """Why the vendor's task failed: the vendor's code and message."""

    code: str
    message: str
    outcome: Literal["rejected", "moderated", "throttled", "failed"]
    """rejected: the input is at fault; throttled: there was no capacity, try again later."""


class UpstreamTask(NamedTuple):
    """The state of a vendor's task."""

    task_id: str
    state: UpstreamState
    vendor_status: str
    """The vendor's word for the state."""
    image_urls: tuple[str, ...] = ()
    failure: UpstreamFailure | None = None


class Task(Parameters):
    """The parameters of one task, checked against all known limits."""

    session_id: str | None = Field(default=None, max_length=50)
    """Your name for the task: a second submit with the same name finds the first one. In a call it
    does what `Idempotency-Key` does, which takes precedence. The vendor gets the session of the
    job instead. In a rule it has no effect."""
    session_context: str | None = Field(default=None, max_length=1000)
    """Returned by `/query/{id}`. The vendor gets the id of the job instead."""
    tasks_priority: int | None = Field(default=None, ge=-10, le=10)
    """Priority of the job in its lane; 10 is first, 0 is the default. It is sent to VOD too; MPS
    has no priorities."""

    @abstractmethod
    def parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters of the vendor's Create action."""

    def check_account(self, sub_app_id: int, results_bucket: str) -> None:
        """Check that the task names no other VOD application and no other bucket.

        Raises:
            InvalidRequestError: It names another application or bucket.
        """

    def results_prefix(self) -> str | None:
        """Return the prefix of the results in the vendor's own parameter; None if it is not set.

        Raises:
            InvalidRequestError: The prefix is not allowed.
        """
        return None

    def as_documented(self) -> Self:
        """Return the task with its words spelled as in the vendor's documents."""
        return self

    def visible_label(self) -> bool | None:
        """Whether the task requests the vendor's logo; None if the parameter is not set."""
        return None

    def with_visible_label(self) -> Self:
        """Return the task with the vendor's logo, unless the parameter is set or does not exist."""
        return self

    @abstractmethod
    def warnings(self) -> tuple[str, ...]:
        """Return warnings about unknown values, such as a new model."""

    @abstractmethod
    def model_label(self) -> str:
        """Return model and version, or the scene, as one line."""

    @abstractmethod
    def prompt_text(self) -> str:
        """Return the prompt; empty if there is none."""

    def image_count(self) -> int:
        """Return how many images are requested."""
        return 1

    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Return the input images, as URLs or VOD file ids."""


class TaskKind(Protocol):
    """One of the three kinds of task."""

    name: str
    """For example `vod.image`; its lane has the same name."""
    model: type[Task]
    deduplicates: bool
    """Whether the vendor refuses a second request with the same session id."""
    stores_itself: bool
    """Whether the vendor writes the images to our bucket."""

    def create(self, task: Task, submission: Submission) -> ApiCall:
        """Return the call that creates the task, which is then billed."""

    def describe(self, task_id: str, sub_app_id: int) -> ApiCall:
        """Return the call that queries the state of the task."""

    def observe(self, task_id: str, response: dict[str, Any]) -> UpstreamTask:
        """Return the state of a task from the answer to `describe` (the object in `Response`)."""

    def abort(self, task_id: str, sub_app_id: int) -> ApiCall | None:
        """Return the call that ends a task that has not begun; None if there is no such call."""

    def list_tasks(self, sub_app_id: int, since: int, scroll_token: str) -> ApiCall | None:
        """Return the call that lists tasks since a Unix time, or the next page of a listing.

        None if there is no such call.
        """

    def task_with_session(self, response: dict[str, Any], session_id: str) -> str | None:
        """Return the id of the task with this session from the answer to `list_tasks`."""
