"""Backfill: process on request what lies in the inbox and has no job.

It is the reconciliation without its dates: the same objects, entries and jobs. What was processed
has an entry, so a backfill that was interrupted continues where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigc.uploads.entries import Entries, EntryJob
from aigc.uploads.inbox_object import UnwantedError, read_object
from aigc.uploads.intake import process_upload
from aigc.uploads.rules import DeployedRules
from aigc.uploads.since import first_date
from aigc.uploads.statuses import statuses
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.inbox_object import InboxObject
    from aigc.uploads.intake import ProcessedUpload


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which objects of the inbox are processed."""

    prefix: str = ""
    rule: str = ""
    """Name of the rule that may match them; empty: any."""
    since: datetime | None = None
    """Earliest time at which they were written."""


@dataclass(slots=True)
class EarlierJobs:
    """Jobs of uploads that have no entry: an earlier version of this program made them."""

    by_key: Mapping[str, list[Job]] = field(default_factory=dict)

    @classmethod
    def read(cls, runtime: Runtime) -> EarlierJobs:
        """Read the jobs of uploads that are older than the first entry."""
        before = first_date(runtime.ledger.bucket)
        by_key: dict[str, list[Job]] = {}
        for job_id in _earlier_ids(before, runtime):
            job = runtime.ledger.records.read(job_id)
            if job is not None:
                by_key.setdefault(job.source.key, []).append(job)
        return cls(by_key)

    def of(self, listed: Listed) -> Job | None:
        """Return the job of the present content of an object; None if it is newer than all jobs."""
        jobs = self.by_key.get(listed.key, [])
        return next((job for job in jobs if job.created_at >= listed.modified), None)


def _earlier_ids(before: datetime | None, runtime: Runtime) -> Iterator[str]:
    after = ""
    while page := runtime.ledger.records.newest(after):
        for entry in page:
            if entry.source_type == "upload" and (before is None or entry.created_at < before):
                yield entry.job_id
        after = page[-1].key


def objects_without_jobs(scope: Scope, runtime: Runtime) -> Iterator[tuple[str, Listed]]:
    """Yield the objects of a scope that a rule may match and that have no job, with the rule."""
    rules = runtime.memory.of(DeployedRules).rules
    for status in statuses(rules, runtime, prefix=scope.prefix):
        listed = status.listed
        names = [rule.name for rule in rules.for_key(listed.key)]
        if status.outcome == "job" or not names or scope.rule not in {"", *names}:
            continue
        if scope.since is None or listed.modified >= scope.since:
            yield scope.rule or names[0], listed


def backfill(listed: Listed, earlier: EarlierJobs, runtime: Runtime) -> ProcessedUpload | None:
    """Process an object; None if it is missing or unreadable, or has a job of an earlier version.

    Raises:
        CloudError: Something could not be read or written; another backfill continues.
    """
    try:
        upload = read_object(listed.key, runtime)
    except UnwantedError:
        return None
    if upload is None:
        return None
    job = earlier.of(listed)
    if job is not None:
        _write_entry(upload, job, runtime)
        return None
    return process_upload(upload, runtime.memory.of(DeployedRules).rules, runtime)


def _write_entry(upload: InboxObject, job: Job, runtime: Runtime) -> None:
    """Write the entry of an object that an earlier version has processed."""
    jobs = (EntryJob(rule=job.source.name, id=job.id),)
    Entries(runtime.ledger.bucket).write(with_fields(upload.entry("job", runtime), jobs=jobs))
