"""Refreshes the report of a batch until all of its jobs have ended.

Jobs of one kind start in the order of their lines. So a refresh does not read the records of lines
that follow a run of waiting jobs: they wait, too. The time between two refreshes grows with the
age of the batch, so that the number of reports stays small: about 20 in the first hour and 60 in
a day.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from aigc.errors import AigcError, BadRecordError
from aigc.jobs.set_aside import set_aside
from aigc.uploads.batches import report, sheet
from aigc.uploads.batches.records import Batches, Image, Part, name_of
from aigc.wire import with_fields

if TYPE_CHECKING:
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.batches.records import Batch, LineOutcome

logger = logging.getLogger("aigc.batches")

AT_ONCE = 16
"""Records that are read at the same time."""

WAITING_RUN = 32
"""After this number of waiting jobs of a kind in a row, the following jobs are not read."""

FIRST_WAIT = 4
"""Shortest time between two refreshes, as a multiple of `retry_base_s`: a minute."""

GROWTH = 8
"""The time between two refreshes is the age of the batch, divided by this."""


def refresh(batch: Batch, runtime: Runtime) -> Batch:
    """Read the outcomes of the lines of a batch and write its report, if that is due.

    Returns the batch as it was last written. If there is no time for all parts, the next call
    continues.

    Raises:
        CloudError: Something could not be read or written.
    """
    now = runtime.now()
    if batch.is_complete or (batch.due_at is not None and now < batch.due_at):
        return batch
    outcomes = _Outcomes(batch, runtime)
    try:
        if not outcomes.read():
            return batch
    except PartMissingError as error:
        logger.warning("batch_read_again", extra={"batch": batch.id, "reason": str(error)})
        batch = batch.rewound()
        Batches(runtime.ledger).write(batch)
        return batch
    is_complete = batch.is_read and not outcomes.open_lines
    batch = with_fields(
        batch,
        states=dict(outcomes.states),
        due_at=_next_refresh(batch, now, runtime),
        is_complete=is_complete,
    )
    outcomes.write_report(batch)
    Batches(runtime.ledger).write(batch)
    if is_complete:
        logger.info("batch_complete", extra={"batch": batch.id, "key": batch.key, **batch.states})
    return batch


class PartMissingError(AigcError):
    """A part lacks lines that were processed: another reader replaced it."""


def _next_refresh(batch: Batch, now: datetime, runtime: Runtime) -> datetime:
    shortest = timedelta(seconds=FIRST_WAIT * runtime.settings.retry_base_s)
    return now + max(shortest, (now - batch.created_at) / GROWTH)


class _Outcomes:
    """The outcomes of all lines of a batch."""

    def __init__(self, batch: Batch, runtime: Runtime) -> None:
        self._batch = batch
        self._runtime = runtime
        self._batches = Batches(runtime.ledger)
        self._waiting: Counter[str] = Counter()
        self._report = report.Report(runtime.settings.results_prefix)
        self._sheet = sheet.Sheet(batch.folder)
        self.states: Counter[str] = Counter()
        self.open_lines = 0

    def read(self) -> bool:
        """Read all parts and the jobs that may have changed; return False if there is no time."""
        for number in range(self._batch.parts):
            if not self._runtime.may_start():
                return False
            for outcome in self._updated_part(number).lines:
                self.states[outcome.state] += 1
                self.open_lines += not outcome.has_ended
                self._report.add(outcome)
                self._sheet.add(outcome)
        return True

    def write_report(self, batch: Batch) -> None:
        """Write the report and the contact sheet beside the results."""
        results, page = self._runtime.buckets.results, self._sheet.body(batch, name_of(batch.key))
        results.put(batch.report_key, self._report.body(batch), "application/jsonl")
        results.put(batch.sheet_key, page, "text/html; charset=utf-8")

    def _updated_part(self, number: int) -> Part:
        part = self._batches.part(self._batch, number)
        if len(part.lines) < self._batch.lines_of_part(number):
            raise PartMissingError(f"part {number} has {len(part.lines)} lines")
        lines, changed = list(part.lines), False
        open_at = [at for at, outcome in enumerate(lines) if not outcome.has_ended]
        for begin in range(0, len(open_at), AT_ONCE):
            group = [at for at in open_at[begin : begin + AT_ONCE] if self._may_change(lines[at])]
            reads = [functools.partial(self._present, lines[at]) for at in group]
            outcomes = self._runtime.parallel(*reads) if reads else []
            for at, outcome in zip(group, outcomes, strict=True):
                is_waiting = outcome.state == "queued"
                self._waiting[outcome.kind] = self._waiting[outcome.kind] + 1 if is_waiting else 0
                changed = changed or outcome != lines[at]
                lines[at] = outcome
        part = Part(lines=tuple(lines))
        if changed:
            self._batches.write_part(self._batch, number, part)
        return part

    def _may_change(self, outcome: LineOutcome) -> bool:
        return self._waiting[outcome.kind] < WAITING_RUN

    def _present(self, outcome: LineOutcome) -> LineOutcome:
        """Return the outcome of a line by its job; unchanged if the record cannot be read."""
        try:
            return _outcome(outcome, self._runtime.ledger.records.read(outcome.job))
        except BadRecordError as error:
            set_aside(error, self._runtime)
            return outcome


def _outcome(outcome: LineOutcome, job: Job | None) -> LineOutcome:
    if job is None:
        error = "its record is missing"
        return with_fields(outcome, state="failed", error=error, error_type="record_missing")
    if not job.has_ended:
        return with_fields(outcome, state=job.state)
    location = job.output_location
    return with_fields(
        outcome,
        state=job.state,
        images=tuple(
            Image(key=image.key, width=image.width, height=image.height) for image in job.images
        ),
        description=f"{location.prefix}{location.name}.json" if job.images else "",
        error=job.error.message if job.error else "",
        error_type=job.error.type if job.error else "",
    )
