"""OpenAI's Images API: one call submits a task and waits for the result."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from aigc.api.call import FAL_REQUEST_ID
from aigc.api.handouts import NumberedRequest, find_request
from aigc.api.openai.errors import openai_failure, still_running
from aigc.api.openai.forms import form_fields, is_form
from aigc.api.openai.request import read_request
from aigc.api.pauses import pause_sentence
from aigc.api.progress import LONGEST_HOLD_S, RESULT_URL_S, watch
from aigc.api.quotas import check_kind
from aigc.api.submit import accept_order, json_body, read_order
from aigc.jobs.accept import fingerprint
from aigc.jobs.job import id_from
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openai.request import ImageRequest
    from aigc.api.openapi import schemas
    from aigc.jobs.accept import Order
    from aigc.jobs.job import Job, StoredImage
    from aigc.jobs.runtime import Runtime

LARGEST_ANSWER = 4 * 2**20
"""Most bytes of images in one answer, before Base64: a Function URL limits answers to 6 MB."""

_ATTEMPT = re.compile("[0-9]{1,3}")


def generate(call: Call) -> HttpResponse:
    """Make images from a prompt."""
    return _answer(call, read_request(json_body(call.request), is_edit=False))


def edit(call: Call) -> HttpResponse:
    """Make images from a prompt and other images."""
    request = call.request
    fields = form_fields(request) if is_form(request) else json_body(request)
    return _answer(call, read_request(fields, is_edit=True))


def _answer(call: Call, request: ImageRequest) -> HttpResponse:
    runtime = call.runtime
    check_kind(call.caller, request.kind)
    order = read_order(call, request.kind, request.body)
    numbered_request = _find_request(call, order, request)
    job = accept_order(call, numbered_request.identify(order) if numbered_request else order)
    if not request.is_async:
        job = watch(job, runtime, LONGEST_HOLD_S, lambda current: current.has_ended)
    response = _response(job, request, call)
    if numbered_request and (job.has_ended or request.is_async):
        numbered_request.hand_out(runtime)
    return response.with_headers({FAL_REQUEST_ID: job.id})


def _find_request(call: Call, order: Order, request: ImageRequest) -> NumberedRequest | None:
    """Find the request that a call belongs to; None if it has an `Idempotency-Key`."""
    if order.is_repeatable:
        return None
    options = json.dumps(request.body.get("result"), sort_keys=True)
    body_id = id_from("openai", call.caller.name, order.kind, fingerprint(order.task), options)
    return find_request(body_id, _attempt(call), call.runtime)


def _attempt(call: Call) -> int:
    """Read how often an SDK of OpenAI has repeated this call."""
    text = call.request.header("x-stainless-retry-count").strip()
    return int(text) if _ATTEMPT.fullmatch(text) else 0


def _response(job: Job, request: ImageRequest, call: Call) -> HttpResponse:
    if request.is_async:
        return HttpResponse(status=200, body=_queued(job, request, call))
    if not job.has_ended:
        pause = pause_sentence(job, call.runtime)
        return still_running(job, call.links(job)["status_url"], pause)
    if job.state != "succeeded":
        return openai_failure(job)
    return HttpResponse(status=200, body=_images(job, request, call.runtime))


def _queued(job: Job, request: ImageRequest, call: Call) -> schemas.OpenAIImages:
    links = call.links(job)
    return {
        "created": int(job.created_at.timestamp()),
        "data": [],
        "id": job.id,
        "request_id": job.id,
        "status": "IN_QUEUE",
        "status_url": links["status_url"],
        "response_url": links["response_url"],
        "cancel_url": links["cancel_url"],
        "warnings": [*request.warnings, *job.warnings],
    }


def _images(job: Job, request: ImageRequest, runtime: Runtime) -> schemas.OpenAIImages:
    warnings = [*request.warnings, *job.warnings]
    in_base64 = request.is_base64
    if in_base64 and sum(image.size for image in job.images) > LARGEST_ANSWER:
        in_base64 = False
        limit = f"an answer can hold {LARGEST_ANSWER} bytes of images"
        warnings.append(f"the images are not in the answer: {limit}; get them by their url")
    first = job.images[0]
    return {
        "created": int(job.updated_at.timestamp()),
        "data": [_image(image, runtime, in_base64=in_base64) for image in job.images],
        "output_format": first.content_type.removeprefix("image/"),
        "size": f"{first.width}x{first.height}",
        "request_id": job.id,
        "warnings": warnings,
    }


def _image(image: StoredImage, runtime: Runtime, *, in_base64: bool) -> schemas.OpenAIImage:
    results = runtime.buckets.results
    answer: schemas.OpenAIImage = {"url": results.presigned_url(image.key, RESULT_URL_S)}
    data = results.get(image.key) if in_base64 else None
    if data is not None:
        answer["b64_json"] = base64.b64encode(data).decode()
    return answer
