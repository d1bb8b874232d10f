"""What OpenAPI has to be told of the API: each route's answers, its faults, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from aigc.api import answers
from aigc.api.errors import CANCELLED, ENDED, RAISED
from aigc.api.jobs import MOST_AT_ONCE, USUAL
from aigc.api.uploads import FalUploadRequest, UploadRequest
from aigc.api.wishes import LONGEST_PATIENCE_S
from aigc.errors import BackloggedError, CloudError, ThrottledError
from aigc.jobs.job import State
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = tuple[int, str]
"""A status, and the word for programs that comes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that is no fault."""

    means: str
    shapes: tuple[Any, ...] = ()
    """Types of `answers`, of which the body, or an event's data, has one; none of other text."""
    content_type: str = "application/json"
    """Empty where there is no body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route does, for a reader."""

    group: str
    summary: str
    answers: Mapping[int, Answer]
    faults: frozenset[Fault] = frozenset()
    body: Any = None
    """Type of what is sent; a submit's follows from its path."""
    can_have_failed: bool = False
    """Whether it also answers with how a request ended that has no result."""
    leads_to: tuple[str, ...] = ()
    """Routes below its path that take the request id of its answer."""
    parameters: tuple[str, ...] = ()
    """Names of those that may be left out; those in the path are known from there."""


# What goes wrong

MEANINGS: Mapping[Fault, str] = {
    (400, "bad_request"): "What came as a callback is no VOD event.",
    (400, "malformed_json"): "The body is no JSON object.",
    (400, "not_cancellable"): "The vendor has the task and does not stop it; it may be billed.",
    (400, "request_in_progress"): "There is no result yet: ask for the status.",
    (401, "unauthorized"): "No key, or a wrong one.",
    (403, "forbidden"): "The key is not for this kind of task.",
    (403, "price_unknown"): "The key has a budget, and no price is known of what was asked for.",
    (404, "not_found"): "No such path, or no such request of this kind.",
    (405, "method_not_allowed"): "`Allow` names the methods.",
    (410, "cancelled"): "The request was cancelled.",
    (413, "body_too_large"): "More than 6 MiB: give pictures by URL.",
    (415, "unsupported_media_type"): "A form or a picture as the body.",
    (422, "content_policy_violation"): "The vendor's content check refused prompt or picture.",
    (422, "invalid_request"): "It cannot be done as asked; `field` says why.",
    (424, "refused"): "The vendor said no; the same request gets the same answer.",
    (429, "budget_exceeded"): "The key's budget of this month does not suffice.",
    (429, "quota_exceeded"): "The key's jobs of this day are used up.",
    (429, "rate_limited"): "The key's calls of this minute are used up.",
    (429, "throttled"): "Tencent Cloud gets too many requests: wait for `Retry-After`.",
    (500, "internal_error"): "A fault of this program; its log says which.",
    (500, "result_unusable"): "The task finished, but its picture could not be used.",
    (500, "submission_unknown"): "No answer told whether the vendor took the task; not sent again.",
    (500, "task_failed"): "The vendor took the task and failed.",
    (503, "cloud_unavailable"): "The ledger's bucket or the vendor refused, or did not answer.",
    (503, "throttled"): "Tencent Cloud has no room: wait for `Retry-After`.",
    (504, "request_timeout"): "It was not sent within the time that its caller gave.",
    (507, "throttled"): "The vendor had no room through all attempts: submit it again later.",
}

FAILED: frozenset[Fault] = frozenset(
    (verdict.status, verdict.error_type) for verdict in (*ENDED.values(), CANCELLED)
)
"""How a request may have ended without a result."""

_BROKEN: frozenset[Fault] = frozenset({(500, "internal_error")})
_LEDGER = _BROKEN | {
    (RAISED[raised].status, RAISED[raised].error_type)
    for raised in (ThrottledError, BackloggedError, CloudError)
}
_KEYED = _LEDGER | {(401, "unauthorized"), (429, "rate_limited")}
_NAMED = _KEYED | {(404, "not_found")}
_ASKED = _KEYED | {(422, "invalid_request")}
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


# What there is

OPERATIONS: Mapping[str, Operation] = {
    "submit": Operation(
        group="Submit",
        summary="Submit a task",
        answers={
            200: Answer(
                means="It is written down, and runs. With `Prefer: wait`, its result if it ended.",
                shapes=(answers.Submitted, answers.Result),
            )
        },
        faults=_KEYED | _BODY | _LIMITED,
        can_have_failed=True,
        leads_to=("status", "stream", "result", "cancel"),
        parameters=(
            "Idempotency-Key",
            "Prefer",
            "X-Fal-Queue-Priority",
            "X-Fal-Request-Timeout",
            "fal_webhook",
        ),
    ),
    "upload": Operation(
        group="Submit",
        summary="Get a link to upload an input to",
        answers={200: Answer(means="PUT the picture there.", shapes=(answers.Upload,))},
        faults=_KEYED | _BODY,
        body=UploadRequest,
    ),
    "fal_upload": Operation(
        group="Submit",
        summary="Get a link to upload an input to, as fal.ai's clients ask for it",
        answers={200: Answer(means="PUT the picture there.", shapes=(answers.FalUpload,))},
        faults=_KEYED | _BODY,
        body=FalUploadRequest,
        parameters=("storage_type",),
    ),
    "status": Operation(
        group="Requests",
        summary="Ask how far a request is",
        answers={
            200: Answer(means="It has ended, in whatever way.", shapes=(answers.Status,)),
            202: Answer(means="It has not ended.", shapes=(answers.Status,)),
        },
        faults=_NAMED,
        parameters=("logs",),
    ),
    "stream": Operation(
        group="Requests",
        summary="Wait for news of a request",
        answers={
            200: Answer(
                means="Events, each with a `Status`; ask again for more.",
                shapes=(answers.Status,),
                content_type="text/event-stream",
            ),
            204: Answer(means="It has ended, and `Last-Event-ID` says so.", content_type=""),
        },
        faults=_NAMED,
        parameters=("logs", "Last-Event-ID"),
    ),
    "result": Operation(
        group="Requests",
        summary="Get a request's pictures",
        answers={
            200: Answer(means="They are there.", shapes=(answers.Result,)),
            307: Answer(
                means="Only below the shorter paths, which wait for the end: it has not ended in"
                " the time of one call, ask again.",
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
                means="It is cancelled, or the vendor was asked to end it.",
                shapes=(answers.CancellationRequested,),
            ),
            400: Answer(means="It had ended before.", shapes=(answers.AlreadyCompleted,)),
        },
        faults=_NAMED | {(400, "not_cancellable")},
    ),
    "query": Operation(
        group="Requests",
        summary="Ask in the vendor's own form",
        answers={
            200: Answer(
                means="The vendor's task, as it is in the ledger; of MPS below `/tencent-mps`.",
                shapes=(answers.VodQuery, answers.MpsQuery),
            )
        },
        faults=_NAMED,
    ),
    "jobs": Operation(
        group="Operations",
        summary="List jobs, the newest first",
        answers={200: Answer(means="A page, which may be short.", shapes=(answers.Jobs,))},
        faults=_ASKED,
        parameters=("state", "kind", "source", "limit", "cursor"),
    ),
    "job": Operation(
        group="Operations",
        summary="Get all that is known of a job",
        answers={200: Answer(means="Without what is secret.", shapes=(answers.JobDetail,))},
        faults=_NAMED,
    ),
    "lanes": Operation(
        group="Operations",
        summary="See how full the lanes are",
        answers={200: Answer(means="All of them.", shapes=(answers.Lanes,))},
        faults=_KEYED,
    ),
    "usage": Operation(
        group="Operations",
        summary="See what was made, and what it cost",
        answers={200: Answer(means="Of some days, by source and model.", shapes=(answers.Usage,))},
        faults=_ASKED,
        parameters=("from", "to"),
    ),
    "models": Operation(
        group="Operations",
        summary="Get the catalogue of models",
        answers={200: Answer(means="As of its date.", shapes=(answers.Models,))},
        faults=_KEYED,
    ),
    "health": Operation(
        group="Service",
        summary="See whether it runs",
        answers={200: Answer(means="It runs.", shapes=(answers.Health,))},
        faults=_BROKEN,
    ),
    "openapi": Operation(
        group="Service",
        summary="Get this document",
        answers={200: Answer(means="OpenAPI 3.1.", shapes=(dict[str, Any],))},
        faults=_BROKEN,
    ),
    "docs": Operation(
        group="Service",
        summary="Read this document",
        answers={200: Answer(means="A page for people.", content_type="text/html")},
        faults=_BROKEN,
    ),
    "vod_event": Operation(
        group="Service",
        summary="Take a callback of VOD's",
        answers={200: Answer(means="It was taken.", shapes=(answers.CallbackTaken,))},
        faults=_LEDGER | {(400, "bad_request"), (401, "unauthorized")},
        body=dict[str, Any],
        parameters=("Sign", "T"),
    ),
}
"""Name of a route → what it does."""


# What a call may carry

_DAY = {"type": "string", "format": "date"}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "id": {
        "in": "path",
        "description": "The `request_id` of a submit's answer.",
        "schema": {"type": "string", "pattern": "^[0-9a-zA-Z_-]{1,64}$"},
    },
    "key": {
        "in": "path",
        "description": "The stack's `callbackKey`.",
        "schema": {"type": "string", "pattern": "^[^/]+$"},
    },
    "logs": {
        "in": "query",
        "description": "Whether `logs` says what happened; only `0` and `false` say no.",
        "schema": {"type": "string", "examples": ["1"]},
    },
    "Sign": {
        "in": "query",
        "description": "VOD's signature, where the path has no key.",
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
        "description": "Only jobs of this kind.",
        "schema": {"type": "string", "enum": [*KINDS]},
    },
    "source": {
        "in": "query",
        "description": "Only jobs of `call` or `upload`, or of one: `call:<key>`, `upload:<rule>`.",
        "schema": {"type": "string", "pattern": "^(call|upload)(:.*)?$"},
    },
    "limit": {
        "in": "query",
        "description": "Jobs in a page at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_AT_ONCE, "default": USUAL},
    },
    "cursor": {
        "in": "query",
        "description": "What the page before ended with.",
        "schema": {"type": "string"},
    },
    "from": {
        "in": "query",
        "description": "First day, in UTC; a week ago when left out.",
        "schema": _DAY,
    },
    "to": {
        "in": "query",
        "description": "Last day, today when left out.",
        "schema": _DAY,
    },
    "storage_type": {
        "in": "query",
        "description": "Sent by fal.ai's clients, and changes nothing.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "in": "header",
        "description": "The id of the last event that is known.",
        "schema": {"type": "string"},
    },
    "Prefer": {
        "in": "header",
        "description": "`wait=<seconds>`: answer with the result if there is one by then.",
        "schema": {"type": "string"},
    },
    "X-Fal-Request-Timeout": {
        "in": "header",
        "description": "Seconds after which it is cancelled if it was not sent.",
        "schema": {"type": "number", "minimum": 1, "maximum": LONGEST_PATIENCE_S},
    },
    "X-Fal-Queue-Priority": {
        "in": "header",
        "description": "`low` waits behind all others.",
        "schema": {"type": "string", "enum": ["normal", "low"]},
    },
    "fal_webhook": {
        "in": "query",
        "description": "Where the end is told, as `webhook_url` of the body.",
        "schema": {"type": "string", "format": "uri", "maxLength": 2048},
    },
    "webhook-id": {
        "in": "header",
        "required": True,
        "description": "The same for every try to tell of one end.",
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
        "description": "`v1,` and the signature; one for each secret, with spaces between them.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "in": "header",
        "description": "The same key finds the same request again, and pays nothing for it.",
        "schema": {"type": "string", "maxLength": 255},
    },
}
"""Name of a parameter → what OpenAPI says of it."""
