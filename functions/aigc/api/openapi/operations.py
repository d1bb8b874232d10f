"""Texts of the OpenAPI document: each operation with its answers and errors, and each parameter.

It is used when the zip is built and is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from aigc.api.errors import CANCELLED, EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.jobs import MOST_AT_ONCE, USUAL
from aigc.api.openapi import schemas
from aigc.api.operate import REPLAY_REFUSALS, RESTORE_REFUSALS, ReplayRequest
from aigc.api.parameters import SWITCH
from aigc.api.request_options import LONGEST_WAIT_S
from aigc.api.rules import InboxUploadRequest
from aigc.api.uploads import FalUploadRequest, UploadRequest
from aigc.errors import BackloggedError, BadRecordError, CloudError, ThrottledError
from aigc.jobs.job import State
from aigc.tasks.kinds import KINDS
from aigc.uploads.statuses import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = tuple[int, str]
"""A status, and the `error_type` that comes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is not an error of this API."""

    means: str
    shapes: tuple[Any, ...] = ()
    """Types of `answers`: the body, or the data of an event, has one of them."""
    content_type: str = "application/json"
    """Empty if there is no body."""
    is_versioned: bool = False
    """Whether it has an ETag, and may be kept for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route does, in words."""

    group: str
    summary: str
    answers: Mapping[int, Answer]
    faults: frozenset[Fault] = frozenset()
    body: Any = None
    """Type of the body; that of a submit follows from its path."""
    is_form_too: bool = False
    """Whether the body may also be a form, with files in the place of texts."""
    can_have_failed: bool = False
    """Whether it also answers why a request ended without a result."""
    leads_to: tuple[str, ...] = ()
    """Routes below its path that take the request id of its answer."""
    parameters: tuple[str, ...] = ()
    """Optional headers; the path and the route name the other parameters."""


GROUPS: Mapping[str, str] = {
    "Submit": "Each kind of task has a path of its own. All of them answer at once, and the task"
    " goes on by itself.",
    "Requests": "A submit answers with the URLs of its request. A client that has only the id finds"
    " the request under the path it was submitted to, or under the first two parts of that path.",
    "OpenAI": "OpenAI's Images API, for its clients: the base URL is `/openai/v1`. A call answers"
    " with the images. If the time is not enough, it answers with 504, and the same call again"
    " waits for the same request.",
    "Jobs and usage": "Jobs of calls and of uploads are in one list.",
    "MCP": "The Model Context Protocol, for agents: streamable HTTP without sessions. A POST takes"
    " one message and answers with JSON.",
    "Service": "The service itself.",
    "Webhooks": "Calls that the service makes, to a URL that a submit names.",
}
"""Name of a group of operations → what they have in common."""


# Errors

MEANINGS: Mapping[Fault, str] = {
    (400, "bad_request"): "The body is not a VOD event.",
    (400, "invalid_request"): "A query parameter is unknown or wrong; `field` names it.",
    (400, "malformed_json"): "The body is not a JSON object.",
    (400, "not_cancellable"): "The vendor runs the task and cannot stop it; it may be billed.",
    (400, "request_in_progress"): "There is no result yet: ask for the status.",
    (401, "unauthorized"): "The API key is missing or wrong.",
    (403, "forbidden"): "The key is not allowed to submit this kind of task, to see uploads, or to"
    " replay and restore jobs.",
    (403, "price_unknown"): "The key has a budget, and the price of the task is not known.",
    (404, "not_found"): "There is no such path, or no such request of this kind.",
    (405, "method_not_allowed"): "`Allow` names the methods.",
    (409, "already_exists"): "The inbox has an object of this name; nothing is replaced.",
    (409, "busy"): "Another invocation has the job in use: wait for `Retry-After`.",
    (409, "may_be_billed"): "The last attempt may have been billed: confirm with `pay_again`.",
    (409, "no_task"): "No task of the vendor is known.",
    (409, "not_failed"): "The job has not failed.",
    (409, "not_kept"): "The vendor has removed the images.",
    (409, "not_succeeded"): "The task did not succeed.",
    (409, "permanent_error"): "The job was refused because of its task.",
    (409, "restorable"): "The images are paid for: restore them, or confirm with `pay_again`.",
    (410, "cancelled"): "The request was cancelled.",
    (413, "body_too_large"): "The body has more than 6 MiB: give images by URL.",
    (415, "unsupported_media_type"): "The body is a form or an image, or it is compressed.",
    (422, "content_policy_violation"): "The vendor's content check refused the prompt or an image.",
    (422, "invalid_request"): "The request cannot be carried out; `field` and `allowed` say why.",
    (424, "refused"): "The vendor refused the task; the same request gets the same answer.",
    (429, "budget_exceeded"): "The rest of the key's budget for this month is not enough.",
    (429, "quota_exceeded"): "The key's jobs of this day are used up.",
    (429, "rate_limited"): "The key's calls of this minute are used up.",
    (429, "throttled"): "Tencent Cloud gets too many requests: wait for `Retry-After`.",
    (500, "internal_error"): "A defect of this service; its log has the details.",
    (500, "result_unusable"): "The task finished, but its image could not be used.",
    (500, "submission_unknown"): "It is unknown whether the vendor accepted the task.",
    (500, "task_failed"): "The task failed at the vendor.",
    (
        503,
        "cloud_unavailable",
    ): "Tencent Cloud refused a request of the service, or did not answer.",
    (503, "record_unreadable"): "Another version of the service wrote the request's record.",
    (503, "throttled"): "Tencent Cloud has no capacity: wait for `Retry-After`.",
    (504, "request_timeout"): "The task was not sent within `X-Fal-Request-Timeout`.",
    (
        507,
        "throttled",
    ): "The vendor had no capacity through all attempts: submit the task later.",
}

FAILED: frozenset[Fault] = frozenset(
    (mapping.status, mapping.error_type) for mapping in (*JOB_ERROR_STATUS.values(), CANCELLED)
)
"""How a request may end without a result."""

_QUERY = {(400, "invalid_request")}
_BROKEN: frozenset[Fault] = frozenset({(500, "internal_error")})
_OPEN = _BROKEN | _QUERY
_LEDGER = _BROKEN | {
    (EXCEPTION_STATUS[raised].status, EXCEPTION_STATUS[raised].error_type)
    for raised in (ThrottledError, BackloggedError, CloudError, BadRecordError)
}
_KEYED = _LEDGER | _QUERY | {(401, "unauthorized"), (429, "rate_limited")}
_NAMED = _KEYED | {(404, "not_found")}
_LIMITED = {
    (403, "forbidden"),
    (403, "price_unknown"),
    (429, "budget_exceeded"),
    (429, "quota_exceeded"),
}
_BODY = {
    (400, "malformed_json"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (422, "invalid_request"),
}
_PLATFORM = {
    406: Answer(
        means="The Function URL itself refuses a body of more than 6 MiB. Its answer is not an"
        " error of this API.",
        content_type="",
    )
}
_UNCHANGED = {304: Answer(means="The body is the one that `If-None-Match` names.", content_type="")}


_OPENAI_ERRORS = {
    400: "The request cannot be carried out, or was refused by the vendor; `param` names a field.",
    401: "The API key is missing or wrong.",
    403: "The key is not allowed to make this, or the price is not known.",
    404: "There is no such model or path.",
    410: "The request was cancelled.",
    413: "The body has more than 6 MiB: give images by URL.",
    415: "The body is neither JSON nor a form, or it is compressed.",
    429: "A limit of the key is reached, or Tencent Cloud gets too many requests.",
    500: "The task failed at the vendor, or this service has a defect: `code` says which.",
    503: "Tencent Cloud refused a request of the service, has no capacity, or did not answer.",
    504: "The request goes on: the same call again waits for it. Or the task was not sent within"
    " `X-Fal-Request-Timeout`: `code` says which.",
    507: "The vendor had no capacity through all attempts: make the call later.",
}
"""Status of an error in OpenAI's form → what it means."""


def _openai_errors(*statuses: int) -> dict[int, Answer]:
    return {
        status: Answer(means=_OPENAI_ERRORS[status], shapes=(schemas.OpenAIError,))
        for status in statuses
    }


_OPENAI_IMAGES = {
    200: Answer(
        means="The images; with `async`, the URLs of the request.", shapes=(schemas.OpenAIImages,)
    ),
    **_PLATFORM,
    **_openai_errors(*_OPENAI_ERRORS),
}
_OPENAI_MODELS = _openai_errors(400, 401, 404, 429, 500, 503)


_MCP_ERRORS = {
    400: "The message or a header is wrong.",
    401: "The API key is missing or wrong.",
    403: "The origin of the page is not allowed.",
    404: "There is no such method in this revision of the protocol.",
    405: "There is nothing to get or to delete: `Allow` names the methods.",
    406: "The caller does not accept JSON; or, as an answer of the Function URL itself without this"
    " body, the body has more than 6 MiB.",
    413: "The body has more than 6 MiB: give images by URL.",
    415: "The body is compressed.",
    429: "The key's calls of this minute are used up, or Tencent Cloud gets too many requests.",
    500: "A defect of this service; its log has the details.",
    503: "Tencent Cloud refused a request of the service, or did not answer.",
}
"""Status of an error of MCP → what it means."""


# Operations

OPERATIONS: Mapping[str, Operation] = {
    "submit": Operation(
        group="Submit",
        summary="Submit a task",
        answers={
            200: Answer(
                means="The task is accepted. With `Prefer: wait`: its result, if it ended in time.",
                shapes=(schemas.Submitted, schemas.Result),
            ),
            **_PLATFORM,
        },
        faults=_KEYED | _BODY | _LIMITED,
        can_have_failed=True,
        leads_to=("status", "stream", "result", "cancel"),
        parameters=(
            "Idempotency-Key",
            "Prefer",
            "X-Fal-Queue-Priority",
            "X-Fal-Request-Timeout",
        ),
    ),
    "estimate": Operation(
        group="Submit",
        summary="Check a task and estimate its cost",
        answers={
            200: Answer(
                means="The task is valid; nothing was submitted or stored.",
                shapes=(schemas.Estimate,),
            ),
            **_PLATFORM,
        },
        faults=_KEYED | _BODY | {(403, "forbidden")},
    ),
    "upload": Operation(
        group="Submit",
        summary="Get a link to upload an input image",
        answers={200: Answer(means="PUT the image there.", shapes=(schemas.Upload,)), **_PLATFORM},
        faults=_KEYED | _BODY,
        body=UploadRequest,
    ),
    "uploads": Operation(
        group="Jobs and usage",
        summary="List the objects of the inbox and their outcomes",
        answers={200: Answer(means="A page of the inbox.", shapes=(schemas.UploadPage,))},
        faults=_KEYED | {(403, "forbidden")},
    ),
    "rules": Operation(
        group="Jobs and usage",
        summary="List the rules for uploads",
        answers={200: Answer(means="The rules, in their order.", shapes=(schemas.RuleList,))},
        faults=_KEYED | {(403, "forbidden")},
    ),
    "inbox_upload": Operation(
        group="Submit",
        summary="Get a link to upload an image into the folder of a rule",
        answers={
            200: Answer(
                means="PUT the image there; the rule then makes a task of it.",
                shapes=(schemas.InboxUpload,),
            ),
            **_PLATFORM,
        },
        faults=_NAMED | _BODY | _LIMITED | {(409, "already_exists")},
        body=InboxUploadRequest,
    ),
    "batches": Operation(
        group="Jobs and usage",
        summary="List the batches of the inbox, the newest first, and how far each is",
        answers={200: Answer(means="A page of the batches.", shapes=(schemas.BatchPage,))},
        faults=_KEYED | {(403, "forbidden")},
    ),
    "fal_upload": Operation(
        group="Submit",
        summary="Get a link to upload an input image, as fal.ai's clients ask for it",
        answers={
            200: Answer(means="PUT the image there.", shapes=(schemas.FalUpload,)),
            **_PLATFORM,
        },
        faults=_KEYED | _BODY,
        body=FalUploadRequest,
    ),
    "status": Operation(
        group="Requests",
        summary="Get the status of a request",
        answers={
            200: Answer(
                means="The request has ended, successfully or not.", shapes=(schemas.RequestStatus,)
            ),
            202: Answer(means="The request has not ended.", shapes=(schemas.RequestStatus,)),
        },
        faults=_NAMED,
    ),
    "stream": Operation(
        group="Requests",
        summary="Wait for a new status of a request",
        answers={
            200: Answer(
                means="Server-sent events: `data` is a `RequestStatus` as JSON, `id` is the"
                " `Last-Event-ID` of the next call.",
                shapes=(schemas.RequestStatus,),
                content_type="text/event-stream",
            ),
            204: Answer(
                means="The request has ended, and `Last-Event-ID` is its last event.",
                content_type="",
            ),
        },
        faults=_NAMED,
        parameters=("Last-Event-ID",),
    ),
    "result": Operation(
        group="Requests",
        summary="Get the images of a request",
        answers={
            200: Answer(means="The images.", shapes=(schemas.Result,)),
            307: Answer(
                means="Only under the first two parts of the path, where the answer waits for the"
                " end of the request: it has not ended in the time of one call. Ask again.",
                content_type="",
            ),
        },
        faults=_NAMED | {(400, "request_in_progress")},
        can_have_failed=True,
    ),
    "cancel": Operation(
        group="Requests",
        summary="Cancel a request",
        answers={
            202: Answer(
                means="The request is cancelled, or the vendor was asked to abort its task.",
                shapes=(schemas.CancellationRequested,),
            ),
            400: Answer(means="The request had already ended.", shapes=(schemas.AlreadyCompleted,)),
        },
        faults=_NAMED | {(400, "not_cancellable")},
    ),
    "query": Operation(
        group="Requests",
        summary="Get a request in the form of the vendor",
        answers={
            200: Answer(
                means="The request as VOD or, below `/tencent-mps`, as MPS describes a task.",
                shapes=(schemas.VodQuery, schemas.MpsQuery),
            )
        },
        faults=_NAMED,
    ),
    "jobs": Operation(
        group="Jobs and usage",
        summary="List jobs, newest first",
        answers={200: Answer(means="A page of jobs.", shapes=(schemas.JobPage,))},
        faults=_KEYED,
    ),
    "images": Operation(
        group="Jobs and usage",
        summary="List images, newest first",
        answers={200: Answer(means="A page of images.", shapes=(schemas.ImagePage,))},
        faults=_KEYED,
    ),
    "job": Operation(
        group="Jobs and usage",
        summary="Get a job with all details",
        answers={200: Answer(means="The job.", shapes=(schemas.JobDetail,))},
        faults=_NAMED,
    ),
    "replay": Operation(
        group="Jobs and usage",
        summary="Replay a failed job",
        answers={
            202: Answer(
                means="The job waits for a new attempt, or it had one already.",
                shapes=(schemas.Operated,),
            ),
            **_PLATFORM,
        },
        faults=_NAMED | _BODY | _LIMITED | {(409, word) for word in REPLAY_REFUSALS},
        body=ReplayRequest,
    ),
    "restore": Operation(
        group="Jobs and usage",
        summary="Restore the images of a failed job",
        answers={
            202: Answer(
                means="The sweep stores the images within a minute, or has stored them.",
                shapes=(schemas.Operated,),
            )
        },
        faults=_NAMED | {(403, "forbidden")} | {(409, word) for word in RESTORE_REFUSALS},
    ),
    "me": Operation(
        group="Service",
        summary="Get what the key may do, and what is left of its limits",
        answers={200: Answer(means="The key.", shapes=(schemas.Me,))},
        faults=_KEYED,
    ),
    "lanes": Operation(
        group="Jobs and usage",
        summary="Get the load of the lanes",
        answers={200: Answer(means="All lanes.", shapes=(schemas.LaneList,))},
        faults=_KEYED,
    ),
    "usage": Operation(
        group="Jobs and usage",
        summary="Get the number of images and their estimated cost",
        answers={
            200: Answer(means="Sums by day, source and model.", shapes=(schemas.UsageReport,))
        },
        faults=_KEYED,
    ),
    "models": Operation(
        group="Service",
        summary="Get the catalogue of models",
        answers={
            200: Answer(means="The catalogue.", shapes=(schemas.Models,), is_versioned=True),
            **_UNCHANGED,
        },
        faults=_KEYED,
        parameters=("If-None-Match",),
    ),
    "openai_models": Operation(
        group="OpenAI",
        summary="List the models by their names for OpenAI's clients",
        answers={
            200: Answer(means="The models.", shapes=(schemas.OpenAIModelList,)),
            **_OPENAI_MODELS,
        },
    ),
    "openai_model": Operation(
        group="OpenAI",
        summary="Get a model by its name for OpenAI's clients",
        answers={
            200: Answer(means="The model.", shapes=(schemas.OpenAIModel,)),
            **_OPENAI_MODELS,
        },
    ),
    "openai_generate": Operation(
        group="OpenAI",
        summary="Generate images as OpenAI's clients do",
        answers=_OPENAI_IMAGES,
        body=schemas.OpenAIGeneration,
        parameters=("Idempotency-Key", "X-Stainless-Retry-Count"),
    ),
    "openai_edit": Operation(
        group="OpenAI",
        summary="Edit images as OpenAI's clients do",
        answers=_OPENAI_IMAGES,
        body=schemas.OpenAIEdit,
        is_form_too=True,
        parameters=("Idempotency-Key", "X-Stainless-Retry-Count"),
    ),
    "mcp": Operation(
        group="MCP",
        summary="Answer a message of the Model Context Protocol",
        answers={
            200: Answer(
                means="The answer to a request. Revisions before 2026-07-28 also have errors with"
                " this status.",
                shapes=(schemas.RpcAnswer, schemas.RpcFailure),
            ),
            202: Answer(means="A notification was received.", content_type=""),
            **{
                status: Answer(means=means, shapes=(schemas.RpcFailure,))
                for status, means in _MCP_ERRORS.items()
            },
        },
        body=schemas.RpcMessage,
    ),
    "health": Operation(
        group="Service",
        summary="Check that the service runs",
        answers={200: Answer(means="The service runs.", shapes=(schemas.Health,))},
        faults=_OPEN,
    ),
    "openapi": Operation(
        group="Service",
        summary="Get the OpenAPI document",
        answers={
            200: Answer(means="OpenAPI 3.1.", shapes=(dict[str, Any],), is_versioned=True),
            **_UNCHANGED,
        },
        faults=_OPEN,
        parameters=("If-None-Match",),
    ),
    "docs": Operation(
        group="Service",
        summary="Get this page",
        answers={
            200: Answer(means="The page.", content_type="text/html", is_versioned=True),
            **_UNCHANGED,
        },
        faults=_OPEN,
        parameters=("If-None-Match",),
    ),
    "vod_event": Operation(
        group="Service",
        summary="Receive a callback of VOD",
        answers={200: Answer(means="The callback was received.", shapes=(schemas.CallbackTaken,))},
        faults=_LEDGER
        | {
            (400, "bad_request"),
            (401, "unauthorized"),
            (415, "unsupported_media_type"),
        },
        body=dict[str, Any],
        parameters=("Sign", "T"),
    ),
}
"""Name of a route → its operation."""


# Parameters

_DAY = {"type": "string", "format": "date"}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "id": {
        "in": "path",
        "description": "The `request_id` of the answer to a submit.",
        "schema": {"type": "string", "pattern": "^[0-9a-zA-Z_-]{1,64}$"},
    },
    "rule": {
        "in": "path",
        "description": "Name of the rule.",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,39}$"},
    },
    "model": {
        "in": "path",
        "description": "Name of the model; a slash in it may be sent as it is or as `%2F`.",
        "schema": {"type": "string", "minLength": 1},
    },
    "X-Stainless-Retry-Count": {
        "in": "header",
        "description": "How often OpenAI's SDK has repeated this call, as it says itself: a repeat"
        " gets the images again that were answered to an earlier attempt.",
        "schema": {"type": "string"},
    },
    "key": {
        "in": "path",
        "description": "The `callbackKey` of the stack.",
        "schema": {"type": "string", "pattern": "^[^/]+$"},
    },
    "logs": {
        "in": "query",
        "description": "Whether the status contains `logs`; the name alone means yes.",
        "schema": {"type": "string", "enum": [*SWITCH]},
    },
    "Sign": {
        "in": "query",
        "description": "VOD's signature, if the path has no key.",
        "schema": {"type": "string"},
    },
    "T": {
        "in": "query",
        "description": "Unix time at which the signature expires.",
        "schema": {"type": "string"},
    },
    "state": {
        "in": "query",
        "description": "Only jobs in this state.",
        "schema": {"type": "string", "enum": [*get_args(State)]},
    },
    "kind": {
        "in": "query",
        "description": "Only jobs, or images of jobs, of this kind of task.",
        "schema": {"type": "string", "enum": [*KINDS]},
    },
    "source": {
        "in": "query",
        "description": "Only jobs of calls (`call`), of uploads (`upload`), of one key"
        " (`call:<key>`) or of one rule (`upload:<rule>`), or their images.",
        "schema": {"type": "string", "pattern": "^(call|upload)(:.+)?$"},
    },
    "folder": {
        "in": "query",
        "description": "Only images whose folder in the results bucket begins like this.",
        "schema": {"type": "string", "minLength": 1},
    },
    "query.model": {
        "name": "model",
        "in": "query",
        "description": "Only images of this model and version, or scene, as `model` of an image"
        " names it.",
        "schema": {"type": "string", "minLength": 1},
    },
    "q": {
        "in": "query",
        "description": "Only images whose prompt has all these words, or parts of words, in any"
        " order and case. The index has the first 280 bytes of a prompt, and often more, each word"
        " once.",
        "schema": {"type": "string", "minLength": 1},
    },
    "since": {
        "in": "query",
        "description": "Only images that were finished on this day, in UTC, or later.",
        "schema": _DAY,
    },
    "until": {
        "in": "query",
        "description": "Only images that were finished on this day, in UTC, or earlier.",
        "schema": _DAY,
    },
    "prefix": {
        "in": "query",
        "description": "Only objects whose key begins like this.",
        "schema": {"type": "string", "minLength": 1},
    },
    "object_key": {
        "in": "query",
        "description": "Only the object with this key.",
        "schema": {"type": "string", "minLength": 1},
    },
    "outcome": {
        "in": "query",
        "description": "Only objects with this outcome.",
        "schema": {"type": "string", "enum": [*get_args(Outcome)]},
    },
    "limit": {
        "in": "query",
        "description": "Largest number of jobs, images, objects or batches in a page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_AT_ONCE, "default": USUAL},
    },
    "cursor": {
        "in": "query",
        "description": "The `cursor` of the previous page.",
        "schema": {"type": "string"},
    },
    "from": {
        "in": "query",
        "description": "First day, in UTC; by default six days before the last day.",
        "schema": _DAY,
    },
    "to": {
        "in": "query",
        "description": "Last day, in UTC; today by default. At most 31 days after the first.",
        "schema": _DAY,
    },
    "storage_type": {
        "in": "query",
        "description": "Sent by fal.ai's clients; it changes nothing.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "in": "header",
        "description": "The id of the last event that the client received.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "in": "header",
        "description": "The `ETag` of the body that the client has.",
        "schema": {"type": "string"},
    },
    "Prefer": {
        "in": "header",
        "description": "`wait=<seconds>`: answer with the result if the request ends in this time.",
        "schema": {"type": "string"},
    },
    "X-Fal-Request-Timeout": {
        "in": "header",
        "description": "Seconds after which the request is cancelled if it has not been sent.",
        "schema": {"type": "number", "minimum": 1, "maximum": LONGEST_WAIT_S},
    },
    "X-Fal-Queue-Priority": {
        "in": "header",
        "description": "`low`: the job waits behind all others.",
        "schema": {"type": "string", "enum": ["normal", "low"]},
    },
    "fal_webhook": {
        "in": "query",
        "description": "URL of the webhook, like `webhook_url` in the body.",
        "schema": {"type": "string", "format": "uri", "maxLength": 2048},
    },
    "webhook-id": {
        "in": "header",
        "required": True,
        "description": "Id of the message; the same for all tries.",
        "schema": {"type": "string"},
    },
    "webhook-timestamp": {
        "in": "header",
        "required": True,
        "description": "Unix time of this try.",
        "schema": {"type": "string"},
    },
    "webhook-signature": {
        "in": "header",
        "required": True,
        "description": "`v1,` and the signature; one for each secret, separated by spaces.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "in": "header",
        "description": "Name of the submit: repeated with the same name, it finds the same request"
        " and costs nothing.",
        "schema": {"type": "string", "maxLength": 255},
    },
}
"""Name of a parameter → its description in the OpenAPI document."""
