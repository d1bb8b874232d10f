"""The record of a pause. Few invocations read one, so that few import this module."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aigc.wire import Record, with_fields


class Query(Record):
    """A call that changes nothing, so that it can be repeated as a probe."""

    service: str
    version: str
    action: str
    params: dict[str, Any]


class Pause(Record):
    """Why the vendor refuses the calls of a lane: see `aigc.jobs.pauses`."""

    action: str
    """The action that was refused."""
    code: str
    """The vendor's error code."""
    message: str
    """The vendor's error message."""
    request_id: str
    """The vendor's request id of the last refusal."""
    since: datetime
    """When the first call was refused."""
    next_probe: datetime
    """When a call is tried again."""
    probes: int = 0
    """How often a call was tried again."""
    is_active: bool = False
    """Whether the lane pauses; otherwise an unclear code refused too few of its jobs."""
    jobs: tuple[str, ...] = ()
    """The jobs that an unclear code refused."""
    query: Query | None = None
    """The query that was refused; None if it was a submission."""

    def refused_again(self, later: Pause) -> Pause:
        """Replace the vendor's error by that of a later refusal."""
        return with_fields(
            self,
            action=later.action,
            code=later.code,
            message=later.message,
            request_id=later.request_id,
        )

    def with_job(self, job_id: str, next_probe: datetime, *, jobs_needed: int) -> Pause:
        """Add a refused job; the pause is active once it has `jobs_needed` different ones."""
        jobs = tuple(dict.fromkeys([*self.jobs, job_id]))
        is_active = len(jobs) >= jobs_needed
        return with_fields(self, jobs=jobs, is_active=is_active, next_probe=next_probe)

    def probed(self, next_probe: datetime) -> Pause:
        """Count a probe, and name the time of the next one."""
        return with_fields(self, probes=self.probes + 1, next_probe=next_probe)
