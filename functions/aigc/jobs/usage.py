"""Usage: each end of a job is counted once, by an object whose key contains all figures.

`usage/<day>/<job>-<revision>~<kind>~<model>~<version>~<call|upload>~<name>~<state>~<images>~<cost>`,
with the day of the end; the cost is empty if it is unknown. A listing of a day is enough to read
it. Job and revision come first: one end may be written twice, with two costs because prices changed
in between, and then the two keys are neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import quote, unquote

from aigc.jobs.job import Source

if TYPE_CHECKING:
    from aigc.jobs.job import ErrorType, Job
    from aigc.jobs.runtime import Runtime

PREFIX = "usage/"

MAYBE_BILLED: frozenset[ErrorType] = frozenset({"submission_unknown", "result_unusable"})
"""Errors of jobs whose task the vendor may have billed."""

_LONGEST_NAME = 30
"""Characters of a model or version: callers choose them, and a key has 850 bytes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEntry:
    """One end of a job, with the figures that are counted."""

    day: str
    end: str
    """Job and revision: an end is counted once."""
    kind: str
    model: str
    version: str
    source: Source
    state: str
    images: int
    cost: Decimal | None

    @classmethod
    def of(cls, key: str) -> UsageEntry:
        """Parse the key of an object."""
        _, day, entry = key.split("/", 2)
        end, kind, model, version, source_type, name, state, images, cost = (
            unquote(part) for part in entry.split("~")
        )
        source = Source(type=cast("Literal['call', 'upload']", source_type), name=name)
        return cls(
            day=day,
            end=end,
            kind=kind,
            model=model,
            version=version,
            source=source,
            state=state,
            images=int(images),
            cost=Decimal(cost) if cost else None,
        )

    @property
    def key(self) -> str:
        """The key of the object."""
        parts = (
            self.end,
            self.kind,
            self.model[:_LONGEST_NAME],
            self.version[:_LONGEST_NAME],
            self.source.type,
            self.source.name,
            self.state,
            str(self.images),
            "" if self.cost is None else f"{self.cost:f}",
        )
        return f"{PREFIX}{self.day}/{'~'.join(_quoted(part) for part in parts)}"


def tally(job: Job, runtime: Runtime) -> None:
    """Count a job that is over; a repeat counts nothing more."""
    from aigc.prices import model_of  # noqa: PLC0415  only the sweep counts

    model, version = model_of(runtime.task_of(job))
    entry = UsageEntry(
        day=f"{job.updated_at:%Y-%m-%d}",
        end=f"{job.id}-{job.revision:06d}",
        kind=job.kind,
        model=model,
        version=version,
        source=job.source,
        state=job.state,
        images=len(job.images) if job.state == "succeeded" else 0,
        cost=_cost(job, runtime),
    )
    runtime.ledger.write_note(entry.key)


def _cost(job: Job, runtime: Runtime) -> Decimal | None:
    """Estimate the cost of a job; 0 for a failed task, None if the bill or the price is unknown."""
    if job.error is not None and job.error.type in MAYBE_BILLED:
        return None
    if not job.images:
        return Decimal(0)
    return runtime.prices().estimate(job.kind, runtime.task_of(job), len(job.images))


def _quoted(part: str) -> str:
    return quote(part, safe="").replace("~", "%7E")  # `quote` leaves it unchanged
