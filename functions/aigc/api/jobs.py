"""The list of jobs, and all details of one job, from the ledger."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from aigc.api.ceilings import described_deferral
from aigc.api.errors import HttpError
from aigc.api.estimate import estimate_of
from aigc.api.inputs import without_secrets
from aigc.api.operate import operations_of
from aigc.api.pages import encode_cursor, page_limit, read_cursor, single_choice, source_parameter
from aigc.api.progress import ANSWER_S, image_of
from aigc.api.waits import Waits
from aigc.errors import BadRecordError
from aigc.jobs.job import Source, State, milliseconds
from aigc.jobs.ledger.records import INDEX
from aigc.jobs.settle import refresh
from aigc.jobs.webhooks import delivery
from aigc.logs import note
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.api.call import Call
    from aigc.api.keys import Caller
    from aigc.api.openapi import schemas
    from aigc.jobs.job import Attempt, Job
    from aigc.jobs.job import JobError as RecordedError
    from aigc.jobs.ledger.records import IndexEntry
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.webhooks import Try

logger = logging.getLogger(__name__)

MOST_READ = 200
"""Records that one call reads at most, including those that do not match a filter."""

INDEX_PAGE = 200
_ENTRY = re.compile(r"[0-9]{13}-[!-~]{1,800}")


def jobs(call: Call) -> HttpResponse:
    """List jobs, the newest first, a page at a time."""
    return HttpResponse(status=200, body=_page(_Filters.read(call), call))


def job(call: Call) -> HttpResponse:
    """Return all details of one job, without secrets."""
    current = refresh(call.path["id"], call.runtime)
    if current is None or not call.caller.may_see(current.source):
        raise HttpError(404, "not_found", f"there is no job {call.path['id'][:80]}")
    note(job=current.id)
    return HttpResponse(status=200, body=_detail(current, call))


# Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filters:
    """The parameters of a list of jobs."""

    kind: str
    state: str
    source_type: str
    source_name: str
    limit: int
    after: str
    """Key of the entry that the last page ended with."""
    caller: Caller

    @classmethod
    def read(cls, call: Call) -> _Filters:
        request = call.request
        source_type, source_name = source_parameter(request)
        position = read_cursor(request, _ENTRY)
        return cls(
            kind=single_choice(request, "kind", tuple(KINDS)),
            state=single_choice(request, "state", get_args(State)),
            source_type=source_type,
            source_name=source_name,
            limit=page_limit(request),
            after=INDEX + position if position else "",
            caller=call.caller,
        )

    def may_match(self, entry: IndexEntry) -> bool:
        """Whether an entry can match the filters, before its record is read."""
        source = Source.model_validate({"type": entry.source_type, "name": entry.source_name})
        return (
            self.kind in {"", entry.kind}
            and self.source_type in {"", source.type}
            and self.source_name in {"", source.name}
            and self.caller.may_see(source)
        )


# The list


def _page(filters: _Filters, call: Call) -> schemas.JobPage:
    runtime = call.runtime
    summaries: list[schemas.JobSummary] = []
    waits = Waits(runtime)
    read, last = 0, filters.after
    for entry in _entries(filters.after, runtime):
        is_full = len(summaries) == filters.limit or read == MOST_READ
        if last != filters.after and (is_full or not runtime.has_time(ANSWER_S)):
            return {"jobs": summaries, "cursor": encode_cursor(last.removeprefix(INDEX))}
        last = entry.key
        if not filters.may_match(entry):
            continue
        read += 1
        listed = _read(entry, runtime)
        if listed is not None and filters.state in {"", listed.state}:
            summaries.append(_summary(listed, call, waits))
    return {"jobs": summaries, "cursor": None}


def _entries(after: str, runtime: Runtime) -> Iterator[IndexEntry]:
    while True:
        page = runtime.ledger.records.newest(after, INDEX_PAGE)
        yield from page
        if len(page) < INDEX_PAGE:
            return
        after = page[-1].key


def _read(entry: IndexEntry, runtime: Runtime) -> Job | None:
    try:
        listed = runtime.ledger.records.read(entry.job_id)
    except BadRecordError:
        logger.exception("job_unreadable", extra={"job": entry.job_id})
        return None
    if listed is None or milliseconds(listed.created_at) != milliseconds(entry.created_at):
        # The call died before it wrote the job; a repeat of it has an entry of its own.
        runtime.ledger.records.remove_orphaned(entry)
        return None
    return listed


def _summary(job: Job, call: Call, waits: Waits) -> schemas.JobSummary:
    task = call.runtime.task_of(job)
    return {
        "request_id": job.id,
        "kind": job.kind,
        "state": job.state,
        "wait": waits.of(job),
        "source": described_source(job),
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "model": task.model_label(),
        "prompt": task.prompt_text(),
        "images": len(job.images),
        "error": _error(job.error),
        "job_url": f"{call.base_url}/v1/jobs/{job.id}",
        "response_url": call.links(job)["response_url"],
    }


# One job


def _detail(job: Job, call: Call) -> schemas.JobDetail:
    runtime = call.runtime
    task = runtime.task_of(job)
    return {
        **call.links(job),
        "kind": job.kind,
        "lane": job.lane,
        "state": job.state,
        "priority": job.priority,
        "source": described_source(job),
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "start_by": job.start_by.isoformat() if job.start_by else None,
        "deferred": described_deferral(job),
        "wait": Waits(runtime).of(job),
        "delay": job.storing_error or None,
        "operations": operations_of(job, call),
        "estimate": estimate_of(job.kind, task, runtime.prices()),
        "task": without_secrets(job.task),
        "model": task.model_label(),
        "prompt": task.prompt_text(),
        "place": {
            "bucket": runtime.settings.results_bucket,
            "prefix": runtime.settings.results_prefix + job.output_location.prefix,
            "name": job.output_location.name,
        },
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "images": [image_of(image, runtime) for image in job.images],
        "warnings": job.warnings,
        "error": _error(job.error),
        "webhook": _webhook(job, runtime),
    }


def described_source(job: Job) -> schemas.JobSource:
    """Describe what caused a job."""
    source = job.source
    return {
        "type": source.type,
        "name": source.name,
        "bucket": source.bucket,
        "key": source.key,
        "request_id": source.request_id,
    }


def _attempt(attempt: Attempt) -> schemas.Attempt:
    return {
        "number": attempt.number,
        "session_id": attempt.session_id,
        "task_id": attempt.task_id,
        "request_id": attempt.request_id,
        "submitted_at": attempt.submitted_at.isoformat() if attempt.submitted_at else None,
        "finished_at": attempt.finished_at.isoformat() if attempt.finished_at else None,
        "overdue_at": attempt.overdue_at.isoformat() if attempt.overdue_at else None,
        "vendor_status": attempt.vendor_status,
        "may_be_billed": attempt.may_be_billed,
        "error": _error(attempt.error),
    }


def _error(error: RecordedError | None) -> schemas.JobError | None:
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "code": error.code,
        "request_id": error.request_id,
        "retryable": error.retryable,
    }


def _webhook(job: Job, runtime: Runtime) -> schemas.Delivery | None:
    if not job.webhook_url:
        return None
    current = delivery(job, runtime)
    tries = [_try(delivery_try) for delivery_try in current.tries]
    return {"url": current.url, "state": current.state, "tries": tries}


def _try(delivery_try: Try) -> schemas.DeliveryTry:
    fields: schemas.DeliveryTry = {"at": delivery_try.at.isoformat()}
    if delivery_try.status is not None:
        fields["status"] = delivery_try.status
    if delivery_try.error:
        fields["error"] = delivery_try.error
    return fields
