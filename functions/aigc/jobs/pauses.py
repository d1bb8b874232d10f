"""Pauses: a lane does not start jobs while the account is refused.

Arrears, a missing permission or expired credentials concern all tasks of a lane. No job fails
because of them: its call was not carried out, so it waits at its place in the queue, in the same
attempt and under the same session. The lane pauses, which one object says: `lanes/<lane>/pause`.
It is read and written without a claim, since no cost depends on it:

- An invocation whose listing is late does not know the pause yet and submits one more job; its
  call is refused too.
- Several invocations may write the pause at the same time: the last write stays, and all of them
  say the same.
- A write that takes effect after the pause was removed pauses the lane again, until the next
  probe.

**Probes.** When `next_probe` has passed, a pump submits one waiting job. Before the call it writes
the time of the next probe: 1, 2, 4, 8 and from then on 15 minutes later. Two pumps may both probe:
each submits another job, which is refused or accepted. The first task that the vendor accepts ends
the pause.

**Refused queries** pause the lane as well: the results of new tasks could not be collected. The
probe is the same query, made by the sweep.

**Unclear codes.** An unclear code may concern one task or all of them. The object then names the
jobs that were refused by it since the vendor last accepted a task of the lane. If they are
`SUSPICIOUS_JOBS` or more, the account counts as refused. Until then the lane starts jobs.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import AccountError, CloudError, RefusedError
from aigc.tasks.kind import ApiCall

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.lanes import LaneView
    from aigc.jobs.ledger.pause import Pause
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

SUSPICIOUS_JOBS = 3
"""Different jobs in a row that are refused by an unclear code before the account is at fault."""

FIRST_PROBE = 4
"""The wait before the first probe, in `retryBase` (a minute); each later wait is twice as long."""

LONGEST_WAIT = 60
"""The longest wait between two probes, in `retryBase` (a quarter of an hour)."""


class KnownPauses:
    """The pauses that an instance has read or written; a late listing may not show them yet."""

    def __init__(self) -> None:
        self.by_lane: dict[str, Pause] = {}

    def note(self, lane: str, pause: Pause | None) -> None:
        """Remember the pause of a lane that was read or written; None if there is none."""
        if pause is None:
            self.by_lane.pop(lane, None)
        else:
            self.by_lane[lane] = pause


def pause_of(view: LaneView, runtime: Runtime) -> Pause | None:
    """Read the pause of a lane, active or suspected; None if it has none.

    A request is made only if the listing shows it, or if this instance knows it.
    """
    known = runtime.memory.of(KnownPauses)
    is_refused = view.is_refused or view.lane in known.by_lane
    pause = runtime.ledger.pauses.read(view.lane) if is_refused else None
    known.note(view.lane, pause)
    return pause


def known_pause(job: Job, runtime: Runtime) -> Pause | None:
    """Return the pause that stops a job, if this instance knows it."""
    pause = runtime.memory.of(KnownPauses).by_lane.get(job.lane)
    if pause is None or not pause.is_active:
        return None
    is_stopped = job.state == "queued" or (job.state == "running" and pause.query is not None)
    return pause if is_stopped else None


def read_pause(job: Job, runtime: Runtime) -> Pause | None:
    """Read the pause that stops a job; None if there is none. Makes one request.

    Raises:
        CloudError: It could not be read.
    """
    runtime.memory.of(KnownPauses).note(job.lane, runtime.ledger.pauses.read(job.lane))
    return known_pause(job, runtime)


def is_probe_due(pause: Pause, runtime: Runtime) -> bool:
    """Whether the next call may be tried."""
    return pause.next_probe <= runtime.now()


def blocks(pause: Pause | None, runtime: Runtime) -> bool:
    """Whether no job may be started now, not even as a probe."""
    if pause is None or not pause.is_active:
        return False
    return pause.query is not None or not is_probe_due(pause, runtime)


def is_probe(pause: Pause | None) -> bool:
    """Whether a job that is started now is a probe."""
    return pause is not None and pause.is_active


def begin_probe(lane: str, pause: Pause | None, runtime: Runtime) -> None:
    """Write the time of the next probe, if a call that is made now is a probe.

    An error is logged: another invocation may then make the same probe.
    """
    if pause is None or not pause.is_active:
        return
    next_probe = runtime.now() + _wait(pause.probes + 1, runtime)
    _write(lane, pause.probed(next_probe), runtime)


def note_refused_job(
    job: Job, error: CloudError, action: str, runtime: Runtime
) -> tuple[Pause, bool]:
    """Note that the vendor refused a job's call; return the pause, and whether it began now."""
    current = _read(job.lane, runtime)
    if current is not None and current.is_active and current.query is not None:
        return current, False
    pause = _pause(error, action, runtime)
    if current is not None and (current.is_active or current.code == error.code):
        pause = current.refused_again(pause)
    if begins := not pause.is_active:
        jobs_needed = 1 if isinstance(error, AccountError) else SUSPICIOUS_JOBS
        next_probe = runtime.now() + _wait(0, runtime)
        pause = pause.with_job(job.id, next_probe, jobs_needed=jobs_needed)
    _write(job.lane, pause, runtime)
    _log(job.lane, pause)
    return pause, begins


def note_refused_query(lane: str, error: AccountError, call: ApiCall, runtime: Runtime) -> None:
    """Note that the vendor refused a query about the tasks of a lane."""
    current = _read(lane, runtime)
    if current is not None and current.is_active:
        runtime.memory.of(KnownPauses).note(lane, current)
        return
    pause = _pause(error, call.action, runtime, query=call)
    _write(lane, pause, runtime)
    _log(lane, pause)


def end_query_pause(job: Job, runtime: Runtime) -> None:
    """End the pause of a job's lane that a refused query began, if this instance knows it."""
    pause = runtime.memory.of(KnownPauses).by_lane.get(job.lane)
    if pause is not None and pause.query is not None:
        resume(job.lane, runtime)


def probe_query(view: LaneView, runtime: Runtime) -> None:
    """Repeat the refused query of a lane if it is due; any other answer ends the pause."""
    pause = pause_of(view, runtime)
    if pause is None or pause.query is None or not is_probe_due(pause, runtime):
        return
    begin_probe(view.lane, pause, runtime)
    try:
        runtime.upstream.call(ApiCall(**pause.query.model_dump()))
    except RefusedError:
        pass  # this task is refused, the account is not
    except AccountError:
        _log(view.lane, pause)
        return
    except CloudError as error:
        logger.warning("probe_failed", extra={"lane": view.lane, "code": error.code})
        return
    resume(view.lane, runtime)


def resume(lane: str, runtime: Runtime) -> None:
    """End the pause of a lane, active or suspected; after an error the next probe ends it."""
    runtime.memory.of(KnownPauses).note(lane, None)
    try:
        runtime.ledger.pauses.remove(lane)
    except CloudError as error:
        logger.warning("lane_not_resumed", extra={"lane": lane, "code": error.code})
    else:
        logger.info("lane_resumed", extra={"lane": lane})


def _pause(
    error: CloudError, action: str, runtime: Runtime, *, query: ApiCall | None = None
) -> Pause:
    from aigc.jobs.ledger.pause import Pause, Query  # noqa: PLC0415  few invocations need it

    return Pause(
        action=action,
        code=error.code,
        message=error.vendor_message,
        request_id=error.request_id,
        since=runtime.now(),
        next_probe=runtime.now() + _wait(0, runtime),
        is_active=query is not None,
        query=query and Query(**query._asdict()),
    )


def _wait(probes: int, runtime: Runtime) -> timedelta:
    steps = min(FIRST_PROBE * 2 ** min(probes, 10), LONGEST_WAIT)
    return timedelta(seconds=runtime.settings.retry_base_s * steps)


def _read(lane: str, runtime: Runtime) -> Pause | None:
    """Read a pause; None after an error: the caller must still queue its job again."""
    try:
        return runtime.ledger.pauses.read(lane)
    except CloudError as error:
        logger.warning("pause_not_read", extra={"lane": lane, "code": error.code})
        return None


def _write(lane: str, pause: Pause, runtime: Runtime) -> None:
    runtime.memory.of(KnownPauses).note(lane, pause)
    try:
        runtime.ledger.pauses.write(lane, pause)
    except CloudError as error:
        logger.warning("pause_not_written", extra={"lane": lane, "code": error.code})


def _log(lane: str, pause: Pause) -> None:
    fields = {
        "lane": lane,
        "action": pause.action,
        "code": pause.code,
        "vendor_request": pause.request_id,
        "since": pause.since.isoformat(),
    }
    if pause.is_active:
        logger.error("lane_paused", extra=fields)
    else:
        logger.warning("call_refused_unclearly", extra=fields)
