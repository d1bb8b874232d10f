"""Notices: chat robots report jobs that have ended, in one message a sweep.

| key in the ledger | what it is |
|---|---|
| `notices/<robot>/<end>.<state>` | an end that a robot has not reported, by its webhook's id |

1. The record says that the job has ended.
2. The marker is written, one for each robot that reports such a job.
3. The sweep sends one message about all markers of a robot.
4. It removes these markers.

If the invocation dies before step 2, the notice is lost; if it dies before step 4, or if a listing
is late, the notice is sent twice. Jobs do not depend on notices: an error of a notice does not
reach the code that ends a job.

A sweep runs once a minute and sends at most one message to each robot, so many jobs at once do not
exceed a robot's limit. A failed message is tried again in each sweep until its markers are
`GIVE_UP_S` old.
"""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from aigc.errors import BadRecordError, CloudError
from aigc.jobs.ports import PAGE
from aigc.jobs.webhooks import message_id
from aigc.robots import LONGEST_ANSWER, LONGEST_TEXT, message, refusal_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.jobs.turns import Turn
    from aigc.robots import Robot

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""Seconds that a robot may take to answer."""

PAGES = 10
"""Pages of markers that one message covers at most; the next sweep reports the others."""

SHOWN = 5
"""Jobs that a message describes; it only counts the others."""

GIVE_UP_S = 2 * 3600
"""Age at which a marker is removed although its message failed: two hours, as for webhooks."""

LONGEST_PROMPT, LONGEST_ERROR = 60, 120
"""Characters of a prompt and of an error in a message."""

REST_BYTES = 30
"""Bytes that are reserved for the number of jobs that are not described."""

STATES = ("failed", "cancelled", "succeeded")
"""The order in which a message counts and describes jobs."""

_MARKERS = "notices/"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class JobEnd(NamedTuple):
    """The end of a job, as the key of a marker has it."""

    job_id: str
    state: str


def notes_of_end(job: Job, runtime: Runtime) -> list[Callable[[], None]]:
    """Return the requests that write the markers of a job whose record says that it has ended.

    They log an error of the cloud and do not raise it.
    """
    robots = [robot for robot in runtime.settings.robots if robot.reports(job.state)]
    return [functools.partial(_write_marker, robot, job, runtime) for robot in robots]


def send_notices(turn: Turn) -> None:
    """Report to each robot the ends for which it has markers."""
    turn.each(turn.runtime.settings.robots, lambda robot: _report_ends(robot, turn.runtime))


def _write_marker(robot: Robot, job: Job, runtime: Runtime) -> None:
    key = f"{_prefix(robot)}{message_id(job)}.{job.state}"
    try:
        runtime.ledger.write_note(key)
    except CloudError as error:
        logger.warning("notice_lost", extra={"job": job.id, "code": error.code})


def _prefix(robot: Robot) -> str:
    return f"{_MARKERS}{robot.name}/"


def _report_ends(robot: Robot, runtime: Runtime) -> None:
    markers = _markers(robot, runtime)
    if not markers or not runtime.has_time(TIMEOUT_S):
        return
    ends = [_parsed_end(listed.key) for listed in markers]
    post = message(robot, _text(ends, runtime), runtime.now())
    headers = {"content-type": "application/json; charset=utf-8", "user-agent": "aigc-functions"}
    reply = runtime.sender.send(
        post.url, headers, post.body, TIMEOUT_S, answer_bytes=LONGEST_ANSWER
    )
    error = reply.error or refusal_reason(reply.status, reply.answer)
    extra = {"host": urlsplit(post.url).hostname, "jobs": len(markers), "error": error}
    if not error:
        _remove(markers, runtime)
        logger.info("notice_sent", extra=extra)
        return
    logger.warning("notice_failed", extra=extra)
    oldest = runtime.now() - timedelta(seconds=GIVE_UP_S)
    expired = [listed for listed in markers if listed.modified < oldest]
    if expired:
        _remove(expired, runtime)
        logger.error("notice_given_up", extra={**extra, "jobs": len(expired)})


def _markers(robot: Robot, runtime: Runtime) -> list[Listed]:
    markers: list[Listed] = []
    for _ in range(PAGES):
        after = markers[-1].key if markers else ""
        page = runtime.ledger.bucket.list(_prefix(robot), after, PAGE)
        markers += page
        if len(page) < PAGE:
            break
    return markers


def _remove(markers: Sequence[Listed], runtime: Runtime) -> None:
    for begin in range(0, len(markers), PAGE):
        runtime.ledger.bucket.delete(*(listed.key for listed in markers[begin : begin + PAGE]))


def _parsed_end(key: str) -> JobEnd:
    end, _, state = key.rpartition("/")[2].rpartition(".")
    return JobEnd(end.removeprefix("msg_").partition("-")[0], state)


def _text(ends: Sequence[JobEnd], runtime: Runtime) -> str:
    """Count the ends by state, and describe as many jobs as fit into the text."""
    counts = Counter(end.state for end in ends)
    counted = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    # Robots can demand a word in each message; `aigc` is always there.
    text, described = f"[aigc] {_stack(runtime)}: {counted}", 0
    for end in sorted(ends, key=lambda end: STATES.index(end.state))[:SHOWN]:
        longer = f"{text}\n{_line(end, runtime)}"
        if len(longer.encode(errors="replace")) > LONGEST_TEXT - REST_BYTES:
            break
        text, described = longer, described + 1
    return text if described == len(ends) else f"{text}\n… {len(ends) - described} more"


def _stack(runtime: Runtime) -> str:
    """Name the stack by its ledger: `aigc-prod` of `aigc-prod-ledger-1250000000`."""
    return runtime.settings.ledger_bucket.rpartition("-ledger-")[0] or "aigc"


def _line(end: JobEnd, runtime: Runtime) -> str:
    """Describe a job by its state, kind, prompt, error and address."""
    address = _address(end.job_id, runtime)
    try:
        job = runtime.ledger.records.read(end.job_id)
        prompt = "" if job is None else runtime.task_of(job).prompt_text()
    except BadRecordError:  # another part of the sweep logs it
        job = None
    if job is None:
        return f"{end.state}: {address}"
    reason = ""
    if job.error and end.state == "failed":
        reason = f": {job.error.type} {job.error.code} {job.error.message}"
    short_prompt = _plain(prompt, LONGEST_PROMPT)
    return f'{end.state} {job.kind} "{short_prompt}"{_plain(reason, LONGEST_ERROR)} {address}'


def _address(job_id: str, runtime: Runtime) -> str:
    """Return the address of a job, in the console if it is on; the id if no URL is configured."""
    url = runtime.settings.public_url.rstrip("/")
    if not url:
        return job_id
    path = "console#/jobs?job=" if runtime.settings.console else "v1/jobs/"
    return f"{url}/{path}{job_id}"


def _plain(text: str, longest: int) -> str:
    """Shorten a caller's text to one line, without `<` and `>`, by which robots mention members."""
    single_line = _CONTROL.sub(" ", text).replace("<", "(").replace(">", ")")
    return single_line if len(single_line) <= longest else f"{single_line[: longest - 1]}…"
