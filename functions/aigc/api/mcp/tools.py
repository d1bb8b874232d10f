"""The tools that an agent can call."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from aigc.api.errors import HttpError
from aigc.api.inputs import resolve_inputs
from aigc.api.jobs import jobs
from aigc.api.mcp import catalogue_text
from aigc.api.mcp.arguments import (
    EditArguments,
    GenerateArguments,
    SceneArguments,
    SpendingArguments,
)
from aigc.api.mcp.results import ToolResult, end_of, hand_out, progress, request_of_task
from aigc.api.pages import MOST_PER_PAGE
from aigc.api.progress import watch
from aigc.api.quotas import check_kind
from aigc.api.submit import accept_order, read_order
from aigc.errors import InvalidRequestError
from aigc.jobs.accept import fingerprint
from aigc.jobs.cancel import cancel as cancel_job
from aigc.jobs.settle import refresh
from aigc.logs import note
from aigc.tasks.catalogue import catalogue
from aigc.tasks.fields import Parameters, explain, invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aigc.api.call import Call
    from aigc.api.handouts import NumberedRequest
    from aigc.jobs.accept import Order
    from aigc.jobs.job import Job
    from aigc.tasks.kind import Task

LONGEST_CALL_S = 50
"""No tool takes longer: many hosts give up after 60 seconds."""

LONGEST_WAIT_S = 45
"""Longest wait for a request, which leaves time for the answer."""

_ID = Field(pattern="^[0-9a-zA-Z_-]{1,64}$", description="The request_id of an earlier answer.")


class NoArguments(Parameters):
    """A tool without arguments."""


class RequestArguments(Parameters):
    """A tool for one request."""

    request_id: str = _ID


class WaitArguments(RequestArguments):
    """Arguments of `wait`."""

    seconds: int = Field(
        default=LONGEST_WAIT_S,
        ge=1,
        le=LONGEST_WAIT_S,
        description="How long to wait at most.",
    )


class EstimateArguments(Parameters):
    """Arguments of `estimate`."""

    tool: Literal["generate_image", "edit_image", "scene_image"] = Field(
        description="The tool whose call is estimated."
    )
    arguments: dict[str, Any] = Field(description="The arguments of that call.")


class ListArguments(Parameters):
    """Arguments of `list_jobs`."""

    state: str | None = Field(default=None, description="Only requests in this state.")
    kind: str | None = Field(default=None, description="Only requests of this kind of task.")
    limit: int = Field(default=10, ge=1, le=MOST_PER_PAGE, description="How many at most.")
    cursor: str | None = Field(default=None, description="The cursor of the page before.")


# Tools that spend


def make_image(call: Call, arguments: SpendingArguments) -> ToolResult:
    """Accept a task; with a `request_key`, also wait for its images."""
    kind, body = arguments.kind_and_body()
    check_kind(call.caller, kind)
    call = _with_request_key(call, arguments.request_key)
    order = read_order(call, kind, body)
    if arguments.request_key:
        job = watch(_accept(call, order), call.runtime, LONGEST_WAIT_S, _has_ended)
        return end_of(job, call.runtime) if job.has_ended else progress(job, call.runtime)
    job = _accept(call, _find_request(call, order).identify(order))
    has_failed = job.has_ended and job.state != "succeeded"
    return end_of(job, call.runtime) if has_failed else progress(job, call.runtime)


def _has_ended(job: Job) -> bool:
    return job.has_ended


def _with_request_key(call: Call, request_key: str | None) -> Call:
    """Return the call with the key as its `Idempotency-Key`, and without other headers."""
    headers = {"idempotency-key": request_key} if request_key else {}
    return replace(call, request=replace(call.request, headers=headers))


def _find_request(call: Call, order: Order) -> NumberedRequest:
    """Find the request with the same arguments; an image in Base64 is compared by its URL."""
    task = _with_links(call, order.task)
    return request_of_task(call.caller.name, order.kind, fingerprint(task), call.runtime)


def _with_links(call: Call, task: Task) -> Task:
    if not task.inputs():
        return task
    try:
        return resolve_inputs(task, call.runtime)
    except InvalidRequestError:
        return task  # refused when the order is accepted, unless it is a repeat


def _accept(call: Call, order: Order) -> Job:
    """Accept an order; an error names `request_key` instead of the header for it."""
    try:
        return accept_order(call, order)
    except InvalidRequestError as error:
        if error.field == "Idempotency-Key":
            text = str(error).replace("Idempotency-Key", "request_key").replace("body", "task")
            raise InvalidRequestError(text, field="request_key", allowed=error.allowed) from None
        raise


# Tools that do not spend


def list_models(call: Call, _arguments: NoArguments) -> ToolResult:
    """List models and scenes with limits and prices."""
    prices = call.runtime.prices()
    parts = [
        f"Models, as of the catalogue of {catalogue().as_of}:",
        catalogue_text.model_lines(call.caller, prices, with_inputs=False),
    ]
    if call.caller.may_submit(catalogue_text.SCENE_KIND):
        parts += ["Scenes of scene_image:", catalogue_text.scene_lines(prices)]
    return ToolResult("\n".join(parts), catalogue_text.models_data(call.caller, prices))


def estimate(call: Call, arguments: EstimateArguments) -> ToolResult:
    """Check the arguments of a call that would spend, and estimate its cost."""
    from aigc.prices import decimal_text, requested_images  # noqa: PLC0415  few calls need it

    image_arguments = read_arguments(TOOLS[arguments.tool], arguments.arguments)
    if not isinstance(image_arguments, SpendingArguments):
        raise invalid_request("tool", "does not spend", allowed="a tool that makes images")
    kind, body = image_arguments.kind_and_body()
    check_kind(call.caller, kind)
    task = read_order(_with_request_key(call, None), kind, body).task
    count, prices = requested_images(task), call.runtime.prices()
    cost = prices.estimate(kind, task, count)
    text = "The arguments are right. "
    text += (
        f"{count} image(s) would cost about {cost.normalize():f} {prices.currency}."
        if cost is not None
        else "The cost is unknown: the owner's price table has no price for this task."
    )
    budget = call.caller.limits.budget_per_month
    if budget is not None:
        text += f" The key may spend {budget} {prices.currency} in a month."
    data = {
        "kind": kind,
        "images": count,
        "cost": decimal_text(cost),
        "currency": prices.currency or None,
        "warnings": [*task.warnings()],
    }
    return ToolResult(text, data)


def wait(call: Call, arguments: WaitArguments) -> ToolResult:
    """Wait until a request has ended, or the time is over."""
    request_id = arguments.request_id
    job = _visible(call, call.runtime.ledger.records.read(request_id), request_id)
    job = watch(job, call.runtime, arguments.seconds, _has_ended)
    return end_of(job, call.runtime) if job.has_ended else progress(job, call.runtime)


def get_result(call: Call, arguments: RequestArguments) -> ToolResult:
    """Return the end of a request, or its state, without waiting."""
    job = _visible(call, refresh(arguments.request_id, call.runtime), arguments.request_id)
    return end_of(job, call.runtime) if job.has_ended else progress(job, call.runtime)


def list_jobs(call: Call, arguments: ListArguments) -> ToolResult:
    """List requests, the newest first."""
    filters = arguments.model_dump(exclude_none=True)
    query = {name: (str(value),) for name, value in filters.items()}
    page: Any = jobs(replace(call, request=replace(call.request, query=query))).body
    lines = [
        f"- {job['request_id']}: {job['state']}, {job['kind']} {job['model']},"
        f" {job['images']} image(s), {job['created_at']}: {job['prompt'][:80]}"
        for job in page["jobs"]
    ]
    next_page = f"\nMore: call again with cursor {page['cursor']}" if page["cursor"] else ""
    return ToolResult(("\n".join(lines) or "There are no such requests.") + next_page, page)


def cancel(call: Call, arguments: RequestArguments) -> ToolResult:
    """Cancel a request that was not sent, or whose task the vendor can still end."""
    request_id = arguments.request_id
    _visible(call, call.runtime.ledger.records.read(request_id), request_id)
    cancellation = cancel_job(request_id, call.runtime)
    if cancellation is None:
        raise _not_found(request_id)
    if cancellation.outcome == "not_cancellable":
        detail = f"request {request_id} was sent, and the vendor does not stop a task that runs"
        raise HttpError(400, "not_cancellable", detail)
    texts = {
        "cancelled": "is cancelled; nothing is billed.",
        "requested": "is being cancelled; `get_result` says how it ended.",
        "already_ended": "had already ended; `get_result` says how.",
    }
    job = cancellation.job
    if cancellation.outcome == "cancelled":
        hand_out(job, call.runtime)  # the same arguments mean a new request
    text = f"Request {request_id} {texts[cancellation.outcome]}"
    return ToolResult(text, {"request_id": request_id, "state": job.state})


def _visible(call: Call, job: Job | None, request_id: str) -> Job:
    if job is None or not call.caller.may_see(job.source):
        raise _not_found(request_id)
    note(job=job.id)
    return job


def _not_found(request_id: str) -> HttpError:
    return HttpError(404, "not_found", f"there is no request {request_id}", field="request_id")


# The list


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as an agent sees it, and the function that runs it."""

    title: str
    text: str
    arguments: type[Parameters]
    run: Callable[[Call, Any], ToolResult]
    lists: Literal["", "models", "edit_models", "scenes"] = ""
    """The list that is appended to the text."""
    spends: bool = False
    """Whether it submits a task, which costs money."""
    changes: bool = False
    """Whether it changes something without spending."""

    def describe(self, name: str, call: Call) -> dict[str, Any]:
        """Return the tool in the form of MCP."""
        return {
            "name": name,
            "title": self.title,
            "description": self._description(call),
            "inputSchema": _schema(self.arguments),
            "annotations": {
                "title": self.title,
                "readOnlyHint": not (self.spends or self.changes),
                "destructiveHint": self.spends or self.changes,
                "idempotentHint": not self.spends,
                "openWorldHint": self.spends,
            },
            "_meta": {"aigc/spends": self.spends},
        }

    def is_for(self, call: Call) -> bool:
        """Whether the caller's key may use it."""
        if self.lists == "scenes":
            return call.caller.may_submit(catalogue_text.SCENE_KIND)
        return not self.lists or bool(catalogue_text.model_kinds(call.caller))

    def _description(self, call: Call) -> str:
        if not self.lists:
            return self.text
        prices = call.runtime.prices()
        if self.lists == "scenes":
            return f"{self.text}\nScenes:\n{catalogue_text.scene_lines(prices)}"
        with_inputs = self.lists == "edit_models"
        lines = catalogue_text.model_lines(call.caller, prices, with_inputs=with_inputs)
        return f"{self.text}\nModels, with limits and prices:\n{lines}"


_SPENDS = (
    " This spends money. It answers with a request_id at once; call `wait` with it to get the"
    " images. After an error or a lost answer, call again with the same arguments: until the result"
    " was fetched with `wait` or `get_result`, they find the same request, which is paid once. For"
    " several images with the same arguments, use another request_key in each call."
)

TOOLS: Mapping[str, Tool] = {
    "list_models": Tool(
        title="List models",
        text="List the models and scenes with their limits and prices. Free.",
        arguments=NoArguments,
        run=list_models,
    ),
    "estimate": Tool(
        title="Estimate the cost",
        text="Check the arguments of a call that would spend, and estimate its cost. Free.",
        arguments=EstimateArguments,
        run=estimate,
    ),
    "generate_image": Tool(
        title="Generate an image",
        text=f"Make images from a prompt.{_SPENDS}",
        arguments=GenerateArguments,
        run=make_image,
        lists="models",
        spends=True,
    ),
    "edit_image": Tool(
        title="Edit images",
        text=f"Make images from other images and a prompt.{_SPENDS}",
        arguments=EditArguments,
        run=make_image,
        lists="edit_models",
        spends=True,
    ),
    "scene_image": Tool(
        title="Make an image for a purpose",
        text=f"Try on clothes, show a product, or extend an image.{_SPENDS}",
        arguments=SceneArguments,
        run=make_image,
        lists="scenes",
        spends=True,
    ),
    "wait": Tool(
        title="Wait for a request",
        text=f"Wait at most {LONGEST_WAIT_S} seconds for the end of a request and return its"
        " images as links, small ones also as previews. If it has not ended by then, call `wait`"
        " again. Free, and it may be repeated.",
        arguments=WaitArguments,
        run=wait,
    ),
    "get_result": Tool(
        title="Get a result",
        text="Return the images of a request with new links, or its state, without waiting. Free.",
        arguments=RequestArguments,
        run=get_result,
    ),
    "list_jobs": Tool(
        title="List requests",
        text="List requests and uploads that this key may see, the newest first. Free.",
        arguments=ListArguments,
        run=list_jobs,
    ),
    "cancel": Tool(
        title="Cancel a request",
        text="Cancel a request that waits. A task that runs at the vendor cannot be stopped. Free.",
        arguments=RequestArguments,
        run=cancel,
        changes=True,
    ),
}


def read_arguments(tool: Tool, arguments: Mapping[str, Any]) -> Parameters:
    """Check the arguments of a call.

    Raises:
        InvalidRequestError: An argument is wrong.
    """
    try:
        return tool.arguments.model_validate({**arguments})
    except ValidationError as error:
        raise explain(error) from None


def run_tool(name: str, call: Call, arguments: Mapping[str, Any]) -> ToolResult:
    """Run a tool within the time that a call may take.

    Raises:
        AigcError: The call was refused, or it failed.
    """
    runtime = call.runtime.limited_to(LONGEST_CALL_S)
    tool = TOOLS[name]
    return tool.run(replace(call, runtime=runtime), read_arguments(tool, arguments))


@functools.cache
def _schema(arguments: type[Parameters]) -> dict[str, Any]:
    """Return the JSON schema of arguments, without titles and null."""
    schema: dict[str, Any] = _simplified(arguments.model_json_schema())
    schema.pop("description", None)
    return {"properties": {}, **schema}


def _simplified(schema: Any) -> Any:  # noqa: ANN401  JSON
    """Return a schema without titles and without null, which means absent."""
    if isinstance(schema, list):
        return [_simplified(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    options = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(options) == 1:
        schema = {**{name: part for name, part in schema.items() if name != "anyOf"}, **options[0]}
    return {
        name: {inner: _simplified(part) for inner, part in value.items()}
        if name == "properties"
        else _simplified(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
        and not (name == "default" and value is None)
    }
