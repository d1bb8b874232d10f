"""Texts of the OpenAPI document: each operation with its answers and errors, and each parameter.

It is used when the zip is built and is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from aigc.api.errors import CANCELLED, EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.openapi import schemas
from aigc.api.operate import REPLAY_REFUSALS, RESTORE_REFUSALS, ReplayRequest
from aigc.api.pages import MOST_PER_PAGE, USUAL_PER_PAGE
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

ErrorCase = tuple[int, str]
"""A status and an `error_type` that an operation can answer with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is not an error of this API."""

    description: str
    shapes: tuple[Any, ...] = ()
    """Types of `schemas`: the body, or the data of an event, has one of them."""
    content_type: str = "application/json"
    """Empty if there is no body."""
    is_versioned: bool = False
    """Whether it has an ETag, and may be kept for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The description of a route."""

    group: str
    summary: str
    answers: Mapping[int, Answer]
    errors: frozenset[ErrorCase] = frozenset()
    body: Any = None
    """Type of the body; that of a submit follows from its path."""
    is_form_too: bool = False
    """Whether the body may also be a form, with files instead of texts."""
    can_have_failed: bool = False
    """Whether it also answers why a request ended without a result."""
    leads_to: tuple[str, ...] = ()
    """Routes below its path that need the request id in its answer."""
    parameters: tuple[str, ...] = ()
    """Optional headers; the path and the route name the other parameters."""


GROUPS: Mapping[str, str] = {
    "Submit": "Each kind of task has its own path. A submit is answered at once, and the task"
    " continues.",
    "Requests": "A submit answers with the URLs of its request. A client that has only the id finds"
    " the request under the path of its submit, or under the first two parts of that path.",
    "OpenAI": "OpenAI's Images API, for its clients: the base URL is `/openai/v1`. A call answers"
    " with the images. If they are not ready in time, it answers with 504, and the same call again"
    " waits for the same request.",
    "Jobs and usage": "Jobs of calls and of uploads are in one list.",
    "MCP": "The Model Context Protocol, for agents: streamable HTTP without sessions. A POST takes"
    " one message and answers with JSON.",
    "Service": "The service itself.",
    "Webhooks": "Calls of the service to the URL in a submit.",
}
"""Name of a group of operations → its description."""


# Errors

ERROR_DESCRIPTIONS: Mapping[ErrorCase, str] = {
    (400, "bad_request"): "The body is not a VOD event.",
    (400, "invalid_request"): "A query parameter is unknown or wrong; `field` names it.",
    (400, "malformed_json"): "The body is not a JSON object.",
    (400, "not_cancellable"): "The vendor runs the task and cannot stop it; it may be billed.",
    (400, "request_in_progress"): "There is no result yet: get the status.",
    (401, "unauthorized"): "The API key is missing or wrong.",
    (403, "forbidden"): "The key is not allowed to submit this kind of task, to see uploads, or to"
    " replay and restore jobs.",
    (403, "price_unknown"): "The key has a budget, and the price of the task is unknown.",
    (404, "not_found"): "There is no such path, or no such request of this kind.",
    (405, "method_not_allowed"): "`Allow` names the methods.",
    (409, "already_exists"): "The inbox has an object of this name; nothing is replaced.",
    (409, "busy"): "Another invocation is working on the job: wait for `Retry-After`.",
    (409, "may_be_billed"): "The last attempt may have been billed: confirm with `pay_again`.",
    (409, "no_task"): "No task of the vendor is known.",
    (409, "not_failed"): "The job has not failed.",
    (409, "not_kept"): "The vendor has removed the images.",
    (409, "not_succeeded"): "The task did not succeed.",
    (409, "permanent_error"): "The job was refused because of its task.",
    (409, "restorable"): "The images are paid for: restore them, or confirm with `pay_again`.",
    (410, "cancelled"): "The request was cancelled.",
    (413, "body_too_large"): "The body has more than 6 MiB: send images by URL.",
    (415, "unsupported_media_type"): "The body is a form or an image, or it is compressed.",
    (422, "content_policy_violation"): "The vendor's content check refused the prompt or an image.",
    (422, "invalid_request"): "A field is wrong: `field` names it, `allowed` says what is allowed.",
    (424, "refused"): "The vendor refused the task; the same request gets the same answer.",
    (429, "budget_exceeded"): "Too little is left of the key's budget for this month.",
    (429, "quota_exceeded"): "The key has used all of its jobs of this day.",
    (429, "rate_limited"): "The key has used all of its calls of this minute.",
    (429, "throttled"): "Tencent Cloud gets too many requests: wait as `Retry-After` says.",
    (500, "internal_error"): "A defect of this service; its log has the details.",
    (500, "result_unusable"): "The task finished, but its image could not be used.",
    (500, "submission_unknown"): "It is unknown whether the vendor accepted the task.",
    (500, "task_failed"): "The task failed at the vendor.",
    (
        503,
        "cloud_unavailable",
    ): "Tencent Cloud refused a request of the service, or did not answer.",
    (503, "record_unreadable"): "Another version of the service wrote the request's record.",
    (503, "throttled"): "Tencent Cloud has no capacity: wait as `Retry-After` says.",
    (504, "request_timeout"): "The task was not sent within `X-Fal-Request-Timeout`.",
    (507, "throttled"): "The vendor had no capacity in all attempts: submit the task later.",
}

FAILED: frozenset[ErrorCase] = frozenset(
    (mapping.status, mapping.error_type) for mapping in (*JOB_ERROR_STATUS.values(), CANCELLED)
)
"""The errors of requests that ended without a result."""

_QUERY_ERROR = {(400, "invalid_request")}
_INTERNAL_ERROR: frozenset[ErrorCase] = frozenset({(500, "internal_error")})
_OPEN_ROUTE_ERRORS = _INTERNAL_ERROR | _QUERY_ERROR
_LEDGER_ERRORS = _INTERNAL_ERROR | {
    (EXCEPTION_STATUS[error].status, EXCEPTION_STATUS[error].error_type)
    for error in (ThrottledError, BackloggedError, CloudError, BadRecordError)
}
_KEY_ERRORS = _LEDGER_ERRORS | _QUERY_ERROR | {(401, "unauthorized"), (429, "rate_limited")}
_REQUEST_ERRORS = _KEY_ERRORS | {(404, "not_found")}
_LIMIT_ERRORS = {
    (403, "forbidden"),
    (403, "price_unknown"),
    (429, "budget_exceeded"),
    (429, "quota_exceeded"),
}
_BODY_ERRORS = {
    (400, "malformed_json"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (422, "invalid_request"),
}
_PLATFORM_ANSWER = {
    406: Answer(
        description="The Function URL itself refuses a body of more than 6 MiB. Its answer is not"
        " an error of this API.",
        content_type="",
    )
}
_UNCHANGED_ANSWER = {
    304: Answer(description="The body is the one that `If-None-Match` names.", content_type="")
}


_OPENAI_ERRORS = {
    400: "A field is wrong, and `param` names it; or the vendor refused the request.",
    401: "The API key is missing or wrong.",
    403: "The key is not allowed to use this model, or the price is unknown.",
    404: "There is no such model or path.",
    410: "The request was cancelled.",
    413: "The body has more than 6 MiB: send images by URL.",
    415: "The body is neither JSON nor a form, or it is compressed.",
    429: "A limit of the key is reached, or Tencent Cloud gets too many requests.",
    500: "The task failed at the vendor, or this service has a defect: `code` says which.",
    503: "Tencent Cloud refused a request of the service, has no capacity, or did not answer.",
    504: "The request continues: repeat the call to wait for it. Or the task was not sent within"
    " `X-Fal-Request-Timeout`: `code` says which.",
    507: "The vendor had no capacity through all attempts: make the call later.",
}
"""Status of an error in OpenAI's form → its description."""


def _openai_errors(*statuses: int) -> dict[int, Answer]:
    return {
        status: Answer(description=_OPENAI_ERRORS[status], shapes=(schemas.OpenAIError,))
        for status in statuses
    }


_OPENAI_IMAGES = {
    200: Answer(
        description="The images; with `async`, the URLs of the request.",
        shapes=(schemas.OpenAIImages,),
    ),
    **_PLATFORM_ANSWER,
    **_openai_errors(*_OPENAI_ERRORS),
}
_OPENAI_MODELS = _openai_errors(400, 401, 404, 429, 500, 503)


_MCP_ERRORS = {
    400: "The message or a header is wrong.",
    401: "The API key is missing or wrong.",
    403: "The origin of the page is not allowed.",
    404: "There is no such method in this revision of the protocol.",
    405: "Only POST is supported: `Allow` names the methods.",
    406: "The caller does not accept JSON. Without this body it is an answer of the Function URL"
    " itself: the body of the call has more than 6 MiB.",
    413: "The body has more than 6 MiB: send images by URL.",
    415: "The body is compressed.",
    429: "The key has used its calls of this minute, or Tencent Cloud gets too many requests.",
    500: "A defect of this service; its log has the details.",
    503: "Tencent Cloud refused a request of the service, or did not answer.",
}
"""Status of an error of MCP → its description."""


# Operations

OPERATIONS: Mapping[str, Operation] = {
    "submit": Operation(
        group="Submit",
        summary="Submit a task",
        answers={
            200: Answer(
                description="The task is accepted. With `Prefer: wait`: its result, if it ended in"
                " time.",
                shapes=(schemas.Submitted, schemas.Result),
            ),
            **_PLATFORM_ANSWER,
        },
        errors=_KEY_ERRORS | _BODY_ERRORS | _LIMIT_ERRORS,
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
                description="The task is valid; nothing was submitted or stored.",
                shapes=(schemas.Estimate,),
            ),
            **_PLATFORM_ANSWER,
        },
        errors=_KEY_ERRORS | _BODY_ERRORS | {(403, "forbidden")},
    ),
    "upload": Operation(
        group="Submit",
        summary="Get a link to upload an input image",
        answers={
            200: Answer(description="PUT the image there.", shapes=(schemas.Upload,)),
            **_PLATFORM_ANSWER,
        },
        errors=_KEY_ERRORS | _BODY_ERRORS,
        body=UploadRequest,
    ),
    "uploads": Operation(
        group="Jobs and usage",
        summary="List the objects of the inbox and their outcomes",
        answers={200: Answer(description="A page of the inbox.", shapes=(schemas.UploadPage,))},
        errors=_KEY_ERRORS | {(403, "forbidden")},
    ),
    "rules": Operation(
        group="Jobs and usage",
        summary="List the rules for uploads",
        answers={200: Answer(description="The rules, in their order.", shapes=(schemas.RuleList,))},
        errors=_KEY_ERRORS | {(403, "forbidden")},
    ),
    "inbox_upload": Operation(
        group="Submit",
        summary="Get a link to upload an image into the folder of a rule",
        answers={
            200: Answer(
                description="PUT the image there; the rule then makes a task of it.",
                shapes=(schemas.InboxUpload,),
            ),
            **_PLATFORM_ANSWER,
        },
        errors=_REQUEST_ERRORS | _BODY_ERRORS | _LIMIT_ERRORS | {(409, "already_exists")},
        body=InboxUploadRequest,
    ),
    "batches": Operation(
        group="Jobs and usage",
        summary="List the batches of the inbox and their progress, newest first",
        answers={200: Answer(description="A page of the batches.", shapes=(schemas.BatchPage,))},
        errors=_KEY_ERRORS | {(403, "forbidden")},
    ),
    "fal_upload": Operation(
        group="Submit",
        summary="Get a link to upload an input image, in the form of fal.ai's clients",
        answers={
            200: Answer(description="PUT the image there.", shapes=(schemas.FalUpload,)),
            **_PLATFORM_ANSWER,
        },
        errors=_KEY_ERRORS | _BODY_ERRORS,
        body=FalUploadRequest,
    ),
    "status": Operation(
        group="Requests",
        summary="Get the status of a request",
        answers={
            200: Answer(
                description="The request has ended, successfully or not.",
                shapes=(schemas.RequestStatus,),
            ),
            202: Answer(description="The request has not ended.", shapes=(schemas.RequestStatus,)),
        },
        errors=_REQUEST_ERRORS,
    ),
    "stream": Operation(
        group="Requests",
        summary="Wait for a new status of a request",
        answers={
            200: Answer(
                description="Server-sent events: `data` is a `RequestStatus` as JSON, `id` is the"
                " `Last-Event-ID` of the next call.",
                shapes=(schemas.RequestStatus,),
                content_type="text/event-stream",
            ),
            204: Answer(
                description="The request has ended, and `Last-Event-ID` is its last event.",
                content_type="",
            ),
        },
        errors=_REQUEST_ERRORS,
        parameters=("Last-Event-ID",),
    ),
    "result": Operation(
        group="Requests",
        summary="Get the images of a request",
        answers={
            200: Answer(description="The images.", shapes=(schemas.Result,)),
            307: Answer(
                description="Only under the first two parts of the path, where a call waits for the"
                " end of the request: it has not ended in the time of one call. Call again.",
                content_type="",
            ),
        },
        errors=_REQUEST_ERRORS | {(400, "request_in_progress")},
        can_have_failed=True,
    ),
    "cancel": Operation(
        group="Requests",
        summary="Cancel a request",
        answers={
            202: Answer(
                description="The request is cancelled, or the vendor was asked to abort its task.",
                shapes=(schemas.CancellationRequested,),
            ),
            400: Answer(
                description="The request had already ended.", shapes=(schemas.AlreadyCompleted,)
            ),
        },
        errors=_REQUEST_ERRORS | {(400, "not_cancellable")},
    ),
    "query": Operation(
        group="Requests",
        summary="Get a request in the form of the vendor",
        answers={
            200: Answer(
                description="The request as VOD or, below `/tencent-mps`, as MPS describes a task.",
                shapes=(schemas.VodQuery, schemas.MpsQuery),
            )
        },
        errors=_REQUEST_ERRORS,
    ),
    "jobs": Operation(
        group="Jobs and usage",
        summary="List jobs, newest first",
        answers={200: Answer(description="A page of jobs.", shapes=(schemas.JobPage,))},
        errors=_KEY_ERRORS,
    ),
    "images": Operation(
        group="Jobs and usage",
        summary="List images, newest first",
        answers={200: Answer(description="A page of images.", shapes=(schemas.ImagePage,))},
        errors=_KEY_ERRORS,
    ),
    "job": Operation(
        group="Jobs and usage",
        summary="Get a job with all details",
        answers={200: Answer(description="The job.", shapes=(schemas.JobDetail,))},
        errors=_REQUEST_ERRORS,
    ),
    "replay": Operation(
        group="Jobs and usage",
        summary="Replay a failed job",
        answers={
            202: Answer(
                description="The job waits for a new attempt, or it already has one.",
                shapes=(schemas.Operated,),
            ),
            **_PLATFORM_ANSWER,
        },
        errors=_REQUEST_ERRORS
        | _BODY_ERRORS
        | _LIMIT_ERRORS
        | {(409, word) for word in REPLAY_REFUSALS},
        body=ReplayRequest,
    ),
    "restore": Operation(
        group="Jobs and usage",
        summary="Restore the images of a failed job",
        answers={
            202: Answer(
                description="The sweep stores the images within a minute, or has stored them.",
                shapes=(schemas.Operated,),
            )
        },
        errors=_REQUEST_ERRORS | {(403, "forbidden")} | {(409, word) for word in RESTORE_REFUSALS},
    ),
    "me": Operation(
        group="Service",
        summary="Get the permissions of the key and what is left of its limits",
        answers={200: Answer(description="The key.", shapes=(schemas.Me,))},
        errors=_KEY_ERRORS,
    ),
    "lanes": Operation(
        group="Jobs and usage",
        summary="Get the load of the lanes",
        answers={200: Answer(description="All lanes.", shapes=(schemas.LaneList,))},
        errors=_KEY_ERRORS,
    ),
    "usage": Operation(
        group="Jobs and usage",
        summary="Get the number of images and their estimated cost",
        answers={
            200: Answer(description="Sums by day, source and model.", shapes=(schemas.UsageReport,))
        },
        errors=_KEY_ERRORS,
    ),
    "models": Operation(
        group="Service",
        summary="Get the catalogue of models",
        answers={
            200: Answer(description="The catalogue.", shapes=(schemas.Models,), is_versioned=True),
            **_UNCHANGED_ANSWER,
        },
        errors=_KEY_ERRORS,
        parameters=("If-None-Match",),
    ),
    "openai_models": Operation(
        group="OpenAI",
        summary="List the models by their names for OpenAI's clients",
        answers={
            200: Answer(description="The models.", shapes=(schemas.OpenAIModelList,)),
            **_OPENAI_MODELS,
        },
    ),
    "openai_model": Operation(
        group="OpenAI",
        summary="Get a model by its name for OpenAI's clients",
        answers={
            200: Answer(description="The model.", shapes=(schemas.OpenAIModel,)),
            **_OPENAI_MODELS,
        },
    ),
    "openai_generate": Operation(
        group="OpenAI",
        summary="Generate images with OpenAI's clients",
        answers=_OPENAI_IMAGES,
        body=schemas.OpenAIGeneration,
        parameters=("Idempotency-Key", "X-Stainless-Retry-Count"),
    ),
    "openai_edit": Operation(
        group="OpenAI",
        summary="Edit images with OpenAI's clients",
        answers=_OPENAI_IMAGES,
        body=schemas.OpenAIEdit,
        is_form_too=True,
        parameters=("Idempotency-Key", "X-Stainless-Retry-Count"),
    ),
    "mcp": Operation(
        group="MCP",
        summary="Send a message of the Model Context Protocol",
        answers={
            200: Answer(
                description="The answer to a request. Revisions before 2026-07-28 also have errors"
                " with this status.",
                shapes=(schemas.RpcAnswer, schemas.RpcFailure),
            ),
            202: Answer(description="A notification was received.", content_type=""),
            **{
                status: Answer(description=description, shapes=(schemas.RpcFailure,))
                for status, description in _MCP_ERRORS.items()
            },
        },
        body=schemas.RpcMessage,
    ),
    "health": Operation(
        group="Service",
        summary="Check that the service runs",
        answers={200: Answer(description="The service runs.", shapes=(schemas.Health,))},
        errors=_OPEN_ROUTE_ERRORS,
    ),
    "openapi": Operation(
        group="Service",
        summary="Get the OpenAPI document",
        answers={
            200: Answer(description="OpenAPI 3.1.", shapes=(dict[str, Any],), is_versioned=True),
            **_UNCHANGED_ANSWER,
        },
        errors=_OPEN_ROUTE_ERRORS,
        parameters=("If-None-Match",),
    ),
    "docs": Operation(
        group="Service",
        summary="Get this page",
        answers={
            200: Answer(description="The page.", content_type="text/html", is_versioned=True),
            **_UNCHANGED_ANSWER,
        },
        errors=_OPEN_ROUTE_ERRORS,
        parameters=("If-None-Match",),
    ),
    "vod_event": Operation(
        group="Service",
        summary="Receive a callback of VOD",
        answers={
            200: Answer(description="The callback was received.", shapes=(schemas.CallbackTaken,))
        },
        errors=_LEDGER_ERRORS
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
        "description": "How often OpenAI's SDK has repeated this call: a repeat gets the images"
        " that were sent to an earlier attempt.",
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
        "description": "Only images whose folder in the results bucket begins with this text.",
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
        "description": "Only objects whose key begins with this text.",
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
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_PER_PAGE,
            "default": USUAL_PER_PAGE,
        },
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
        "description": "`low`: the job starts after all others.",
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
        "description": "Name of the submit: a repeat with the same name finds the same request and"
        " costs nothing.",
        "schema": {"type": "string", "maxLength": 255},
    },
}
"""Name of a parameter → its description in the OpenAPI document."""
