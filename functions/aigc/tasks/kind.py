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
"""Validation context of a task that was accepted before: the limits of today are not its own."""

UpstreamState = Literal["waiting", "running", "succeeded", "failed", "cancelled"]


class ApiCall(NamedTuple):
    """One call of Tencent Cloud API 3.0, not yet sent."""

    service: str
    version: str
    action: str
    params: dict[str, Any]


class Submission(NamedTuple):
    """What a job adds to its task when it is sent."""

    sub_app_id: int
    session_id: str
    """Unique to the job's attempt; VOD refuses to run it twice."""
    session_context: str
    """The job's id; VOD returns it in its callback."""
    input_url: Callable[[str], str]
    """Turns an input's URL into one that the vendor can fetch (`cos://…` is presigned)."""
    store_bucket: str
    store_region: str
    store_path: str
    """Where MPS is to leave its images, ending in a slash."""


class UpstreamFault(Wire):
    """Why the vendor's task failed: the vendor's code and message."""

    code: str
    message: str
    outcome: Literal["rejected", "moderated", "throttled", "failed"]
    """rejected: the input is at fault; throttled: there was no capacity, try again later."""


class UpstreamTask(NamedTuple):
    """The state of a vendor's task, in the words of the glossary."""

    task_id: str
    state: UpstreamState
    vendor_status: str
    """The vendor's own word for the state."""
    image_urls: tuple[str, ...] = ()
    fault: UpstreamFault | None = None


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
        """Write the parameters of the vendor's Create action."""

    def check_account(self, sub_app_id: int, results_bucket: str) -> None:
        """Check that the task names no other VOD application and no other bucket.

        Raises:
            InvalidRequestError: It names another one.
        """

    def results_prefix(self) -> str | None:
        """Return the prefix of the results that the vendor's own parameter names; None if none.

        Raises:
            InvalidRequestError: It is not allowed.
        """
        return None

    def as_documented(self) -> Self:
        """Return the task in the spelling of the vendor's documents, where that can differ."""
        return self

    def visible_label(self) -> bool | None:
        """Whether the task asks for the vendor's logo; None if it does not say."""
        return None

    def with_visible_label(self) -> Self:
        """Ask for the vendor's logo, unless the task says or has no parameter for it."""
        return self

    @abstractmethod
    def warnings(self) -> tuple[str, ...]:
        """Return warnings about values that are not known, such as a new model."""

    @abstractmethod
    def model_label(self) -> str:
        """Name model and version, or the scene, in one line."""

    @abstractmethod
    def prompt_text(self) -> str:
        """Return the prompt; empty if there is none."""

    def image_count(self) -> int:
        """Return how many images are requested."""
        return 1

    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Name the images that the task starts from, as URLs or VOD file ids."""


class TaskKind(Protocol):
    """One of the three kinds of task."""

    name: str
    """`vod.image` for instance: also the lane's name."""
    model: type[Task]
    deduplicates: bool
    """Whether the vendor refuses a second request with the same session id."""
    stores_itself: bool
    """Whether the vendor writes the images to our bucket."""

    def create(self, task: Task, submission: Submission) -> ApiCall:
        """Build the call that starts, and bills, the task."""

    def describe(self, task_id: str, sub_app_id: int) -> ApiCall:
        """Build the call that queries the state of the task."""

    def observe(self, task_id: str, response: dict[str, Any]) -> UpstreamTask:
        """Read the answer to `describe` (the object below `Response`)."""

    def abort(self, task_id: str, sub_app_id: int) -> ApiCall | None:
        """Build the call that ends a task that has not begun; None where there is no such call."""

    def find(self, sub_app_id: int, since: int, scroll_token: str) -> ApiCall | None:
        """Build the call that lists tasks since a Unix time, or goes on with a listing.

        None where there is no such call.
        """

    def found(self, response: dict[str, Any], session_id: str) -> str | None:
        """Read the answer to `find`: the id of the task with this session id."""
