"""Answers of tools: text for the agent, data for programs, links and small previews."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc.api.errors import JOB_ERROR_STATUS, failure_of
from aigc.api.handouts import Turn, turn_of
from aigc.api.pauses import pause_sentence
from aigc.api.progress import RESULT_URL_S, result_of
from aigc.jobs.job import id_from

if TYPE_CHECKING:
    from aigc.jobs.job import Job, StoredImage
    from aigc.jobs.runtime import Runtime

LARGEST_PREVIEW = 256 * 2**10
"""Bytes of an image that an answer itself holds: hosts limit an answer of a tool to about 1 MB,
and an image in an answer costs the agent tokens."""

MOST_PREVIEWS = 2


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer of a tool."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    links: tuple[dict[str, Any], ...] = ()
    """Content of type `resource_link`."""
    previews: tuple[dict[str, Any], ...] = ()
    """Content of type `image`."""
    is_error: bool = False


def turn_for(caller: str, kind: str, fingerprint: str, runtime: Runtime) -> Turn:
    """Find the request that a call without `request_key` belongs to.

    It is the request of the same API key with the same task whose end was not returned, or a new
    one.
    """
    return turn_of(id_from("mcp", caller, kind, fingerprint), 0, runtime)


def hand_out(job: Job, runtime: Runtime) -> None:
    """Note that the end of a request is about to be answered: the same arguments mean a new one.

    Only an answer to a call with the id of the request does that. The agent has the id, so it can
    repeat such a call if its answer is lost.
    """
    if job.source.type != "call" or not job.is_repeatable:
        return
    turn = turn_for(job.source.name, job.kind, job.fingerprint, runtime)
    if turn.job_id == job.id:
        turn.hand_out(runtime)


def progress(job: Job, runtime: Runtime) -> ToolResult:
    """Answer that a request was accepted, why it waits, and how to get its images."""
    text = (
        f"Request {job.id} is accepted and its state is {job.state}."
        f"{pause_sentence(job, runtime)} Call `wait` with"
        f' request_id "{job.id}" to get the images; repeat `wait` until the request has ended. Its'
        " images are paid once, however often you ask."
    )
    return ToolResult(_with_warnings(text, job), {"request_id": job.id, "state": job.state})


def end_of(job: Job, runtime: Runtime) -> ToolResult:
    """Answer how a request ended; it counts as answered from now on."""
    result = _success(job, runtime) if job.state == "succeeded" else _failure(job)
    hand_out(job, runtime)
    return result


def _success(job: Job, runtime: Runtime) -> ToolResult:
    result = result_of(job, runtime)
    lines = [f"Request {job.id} succeeded with {len(job.images)} image(s):"]
    lines += [
        f"- {image['width']}x{image['height']} {image['content_type']}, {image['file_size']} bytes:"
        f" {image['url']}"
        for image in result["images"]
    ]
    lines.append(f"The links work for {RESULT_URL_S // 60} minutes; `get_result` makes new ones.")
    links = tuple(
        {
            "type": "resource_link",
            "uri": image["url"],
            "name": image["file_name"],
            "mimeType": image["content_type"],
            "size": image["file_size"],
        }
        for image in result["images"]
    )
    data = {"request_id": job.id, "state": job.state, "images": result["images"]}
    text = _with_warnings("\n".join(lines), job)
    return ToolResult(text, data, links, _previews(job, runtime))


def _previews(job: Job, runtime: Runtime) -> tuple[dict[str, Any], ...]:
    small = [image for image in job.images if image.size <= LARGEST_PREVIEW]
    previews = [_preview(image, runtime) for image in small[:MOST_PREVIEWS]]
    return tuple(preview for preview in previews if preview)


def _preview(image: StoredImage, runtime: Runtime) -> dict[str, Any] | None:
    data = runtime.buckets.results.get(image.key)
    if data is None:
        return None
    encoded = base64.b64encode(data).decode()
    return {"type": "image", "data": encoded, "mimeType": image.content_type}


def _failure(job: Job) -> ToolResult:
    failure = failure_of(job)
    billed = any(attempt.may_be_billed for attempt in job.attempts)
    text = (
        f"Request {job.id} was cancelled."
        if job.error is None
        else (f"Request {job.id} failed: {failure['detail']} ({failure['error_type']}).")
    )
    text += " The vendor may have billed it." if billed else " Nothing was billed."
    if job.error is not None:
        text += f" {_advice(job)}"
    data = {"request_id": job.id, "state": job.state, "error_type": failure["error_type"]}
    return ToolResult(text, data, is_error=True)


def _advice(job: Job) -> str:
    if (
        job.error is not None
        and JOB_ERROR_STATUS[job.error.type].error_type == "content_policy_violation"
    ):
        return "Change the prompt or the input images: the vendor's content check refused them."
    if job.error is not None and job.error.retryable:
        return "The same call again makes a new request, which may succeed."
    return "The same call again makes a new request, which will probably fail in the same way."


def _with_warnings(text: str, job: Job) -> str:
    return "\n".join([text, *(f"Warning: {warning}" for warning in job.warnings)])
