"""`aigc jobs dead`: the jobs that failed through no fault of their callers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aigc.errors import BadRecordError
from aigc_cli.deployment import BucketOption, RegionOption, StackOption
from aigc_cli.operate import owners_deployment
from aigc_cli.output import JsonOption, print_json, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger

PAID = "may be billed"
NOT_PAID = "not billed"


def main(
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """List the jobs that failed through no fault of their callers.

    It reads the ledger, with the owner's credentials.

    Example: aigc jobs dead --stack prod
    """
    ledger = owners_deployment(stack, bucket, region).runtime().ledger
    jobs = [_describe(job) for job in dead(ledger)]
    if as_json:
        print_json(jobs)
    else:
        head = ("ID", "KIND", "CREATED", "LAST TASK", "FROM", "WHY")
        print_table([head, *map(_row, jobs)], below=2)
    for job_id in ledger.records.jobs_set_aside():
        print(f"the record of job {job_id} could not be read by a function", file=sys.stderr)
    if jobs:
        print_text(
            "`aigc jobs restore ID` stores images that are paid for; `aigc jobs replay ID` runs a"
            " job again, `aigc jobs replay --all` all of them",
            stderr=True,
        )


def dead(ledger: Ledger) -> Iterator[Job]:
    """Yield the dead jobs of a ledger."""
    after = ""
    while page := ledger.records.dead_jobs(after):
        for job_id in page:
            job = _read(job_id, ledger)
            if job is not None and job.state == "failed":
                yield job
        after = page[-1]


def _read(job_id: str, ledger: Ledger) -> Job | None:
    """Return a job; None if its record does not exist or cannot be read."""
    try:
        return ledger.records.read(job_id)
    except BadRecordError as error:
        print(error, file=sys.stderr)
        return None


def may_be_billed(job: Job) -> bool:
    """Whether an attempt of a job may have been billed although it failed."""
    return any(attempt.may_be_billed for attempt in job.attempts)


def _describe(job: Job) -> dict[str, Any]:
    return {
        "request_id": job.id,
        "kind": job.kind,
        "created_at": f"{job.created_at:%Y-%m-%d %H:%M:%S}",
        "source": f"{job.source.type}:{job.source.name}",
        "error": f"{job.error.type}: {job.error.message}" if job.error else "",
        "may_be_billed": may_be_billed(job),
    }


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    job_id, kind, created, source, error, is_billed = job.values()
    return job_id, kind, created[:16], PAID if is_billed else NOT_PAID, source, error[:140]
