"""Pauses: whether calls of a lane are refused, one object for each lane."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from aigc.jobs.ports import ObjectStore

logger = logging.getLogger(__name__)


class Query(Record):
    """A call that only asks, so that it can be repeated as a probe."""

    service: str
    version: str
    action: str
    params: dict[str, Any]


class Pause(Record):
    """What refuses the calls of a lane: see `aigc.jobs.pauses`."""

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
        """Take over the vendor's words of a later refusal."""
        return with_fields(
            self,
            action=later.action,
            code=later.code,
            message=later.message,
            request_id=later.request_id,
        )

    def of_job(self, job_id: str, next_probe: datetime, *, jobs_needed: int) -> Pause:
        """Count a job that was refused; the lane pauses if that many different ones were."""
        jobs = tuple(dict.fromkeys([*self.jobs, job_id]))
        is_active = len(jobs) >= jobs_needed
        return with_fields(self, jobs=jobs, is_active=is_active, next_probe=next_probe)

    def probed(self, next_probe: datetime) -> Pause:
        """Count a probe, and name the time of the next one."""
        return with_fields(self, probes=self.probes + 1, next_probe=next_probe)


class Pauses:
    """The pauses of all lanes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, lane: str) -> Pause | None:
        """Read a lane's pause; None if it has none, or if no version wrote it that this one knows.

        A pause is only caution, so that one that cannot be read does not stop the lane.
        """
        body = self._store.get(pause_key(lane))
        if body is None:
            return None
        try:
            return Pause.model_validate_json(body)
        except ValidationError:
            logger.warning("pause_unreadable", extra={"lane": lane})
            return None

    def write(self, lane: str, pause: Pause) -> None:
        """Write a lane's pause over the one before; without an answer it may be written later."""
        self._store.put(pause_key(lane), pause.model_dump_json().encode())

    def remove(self, lane: str) -> None:
        """Remove a lane's pause."""
        self._store.delete(pause_key(lane))


def pause_key(lane: str) -> str:
    """Name the object of a lane's pause; a listing of the lane shows it before slots and queue."""
    return f"lanes/{lane}/pause"
