"""Pauses: a lane does not start jobs while the account is refused.

Arrears, a missing permission or expired credentials concern all tasks of a lane. No job fails for
them: its call was not carried out, so it waits in its place of the queue, in the same attempt and
under the same session. The lane pauses, which one object says: `lanes/<lane>/pause`. It is read
and written as one key, and nothing about money rests on it:

- An invocation that does not see the pause yet, since its listing is late, submits one more job;
  its call is refused too.
- Several invocations may write the pause at the same time: the last one stays, and all say the
  same.
- A write that takes effect after the pause was removed pauses the lane again, until the next
  probe.

**Probes.** When `next_probe` has passed, a pump submits one waiting job. Before the call it writes
the time of the next probe: 1, 2, 4, 8 and then each 15 minutes after the one before. Two pumps may
both probe: each submits a job of its own, which is refused or accepted. The first task that the
vendor accepts ends the pause.

**Refused queries** pause the lane as well: what it sent now could not be collected. Their probe is
the same query, made by the sweep.

**Unclear codes.** A code that does not say what is at fault may concern one task or all of them.
The object then names the jobs that it refused since the vendor last accepted a task of the lane.
`SUSPICIOUS_JOBS` different ones make it a fault of the account. Until then the lane goes on.
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
"""Different jobs in a row that an unclear code refuses before it counts as the account's."""

FIRST_PROBE = 4
"""The first probe comes after so many `retryBase` (a minute); each wait doubles."""

LONGEST_WAIT = 60
"""The longest wait between two probes, in `retryBase` (a quarter of an hour)."""


class KnownPauses:
    """What an instance saw of pauses: to report them, and since a listing may be late."""

    def __init__(self) -> None:
        self.by_lane: dict[str, Pause] = {}

    def note(self, lane: str, pause: Pause | None) -> None:
        """Remember what was read or written."""
        if pause is None:
            self.by_lane.pop(lane, None)
        else:
            self.by_lane[lane] = pause


def pause_of(view: LaneView, runtime: Runtime) -> Pause | None:
    """Read the pause of a lane, or what it is suspected of.

    It is read if the listing shows it, or if this instance knows it: a listing may be late.
    """
    known = runtime.memory.of(KnownPauses)
    is_refused = view.is_refused or view.lane in known.by_lane
    pause = runtime.ledger.pauses.read(view.lane) if is_refused else None
    known.note(view.lane, pause)
    return pause


def known_pause(job: Job, runtime: Runtime) -> Pause | None:
    """Return the pause that keeps a job from going on, as far as this instance knows it."""
    pause = runtime.memory.of(KnownPauses).by_lane.get(job.lane)
    is_kept = job.state == "queued" or (
        job.state == "running" and pause is not None and pause.query is not None
    )
    return pause if pause is not None and pause.is_active and is_kept else None


def read_pause(job: Job, runtime: Runtime) -> Pause | None:
    """Read the pause that keeps a job from going on; one request.

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
    """Write when the next probe comes, if a job that is started now is one.

    An error is logged: another invocation then makes the same probe.
    """
    if pause is None or not pause.is_active:
        return
    next_probe = runtime.now() + _wait(pause.probes + 1, runtime)
    _write(lane, pause.probed(next_probe), runtime)


def refuse_job(job: Job, error: CloudError, action: str, runtime: Runtime) -> tuple[Pause, bool]:
    """Note that the vendor refused a job's call; return the pause, and whether it began now."""
    known = _read(job.lane, runtime)
    if known is not None and known.is_active and known.query is not None:
        return known, False
    pause = _pause(error, action, runtime)
    if known is not None and (known.is_active or known.code == error.code):
        pause = known.refused_again(pause)
    if begins := not pause.is_active:
        jobs_needed = 1 if isinstance(error, AccountError) else SUSPICIOUS_JOBS
        next_probe = runtime.now() + _wait(0, runtime)
        pause = pause.of_job(job.id, next_probe, jobs_needed=jobs_needed)
    _write(job.lane, pause, runtime)
    _log(job.lane, pause)
    return pause, begins


def refuse_query(lane: str, error: AccountError, call: ApiCall, runtime: Runtime) -> None:
    """Note that the vendor refused a query about the tasks of a lane."""
    known = _read(lane, runtime)
    if known is not None and known.is_active:
        runtime.memory.of(KnownPauses).note(lane, known)
        return
    pause = _pause(error, call.action, runtime, query=call)
    _write(lane, pause, runtime)
    _log(lane, pause)


def query_answered(job: Job, runtime: Runtime) -> None:
    """End the pause of a lane whose query this instance saw refused before."""
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
        pass  # of this task; the account is not refused any more
    except AccountError:
        _log(view.lane, pause)
        return
    except CloudError as error:
        logger.warning("probe_failed", extra={"lane": view.lane, "code": error.code})
        return
    resume(view.lane, runtime)


def resume(lane: str, runtime: Runtime) -> None:
    """End the pause of a lane, or the suspicion; an error is logged: the next probe ends it."""
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
    """Read a pause; None after an error: the caller must still bring its job back to the queue."""
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
