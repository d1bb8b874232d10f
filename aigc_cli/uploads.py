"""`aigc uploads`: shows the outcome of each object of the inbox, and makes another job of one.

`list` and `show` use the API; `redo` uses the ledger, with the owner's credentials.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aigc.errors import AigcError
from aigc.uploads.deployed import as_deployed
from aigc.uploads.inbox_object import read_object
from aigc.uploads.intake import process_again
from aigc.uploads.rules import DeployedRules
from aigc.uploads.statuses import Outcome
from aigc_cli import options
from aigc_cli.deployment import StackOption, deployment
from aigc_cli.output import JsonOption, print_json, print_table, print_text
from aigc_cli.service import EndpointOption, KeyOption, find_service

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show the outcomes of uploads, and make another job of one."
    "\n\nExample: aigc uploads show photos/cat.jpg",
)

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The object's key, like photos/cat.jpg.")
]


class NoUploadError(AigcError):
    """There is no such object in the inbox."""


@app.command("list")
def list_uploads(
    prefix: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="Only objects whose key begins like this."),
    ] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only objects with this outcome.")] = None,
    limit: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="At most this many objects.")
    ] = 50,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """List the objects of the inbox with their jobs, or the reasons why they have none.

    Example: aigc uploads list --outcome none
    """
    service = find_service(endpoint, key, stack)
    filters = {"prefix": prefix, "outcome": outcome}
    uploads = service.entries("/v1/uploads", "uploads", limit, **filters)
    if as_json:
        print_json(uploads)
        return
    print_table([("KEY", "UPLOADED", "OUTCOME", "JOBS OR REASON"), *map(_row, uploads)], below=1)


@app.command()
def show(
    object_key: KeyArgument,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Show the outcome of one object.

    Example: aigc uploads show photos/cat.jpg
    """
    page = find_service(endpoint, key, stack).get("/v1/uploads", object_key=object_key)
    if not page["uploads"]:
        raise NoUploadError(_missing(object_key))
    [upload] = page["uploads"]
    if as_json:
        print_json(upload)
        return
    fields = {**upload, "jobs": _jobs(upload)}
    print_table([("FIELD", "VALUE"), *((name, str(text or "")) for name, text in fields.items())])


@app.command()
def redo(
    key: KeyArgument,
    as_json: JsonOption = False,
    stack: StackOption = None,
) -> None:
    """Make another job of an object, which is billed again; the sweep starts it.

    Example: aigc uploads redo photos/cat.jpg
    """
    runtime = as_deployed(deployment(stack, None, None).runtime())
    upload = read_object(key, runtime)
    if upload is None:
        raise NoUploadError(_missing(key))
    entries = process_again(upload, runtime.memory.of(DeployedRules).rules, runtime)
    if as_json:
        jobs = [job.model_dump() for entry in entries for job in entry.jobs]
        print_json(
            {"key": key, "jobs": jobs, "batches": [entry.batch for entry in entries if entry.batch]}
        )
        return
    for entry in entries:
        if entry.batch:
            print(f"{key} became the batch {entry.batch}; the sweep reads its lines")
        for job in entry.jobs:
            print_text(f"{key} became the job {job.id} by the rule {job.rule}")


def _row(upload: dict[str, Any]) -> tuple[str, ...]:
    uploaded = upload["uploaded_at"][:16].replace("T", " ")
    reason = ": ".join(filter(None, (upload["reason"], upload["detail"])))
    if upload["outcome"] == "pending":
        reason = "waits for its event or for the sweep"
    return upload["key"], uploaded, upload["outcome"], _jobs(upload) or reason


def _jobs(upload: dict[str, Any]) -> str:
    return ", ".join(
        f"{job['request_id']} {job['state'] or 'without a record'} ({job['rule']})"
        for job in upload["jobs"]
    )


def _missing(key: str) -> str:
    return f"there is no {key} in the inbox; `aigc uploads list` shows its objects"
