"""`aigc jobs`: the jobs of a deployment.

All commands use its API, but `dead`: that one reads the ledger with the owner's credentials.
"""

from __future__ import annotations

import json
import sys
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from aigc.errors import BadRecordError
from ops import options
from ops.deployment import BucketOption, RegionOption, StackOption, deployment
from ops.exits import FAILED
from ops.follow import follow, save_images
from ops.service import EndpointOption, JsonOption, KeyOption, Service, find_service
from ops.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger

PAID = "may be billed"
NOT_PAID = "not billed"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List jobs, show, follow and cancel one, and list those that are dead."
    "\n\nExample: aigc jobs list --state failed",
)


IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The job's id, which is the id of its request.")
]


class State(str, Enum):
    """A state of a job that a list may be limited to."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    kind: Annotated[
        str | None, typer.Option(parser=options.kind, metavar="KIND", help="Only this kind.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only jobs of calls or uploads: call:<key>, upload:<rule>.")
    ] = None,
    limit: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="At most this many jobs.")
    ] = 20,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """List the newest jobs.

    Example: aigc jobs list --state failed --limit 50
    """
    service = find_service(endpoint, key, stack)
    filters = {"state": state.value if state else None, "kind": kind, "source": source}
    jobs = list(islice(_listed(service, filters), limit))
    if as_json:
        print(json.dumps(jobs, ensure_ascii=False, indent=2))
        return
    head = ("ID", "KIND", "STATE", "CREATED", "FROM", "WHAT")
    print_table([head, *map(_row, jobs)])


@app.command()
def show(
    job_id: IdArgument,
    as_json: JsonOption = True,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Show all details of one job as JSON, without secrets.

    Example: aigc jobs show 01a2232e5f79cdc4b807e1ac47272492
    """
    del as_json  # it is always JSON; the option is accepted as everywhere
    job = find_service(endpoint, key, stack).get(f"/v1/jobs/{job_id}")
    print(json.dumps(job, ensure_ascii=False, indent=2))


@app.command("follow")
def follow_job(
    job_id: IdArgument,
    save: Annotated[
        Path | None,
        typer.Option(parser=options.folder, metavar="DIR", help="Save the images here."),
    ] = None,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> int:
    """Wait until a job has ended; the status is 1 if it did not succeed.

    Example: aigc jobs follow 01a2232e5f79cdc4b807e1ac47272492 --save pictures
    """
    service = find_service(endpoint, key, stack)
    job = follow(service, job_id, Console(stderr=True))
    if save is not None:
        save_images(job, save)
    if as_json:
        print(json.dumps(job, ensure_ascii=False, indent=2))
    return 0 if job["state"] == "succeeded" else FAILED


@app.command()
def cancel(
    job_id: IdArgument,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Cancel a job that waits, or whose task the vendor can still abort.

    Example: aigc jobs cancel 01a2232e5f79cdc4b807e1ac47272492
    """
    service = find_service(endpoint, key, stack)
    job = service.get(f"/v1/jobs/{job_id}")
    answer = service.put(job["cancel_url"])
    print(json.dumps(answer) if as_json else f"{job_id}: {answer['status']}")


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


def _listed(service: Service, filters: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    """Read all pages of the list."""
    cursor = None
    while True:
        page = service.get("/v1/jobs", limit=100, cursor=cursor, **filters)
        yield from page["jobs"]
        cursor = page["cursor"]
        if cursor is None:
            return


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    error, source = job["error"], job["source"]
    what = f"{error['type']}: {error['message']}" if error else job["prompt"]
    created = job["created_at"][:19].replace("T", " ")
    name = f"{source['type']}:{source['name']}"
    return job["request_id"], job["kind"], job["state"], created, name, what[:100]


def _cells(job: Job) -> tuple[str, str, str]:
    why = f"{job.error.type}: {job.error.message}" if job.error else ""
    source = f"{job.source.type}:{job.source.name}"
    return f"{job.created_at:%Y-%m-%d %H:%M:%S}", source, why[:100]
