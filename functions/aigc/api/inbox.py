"""The list of the inbox: each uploaded object, and its outcome."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, get_args

from aigc.api.errors import HttpError
from aigc.api.images import AT_ONCE
from aigc.api.pages import encode_cursor, page_limit, read_cursor, single_choice
from aigc.errors import BadRecordError
from aigc.jobs.job import Source
from aigc.triggers.http import HttpResponse
from aigc.uploads.rules import DeployedRules
from aigc.uploads.statuses import Outcome, jobs_of, status_of, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.job import State
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.entries import Entry
    from aigc.uploads.statuses import UploadStatus

logger = logging.getLogger(__name__)

MOST_COMPARED = 5000
"""Objects that one call compares with a filter."""


def respond(call: Call) -> HttpResponse:
    """List the objects of the inbox in order of keys, a page at a time."""
    check_may_see_uploads(call)
    return HttpResponse(status=200, body=_page(call))


def check_may_see_uploads(call: Call) -> None:
    """Refuse a key that sees only its own jobs.

    Raises:
        HttpError: It may not see uploads.
    """
    if not call.caller.may_see(Source(type="upload", name="")):
        raise HttpError(403, "forbidden", f"the key {call.caller.name} sees only its own jobs")


def _page(call: Call) -> schemas.UploadPage:
    outcome = single_choice(call.request, "outcome", get_args(Outcome))
    limit = page_limit(call.request)
    matching: list[UploadStatus] = []
    for compared, status in enumerate(_statuses(call), start=1):
        if outcome in {"", status.outcome}:
            matching.append(status)
        if len(matching) == limit or compared == MOST_COMPARED:
            return {
                "uploads": _described(matching, call),
                "cursor": encode_cursor(status.listed.key),
            }
    return {"uploads": _described(matching, call), "cursor": None}


def _statuses(call: Call) -> Iterator[UploadStatus]:
    request, runtime = call.request, call.runtime
    rules = runtime.memory.of(DeployedRules).rules
    key = request.parameter("object_key")
    if key:
        status = status_of(key, rules, runtime)
        return iter([status] if status else [])
    prefix, after = request.parameter("prefix"), read_cursor(request)
    return statuses(rules, runtime, prefix=prefix, after=after)


def _described(matching: list[UploadStatus], call: Call) -> list[schemas.UploadAccount]:
    entry_lists = [status.entries(call.runtime) for status in matching]
    job_ids = [job.id for entries in entry_lists for job in jobs_of(entries)]
    states = _states(job_ids, call.runtime)
    return [
        _account(status, entries, states, call)
        for status, entries in zip(matching, entry_lists, strict=True)
    ]


def _states(job_ids: list[str], runtime: Runtime) -> dict[str, State | None]:
    """Read the states of jobs, some at a time."""
    reads = [functools.partial(_state, job_id, runtime) for job_id in job_ids]
    return dict(zip(job_ids, runtime.parallel_in_groups(reads, AT_ONCE), strict=True))


def _state(job_id: str, runtime: Runtime) -> State | None:
    try:
        job = runtime.ledger.records.read(job_id)
    except BadRecordError:
        logger.exception("job_unreadable", extra={"job": job_id})
        return None
    return job.state if job else None


def _account(
    status: UploadStatus, entries: list[Entry], states: Mapping[str, State | None], call: Call
) -> schemas.UploadAccount:
    listed = status.listed
    reason, detail = status.explain(entries)
    return {
        "key": listed.key,
        "size": listed.size,
        "etag": listed.etag,
        "uploaded_at": listed.modified.isoformat(),
        "outcome": status.outcome,
        "reason": reason,
        "detail": detail,
        "jobs": [
            {
                "request_id": job.id,
                "rule": job.rule,
                "state": states[job.id],
                "job_url": f"{call.base_url}/v1/jobs/{job.id}",
            }
            for job in jobs_of(entries)
        ],
    }
