"""Submit: makes a task of a body and a job of the task; answers with the URLs of the job."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ValidationError, WithJsonSchema, field_validator

from aigc.api.call import ENDPOINTS, FAL_REQUEST_ID, Call
from aigc.api.errors import HttpError
from aigc.api.inputs import resolve_inputs
from aigc.api.pauses import described_pause
from aigc.api.progress import KnownRequests, outcome, watch
from aigc.api.quotas import charged, check_kind, is_repeat
from aigc.api.request_options import priority, start_by, wait_preference
from aigc.api.webhooks import webhook_url
from aigc.errors import InvalidRequestError
from aigc.jobs.accept import Order, accept, fingerprint
from aigc.jobs.job import OutputLocation, Source, fresh_id, id_from
from aigc.jobs.pauses import known_pause
from aigc.logs import note
from aigc.object_keys import (
    LONGEST_LOCATION,
    LONGEST_NAME,
    checked_name,
    checked_prefix,
    fits_into_key,
)
from aigc.tasks.fields import Parameters, explain, field_error, invalid_request, shown, snake
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpResponse
from aigc.wire import strict_json, with_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from aigc.api.openapi.schemas import Submitted
    from aigc.jobs.job import Job
    from aigc.tasks.kind import Task
    from aigc.triggers.http import HttpRequest

logger = logging.getLogger(__name__)

MAX_BODY = 6 * 2**20
"""Most bytes that a Function URL accepts (https://cloud.tencent.com/document/product/583/11637)."""

MAX_REPEAT_KEY = 255

# curl sends the type of a form by default, also for JSON. So only these types are refused.
_NOT_JSON = re.compile(r"(multipart|image|video|audio)/")


_PREFIX = WithJsonSchema({"type": "string", "maxLength": LONGEST_NAME, "pattern": r"^[^/\\]"})
_NAME = WithJsonSchema(
    {"type": "string", "maxLength": LONGEST_NAME, "pattern": r"^[^./\\][^/\\]*$"}
)
_CUSTOM_ID = WithJsonSchema({"type": "string", "maxLength": LONGEST_NAME})
_WEBHOOK_URL = WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2048})


class ResultPlace(Parameters):
    """Where the images are stored in the results bucket; never sent to the vendor."""

    prefix: Annotated[str, _PREFIX] | None = None
    """Folder in the results bucket; `calls/<day>/` by default. Not below `.aigc/`."""
    name: Annotated[str, _NAME] | None = None
    """Beginning of the file names; the request id by default. Not for keys that see only their own
    requests: they could name a file of another key."""

    @field_validator("prefix")
    @classmethod
    def _is_a_prefix(cls, prefix: str | None) -> str | None:
        return prefix and _checked(prefix, checked_prefix)

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        return name and _checked(name, checked_name)


class SubmitOptions(Parameters):
    """Fields of a body beside the parameters of the task."""

    result: ResultPlace = ResultPlace()
    """Where the images are stored."""
    webhook_url: Annotated[str, _WEBHOOK_URL] | None = None
    """URL of the webhook that reports the end of the request by a POST; never sent to the vendor.
    It needs `https://` and a host on the public internet."""
    custom_id: Annotated[str, _CUSTOM_ID] | None = None
    """Your own name for the request, for example a line of a batch. It is kept in the record and in
    the JSON file beside the images. It need not be unique."""

    @field_validator("custom_id")
    @classmethod
    def _can_be_read(cls, custom_id: str | None) -> str | None:
        if custom_id and (len(custom_id) > LONGEST_NAME or not custom_id.isprintable()):
            allowed = f"printable text of at most {LONGEST_NAME} characters"
            raise field_error("", f"{shown(custom_id)} is not allowed", allowed=allowed)
        return custom_id


def _checked(value: str, check: Callable[[str], str]) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise field_error("", f"{shown(value)} is not allowed", allowed=f"it {error}") from None


def submit(call: Call) -> HttpResponse:
    """Accept a task; answer immediately, or with its result if the caller waits for it."""
    kind = ENDPOINTS[call.path["endpoint"]]
    check_kind(call.caller, kind)
    job = accept_order(call, read_order(call, kind, snake(json_body(call.request))))
    call.runtime.memory.of(KnownRequests).note(job)
    answer = _outcome_in_time(job, call) or HttpResponse(status=200, body=_submitted(job, call))
    return answer.with_headers({FAL_REQUEST_ID: job.id})


def read_order(call: Call, kind: str, body: dict[str, Any]) -> Order:
    """Check a body, with keys in snake_case, and return the order; nothing is paid or stored.

    Raises:
        InvalidRequestError: A field is wrong.
    """
    fields = dict(body)
    options = _submit_options({name: fields.pop(name, None) for name in ("result", "custom_id")})
    url = webhook_url(call, fields.pop("webhook_url", None))
    order = _order(call, kind, _task(call, kind, fields), options.result)
    source = with_fields(order.source, custom_id=options.custom_id or "")
    return replace(order, webhook_url=url, source=source)


def accept_order(call: Call, order: Order) -> Job:
    """Charge an order to the key, store its inputs and accept it; a repeat finds its job.

    Raises:
        HttpError: A limit of the key is reached.
        InvalidRequestError: An input is wrong, or another order has the same name.
    """
    with charged(call, order) as charge:
        order = replace(order, task=_with_stored_inputs(order, call))
        accepted = accept(order, call.runtime)
        if not accepted.is_new:
            charge.give_back()
            _check_repeat(call, order, accepted.job)
    note(job=accepted.job.id)
    return accepted.job


def _with_stored_inputs(order: Order, call: Call) -> Task:
    """Store the inputs and return the task with URLs; inputs of a repeat may be missing."""
    try:
        return resolve_inputs(order.task, call.runtime)
    except InvalidRequestError:
        if not is_repeat(call.runtime, order):
            raise
        return order.task


def _outcome_in_time(job: Job, call: Call) -> HttpResponse | None:
    """Wait for the result as long as the caller allows; None if the job has not ended by then."""
    wait = wait_preference(call.request)
    if wait is None:
        return None
    latest = watch(job, call.runtime, wait.seconds, lambda current: current.has_ended)
    if not latest.has_ended:
        return None
    return outcome(latest, call.runtime).with_headers({"Preference-Applied": wait.preference})


def _submitted(job: Job, call: Call) -> Submitted:
    answer: Submitted = {
        "status": "IN_QUEUE",
        **call.links(job),  # type: ignore[typeddict-item]  # it has none of the optional keys
        "queue_position": 0,
        "logs": None,
        "metrics": {},
        "Response": {"TaskId": job.id, "RequestId": call.request.request_id},
    }
    if job.warnings:
        answer["warnings"] = job.warnings
    paused = described_pause(known_pause(job, call.runtime))
    if paused is not None:
        answer["paused"] = paused
    return answer


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Read a body that must be a JSON object.

    Raises:
        HttpError: The body is not a JSON object.
    """
    if _NOT_JSON.match(request.header("content-type").lower()):
        raise HttpError(415, "unsupported_media_type", "the body must be application/json")
    if len(request.body) > MAX_BODY:
        raise HttpError(
            413,
            "body_too_large",
            f"the body has {len(request.body)} bytes, at most {MAX_BODY} are accepted;"
            " send an image by its URL",
        )
    try:
        body = strict_json(request.body)
    except ValueError as error:
        raise HttpError(400, "malformed_json", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise HttpError(400, "malformed_json", "the body must be a JSON object")
    return body


def _submit_options(fields: dict[str, Any]) -> SubmitOptions:
    try:
        return SubmitOptions.model_validate(fields)
    except ValidationError as error:
        raise explain(error) from None


def _task(call: Call, kind: str, body: dict[str, Any]) -> Task:
    try:
        task = KINDS[kind].model.model_validate(body)
    except ValidationError as error:
        raise explain(error) from None
    settings = call.runtime.settings
    task.check_account(settings.sub_app_id, settings.results_bucket)
    return task


def _order(call: Call, kind: str, task: Task, place: ResultPlace) -> Order:
    runtime = call.runtime
    repeat_key = _repeat_key(call.request) or task.session_id
    job_id = (
        id_from("call", call.caller.name, kind, repeat_key)
        if repeat_key
        else fresh_id(runtime.now())
    )
    return Order(
        id=job_id,
        kind=kind,
        task=task,
        source=Source(type="call", name=call.caller.name, request_id=call.request.request_id),
        output_location=_output_location(place, task, job_id, call),
        priority=priority(call.request) if task.tasks_priority is None else task.tasks_priority,
        start_by=start_by(call.request, runtime.now()),
        visible_label=call.caller.limits.visible_label,
        is_repeatable=bool(repeat_key),
    )


def _output_location(place: ResultPlace, task: Task, job_id: str, call: Call) -> OutputLocation:
    prefix = place.prefix if place.prefix is not None else task.results_prefix()
    prefix = f"calls/{call.runtime.now():%Y-%m-%d}/" if prefix is None else prefix
    if place.name and call.caller.limits.own_only:
        # The caller could choose the name of another caller's file, and replace or read it.
        problem = "is not for a key that sees only its own requests"
        raise invalid_request("result.name", problem, allowed="result.prefix")
    name = place.name or job_id
    if not fits_into_key(prefix, name):
        problem = f"the results would have keys of {len((prefix + name).encode())} bytes and more"
        allowed = f"prefix and name of at most {LONGEST_LOCATION} bytes in UTF-8"
        raise invalid_request("result", problem, allowed=allowed)
    return OutputLocation(prefix=prefix, name=name)


def _repeat_key(request: HttpRequest) -> str:
    key = request.header("idempotency-key").strip()
    if len(key) > MAX_REPEAT_KEY:
        problem = f"has {len(key)} characters"
        raise invalid_request(
            "Idempotency-Key", problem, allowed=f"at most {MAX_REPEAT_KEY} characters"
        )
    if not key.isprintable():
        problem = "contains a character that cannot be printed"
        raise invalid_request("Idempotency-Key", problem, allowed="printable text")
    return key


def _check_repeat(call: Call, order: Order, job: Job) -> None:
    """Refuse an order with the id of an earlier job that has another task."""
    if job.fingerprint != fingerprint(order.task):
        field = "Idempotency-Key" if _repeat_key(call.request) else "session_id"
        problem = f"request {job.id} was made with the same {field} and another body"
        raise invalid_request(field, problem, allowed=f"the same body, or another {field}")
