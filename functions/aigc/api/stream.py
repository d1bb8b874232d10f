"""A stream of states, as server-sent events.

SCF delivers an answer in one piece, so nothing can be sent while a call is open. Instead a call
waits for a new state, and is then answered with all new events.

A client of server-sent events reconnects by itself and names the last event that it knows in
`Last-Event-ID`: its call waits until the state changes. fal.ai's JavaScript client, which is
recognized by its shortened path, never reconnects, and the end of the answer means for it the end
of the request: its call waits until then.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aigc.api.progress import LONGEST_HOLD_S, log, requested_job, status_of, watch
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.jobs.job import Job

HOLD_S = 20
"""Most seconds for which a call waits for a new state; its instance serves no other call then."""

RETRY_MS = 1000

_EVENT_ID = re.compile(r"[0-9]{1,9}-(?P<log_lines>[0-9]{1,4})")


def stream(call: Call) -> HttpResponse:
    """Answer with the events after the caller's last one; wait for one if there is none.

    A client of server-sent events does not reconnect after a 204.
    """
    job = requested_job(call)
    last_event = call.request.header("last-event-id").strip()
    if job.has_ended and last_event == _event_id(job):
        return HttpResponse(status=204)
    events = [] if last_event == _event_id(job) else [job]
    later = _wait_for_change(job, call) if last_event in {"", _event_id(job)} else job
    if later.revision != job.revision:
        events.append(later)
    return HttpResponse(
        status=200,
        body=f"retry: {RETRY_MS}\n\n{_text(events, last_event, call)}",
        content_type="text/event-stream; charset=utf-8",
    )


def _wait_for_change(job: Job, call: Call) -> Job:
    if call.request.method == "HEAD":
        return job
    if call.is_shortened:
        return watch(job, call.runtime, LONGEST_HOLD_S, lambda current: current.has_ended)
    return watch(
        job,
        call.runtime,
        HOLD_S,
        lambda current: current.has_ended or current.revision != job.revision,
    )


def _text(events: list[Job], last_event: str, call: Call) -> str:
    """Write the events, each with the lines of the log that no earlier event had."""
    match = _EVENT_ID.fullmatch(last_event)
    log_lines = int(match["log_lines"]) if match else 0
    text = ""
    for job in events:
        data = json.dumps(status_of(job, call, log_lines), ensure_ascii=False)
        text += f"id: {_event_id(job)}\ndata: {data}\n\n"
        log_lines = len(log(job))
    return text


def _event_id(job: Job) -> str:
    """Identify a state of a job and the log lines that were sent with it."""
    return f"{job.revision}-{len(log(job))}"
