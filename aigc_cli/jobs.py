"""`aigc jobs`: the jobs of a deployment.

Most commands use its API; `dead`, `replay` and `restore` use the ledger, with the owner's
credentials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from aigc.errors import AigcError
from aigc.jobs.job import State
from aigc_cli import dead, options, replay, restore
from aigc_cli.deployment import StackOption
from aigc_cli.exits import FAILED
from aigc_cli.follow import ENDED, follow, save_images
from aigc_cli.output import JsonOption, print_json, print_table
from aigc_cli.service import EndpointOption, KeyOption, find_service, job_path

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, show, follow and cancel jobs; find dead ones, replay and restore them."
    "\n\nExample: aigc jobs list --state failed",
)


IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The job's id, which is the id of its request.")
]


LONGEST_TEXT = 140
"""Highest number of characters of a prompt or an error in a list."""


class HasEndedError(AigcError):
    """A job that has ended cannot be cancelled."""


@app.command("list")
def list_jobs(
    state: Annotated[
        State | None,
        typer.Option(
            metavar="STATE", help=f"Only jobs in this state: {', '.join(get_args(State))}."
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(parser=options.kind, metavar="KIND", help="Only this kind.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Only jobs of calls or uploads: call:<key>, upload:<rule>."
        ),
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
    filters = {"state": state, "kind": kind, "source": source}
    jobs = service.entries("/v1/jobs", "jobs", limit, **filters)
    if as_json:
        print_json(jobs)
        return
    head = ("ID", "KIND", "STATE", "CREATED", "FROM", "WHAT")
    print_table([head, *map(_row, jobs)], below=2)


@app.command()
def show(
    job_id: IdArgument,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Show all details of one job as JSON, without secrets.

    Example: aigc jobs show 01a2232e5f79cdc4b807e1ac47272492
    """
    del as_json  # the output is always JSON
    job = find_service(endpoint, key, stack).get(job_path(job_id))
    print_json(job)


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

    Example: aigc jobs follow 01a2232e5f79cdc4b807e1ac47272492 --save images
    """
    service = find_service(endpoint, key, stack)
    job = follow(service, job_id)
    if save is not None:
        save_images(job, save)
    if as_json:
        print_json(job)
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
    job = service.get(job_path(job_id))
    if job["state"] in ENDED:
        raise HasEndedError(f"{job_id} has ended ({job['state']}): there is nothing to cancel")
    answer = service.put(job["cancel_url"])
    if as_json:
        print_json(answer)
    else:
        print(f"{job_id}: {answer['status']}")


app.command("dead")(dead.main)
app.command("replay")(replay.main)
app.command("restore")(restore.main)


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    error, source = job["error"], job["source"]
    text = f"{error['type']}: {error['message']}" if error else job["prompt"]
    created = job["created_at"][:16].replace("T", " ")
    name = f"{source['type']}:{source['name']}"
    return job["request_id"], job["kind"], job["state"], created, name, text[:LONGEST_TEXT]
