"""Answers of tools: text for the agent, data for programs, links and small previews."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc.api.errors import JOB_ERROR_STATUS, failure_of
from aigc.api.handouts import NumberedRequest, find_request
from aigc.api.pauses import pause_sentence
from aigc.api.progress import RESULT_URL_S, result_of
from aigc.jobs.job import id_from

if TYPE_CHECKING:
    from aigc.jobs.job import Job, JobError, StoredImage
    from aigc.jobs.runtime import Runtime

LARGEST_PREVIEW = 256 * 2**10
"""Most bytes of an image inside an answer: hosts limit an answer of a tool to about 1 MB, and an
image in an answer costs the agent tokens."""

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


def request_of_task(caller: str, kind: str, fingerprint: str, runtime: Runtime) -> NumberedRequest:
    """Find the request that a call without `request_key` belongs to.

    It is the request of the same API key with the same task that was not handed out, or a new one.
    """
    return find_request(id_from("mcp", caller, kind, fingerprint), 0, runtime)


def hand_out(job: Job, runtime: Runtime) -> None:
    """Note that the end of a request is about to be sent: the same arguments mean a new request.

    Images are handed out only by tools that take the request id: the agent has the id, so it can
    repeat the call if its answer is lost.
    """
    if job.source.type != "call" or not job.is_repeatable:
        return
    numbered_request = request_of_task(job.source.name, job.kind, job.fingerprint, runtime)
    if numbered_request.job_id == job.id:
        numbered_request.hand_out(runtime)


def progress(job: Job, runtime: Runtime) -> ToolResult:
    """Answer that a request is accepted, that a pause stops it, and how to get its images."""
    text = (
        f"Request {job.id} is accepted and its state is {job.state}."
        f"{pause_sentence(job, runtime)} Call `wait` with"
        f' request_id "{job.id}" to get the images; repeat `wait` until the request has ended. Its'
        " images are paid once, however often you ask."
    )
    return ToolResult(_with_warnings(text, job), {"request_id": job.id, "state": job.state})


def end_of(job: Job, runtime: Runtime) -> ToolResult:
    """Answer how a request ended, and note that it is handed out."""
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
    may_be_billed = any(attempt.may_be_billed for attempt in job.attempts)
    text = (
        f"Request {job.id} was cancelled."
        if job.error is None
        else f"Request {job.id} failed: {failure['detail']} ({failure['error_type']})."
    )
    text += " The vendor may have billed it." if may_be_billed else " Nothing was billed."
    if job.error is not None:
        text += f" {_advice(job.error)}"
    data = {"request_id": job.id, "state": job.state, "error_type": failure["error_type"]}
    return ToolResult(text, data, is_error=True)


def _advice(error: JobError) -> str:
    if JOB_ERROR_STATUS[error.type].error_type == "content_policy_violation":
        return "Change the prompt or the input images: the vendor's content check refused them."
    if error.retryable:
        return "The same call again makes a new request, which may succeed."
    return "The same call again makes a new request, which will probably fail in the same way."


def _with_warnings(text: str, job: Job) -> str:
    return "\n".join([text, *(f"Warning: {warning}" for warning in job.warnings)])
