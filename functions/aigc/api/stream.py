"""A stream of states, as far as a function can give one.

SCF hands an answer over in one piece, so nothing can be said while a call is open. Instead a call
is held until there is news, and then answered with the events seen: a client of server-sent events
reconnects by itself, and tells with `Last-Event-ID` what it knows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aigc.api.progress import looked_up, named, status_of, watch
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.jobs.job import Job

HOLD_S = 20
"""How long a call without news is held; an instance serves nobody else meanwhile."""

RETRY_MS = 1000


def stream(call: Call) -> HttpResponse:
    """Answer with the events that the caller does not know, once there are any.

    204 tells a client of server-sent events that nothing will follow.
    """
    job = looked_up(call)
    known = call.request.header("last-event-id").strip()
    if job.has_ended and known == _id(job):
        return HttpResponse(status=204, headers=named(job))
    seen = [] if known == _id(job) else [job]
    later = _later(job, call) if known in {"", _id(job)} else job
    if later.revision != job.revision:
        seen.append(later)
    events = "".join(_event(one, call) for one in seen)
    return HttpResponse(
        status=200,
        body=f"retry: {RETRY_MS}\n\n{events}",
        headers=named(job),
        content_type="text/event-stream; charset=utf-8",
    )


def _later(job: Job, call: Call) -> Job:
    if call.request.method == "HEAD":
        return job
    return watch(
        job,
        call.runtime,
        HOLD_S,
        lambda seen: seen.has_ended or seen.revision != job.revision,
    )


def _id(job: Job) -> str:
    return str(job.revision)


def _event(job: Job, call: Call) -> str:
    return f"id: {_id(job)}\ndata: {json.dumps(status_of(job, call), ensure_ascii=False)}\n\n"
