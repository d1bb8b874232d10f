"""The list of batches: files of the inbox whose lines become jobs, and their progress."""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING

from aigc.api.inbox import check_may_see_uploads
from aigc.api.pages import invalid_cursor, page_limit
from aigc.errors import DamagedError
from aigc.triggers.http import HttpResponse
from aigc.uploads.batches.records import INDEX, Batches

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.triggers.http import HttpRequest
    from aigc.uploads.batches.records import Batch, Indexed

logger = logging.getLogger(__name__)

_CURSOR = re.compile(r"[0-9]{13}-[0-9a-zA-Z]{1,64}")


def respond(call: Call) -> HttpResponse:
    """List the batches, the newest first, a page at a time: one listing, and one read for each."""
    check_may_see_uploads(call)
    limit, batches = page_limit(call.request), Batches(call.runtime.ledger)
    entries = batches.newest(_after(call.request), limit)
    reads = [functools.partial(_read, entry, batches) for entry in entries]
    readable = [batch for batch in call.runtime.parallel(*reads) if batch is not None]
    body: schemas.BatchPage = {
        "batches": [_described(batch, call) for batch in readable],
        "cursor": entries[-1].key.removeprefix(INDEX) if len(entries) == limit else None,
    }
    return HttpResponse(status=200, body=body)


def _read(entry: Indexed, batches: Batches) -> Batch | None:
    try:
        return batches.read_indexed(entry)
    except DamagedError:
        logger.exception("batch_unreadable", extra={"batch": entry.batch_id})
        return None


def _described(batch: Batch, call: Call) -> schemas.Batch:
    settings = call.runtime.settings
    return {
        "batch_id": batch.id,
        "object_key": batch.key,
        "rule": batch.rule,
        "created_at": batch.created_at.isoformat(),
        "lines": batch.taken,
        "is_read": batch.is_read,
        "is_complete": batch.is_complete,
        "states": batch.states,
        "problem": batch.problem,
        "bucket": settings.results_bucket,
        "report_key": settings.results_prefix + batch.report_key,
        "sheet_key": settings.results_prefix + batch.sheet_key,
    }


def _after(request: HttpRequest) -> str:
    cursor = request.parameter("cursor")
    if cursor and not _CURSOR.fullmatch(cursor):
        raise invalid_cursor(cursor)
    return INDEX + cursor if cursor else ""
