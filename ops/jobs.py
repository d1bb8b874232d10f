"""`aigc jobs`: the jobs in a deployment's ledger, and which of them are dead."""

from __future__ import annotations

import json
import sys
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.errors import AigcError, BadRecordError
from aigc.jobs.ports import PAGE
from ops import options
from ops.deployment import BucketOption, RegionOption, StackOption, deployment
from ops.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger

PAID = "may be billed"
NOT_PAID = "not billed"


class NoJobError(AigcError):
    """There is no job with this id."""


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List jobs, show one, and list those that are dead.\n\nExample: aigc jobs dead",
)


class State(str, Enum):
    """A state of a job that a list may be limited to."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def newest(ledger: Ledger) -> Iterator[Job]:
    """Read all jobs, the newest first."""
    after = ""
    while page := ledger.records.newest(after, PAGE):
        for entry in page:
            job = _read(entry.job_id, ledger)
            if job is not None:
                yield job
        after = page[-1].key


def dead(ledger: Ledger) -> Iterator[Job]:
    """Read the jobs that failed through no fault of their callers."""
    after = ""
    while page := ledger.records.dead_jobs(after):
        for job_id in page:
            job = _read(job_id, ledger)
            if job is not None and job.state == "failed":
                yield job
        after = page[-1]


def _read(job_id: str, ledger: Ledger) -> Job | None:
    """Read a record; None if it is not written yet, never will be, or cannot be read."""
    try:
        return ledger.records.read(job_id)
    except BadRecordError as error:
        print(error, file=sys.stderr)
        return None


def may_be_billed(job: Job) -> bool:
    """Whether an attempt of a job may have been billed although it failed."""
    return any(attempt.may_be_billed for attempt in job.attempts)


@app.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="At most this many jobs.")
    ] = 20,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """List the newest jobs.

    Example: aigc jobs list --state failed --limit 50
    """
    ledger = deployment(stack, bucket, region).runtime().ledger
    wanted = (job for job in newest(ledger) if state is None or job.state == state.value)
    rows = [("ID", "KIND", "STATE", "CREATED", "FROM", "WHY")]
    rows += [(job.id, job.kind, job.state, *_cells(job)) for job in islice(wanted, limit)]
    print_table(rows)


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id, its request id.")],
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """Show the record of one job, without its inputs.

    Example: aigc jobs show 01a2232e5f79cdc4b807e1ac47272492
    """
    ledger = deployment(stack, bucket, region).runtime().ledger
    job = ledger.records.read(job_id)
    if job is None:
        raise NoJobError(f"there is no job {job_id}; `aigc jobs list` names those there are")
    # A webhook's URL may contain a secret, and so may the URLs of inputs.
    shown = job.model_dump(mode="json", exclude_none=True, exclude={"webhook_url", "task"})
    print(json.dumps(shown, ensure_ascii=False, indent=2))


@app.command("dead")
def list_dead(
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """List the jobs that failed through no fault of their callers.

    Example: aigc jobs dead --stack prod
    """
    ledger = deployment(stack, bucket, region).runtime().ledger
    rows = [("ID", "KIND", "CREATED", "FROM", "WHY", "LAST TASK")]
    rows += [
        (job.id, job.kind, *_cells(job), PAID if may_be_billed(job) else NOT_PAID)
        for job in dead(ledger)
    ]
    print_table(rows)
    for job_id in ledger.records.jobs_set_aside():
        print(f"the record of job {job_id} could not be read by a function", file=sys.stderr)
    if len(rows) > 1:
        print(
            "`aigc restore <id>` stores images that are paid for; `aigc replay <id>` runs a job"
            " again, `aigc replay --all` all of them",
            file=sys.stderr,
        )


def _cells(job: Job) -> tuple[str, str, str]:
    why = f"{job.error.type}: {job.error.message}" if job.error else ""
    source = f"{job.source.type}:{job.source.name}"
    return f"{job.created_at:%Y-%m-%d %H:%M:%S}", source, why[:100]
