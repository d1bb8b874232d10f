"""`aigc uploads`: what became of each object of the inbox, and another job of one of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.errors import AigcError
from aigc.uploads.accounts import Outcome, account_of, accounts, jobs_of
from aigc.uploads.deployed import as_deployed
from aigc.uploads.intake import read_object, take_in_again
from aigc.uploads.rules import DeployedRules
from ops import options
from ops.deployment import BucketOption, RegionOption, StackOption, deployment
from ops.output import JsonOption, print_json, print_table, print_text

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.accounts import Account

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show what became of uploads, and make another job of one."
    "\n\nExample: aigc uploads show photos/cat.jpg",
)

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The object's key, like photos/cat.jpg.")
]


class NoUploadError(AigcError):
    """There is no such object in the inbox."""


@app.command("list")
def list_uploads(
    prefix: Annotated[str, typer.Option(help="Only objects whose key begins like this.")] = "",
    outcome: Annotated[Outcome | None, typer.Option(help="Only objects with this outcome.")] = None,
    limit: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="At most this many objects.")
    ] = 50,
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """List the objects of the inbox with their jobs, or the reasons why they have none.

    Example: aigc uploads list --outcome none
    """
    runtime = as_deployed(deployment(stack, bucket, region).runtime())
    rules = runtime.memory.of(DeployedRules).rules
    matching = (
        account
        for account in accounts(rules, runtime, prefix=prefix)
        if outcome in {None, account.outcome}
    )
    described = [_describe(account, runtime) for account in islice(matching, limit)]
    if as_json:
        print_json(described)
        return
    rows = [("KEY", "UPLOADED", "OUTCOME", "JOBS OR REASON")]
    rows += [(each["key"], each["uploaded_at"], each["outcome"], _why(each)) for each in described]
    print_table(rows)


@app.command()
def show(
    key: KeyArgument,
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """Show what became of one object.

    Example: aigc uploads show photos/cat.jpg
    """
    runtime = as_deployed(deployment(stack, bucket, region).runtime())
    account = account_of(key, runtime.memory.of(DeployedRules).rules, runtime)
    if account is None:
        raise NoUploadError(f"there is no {key} in the inbox; `aigc uploads list` names what is")
    described = _describe(account, runtime)
    if as_json:
        print_json(described)
        return
    print_table([("FIELD", "VALUE"), *((name, _text(value)) for name, value in described.items())])


@app.command()
def redo(
    key: KeyArgument,
    as_json: JsonOption = False,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> None:
    """Make another job of an object, which is billed again; the sweep starts it.

    Example: aigc uploads redo photos/cat.jpg
    """
    runtime = as_deployed(deployment(stack, bucket, region).runtime())
    read = read_object(key, runtime)
    if read is None:
        raise NoUploadError(f"there is no {key} in the inbox; `aigc uploads list` names what is")
    entries = take_in_again(read, runtime.memory.of(DeployedRules).rules, runtime)
    if as_json:
        jobs = [job.model_dump() for entry in entries for job in entry.jobs]
        print_json({"key": key, "jobs": jobs, "batches": [e.batch for e in entries if e.batch]})
        return
    for entry in entries:
        if entry.batch:
            print(f"{key} became the batch {entry.batch}; the sweep reads its lines")
        for job in entry.jobs:
            print_text(f"{key} became the job {job.id} by the rule {job.rule}")


def _describe(account: Account, runtime: Runtime) -> dict[str, Any]:
    entries = account.entries(runtime)
    reason, detail = account.explain(entries)
    return {
        "key": account.listed.key,
        "size": account.listed.size,
        "etag": account.listed.etag,
        "uploaded_at": f"{account.listed.modified:%Y-%m-%d %H:%M:%S}",
        "outcome": account.outcome,
        "reason": reason,
        "detail": detail,
        "jobs": [job.model_dump() for job in jobs_of(entries)],
    }


def _why(described: dict[str, Any]) -> str:
    if described["outcome"] == "pending":
        return "waits for its event or for the sweep"
    jobs = ", ".join(f"{job['id']} ({job['rule']})" for job in described["jobs"])
    return jobs or ": ".join(filter(None, (described["reason"], described["detail"])))


def _text(value: Any) -> str:  # noqa: ANN401  a value of JSON
    if isinstance(value, list):
        return ", ".join(f"{job['id']} ({job['rule']})" for job in value)
    return "" if value is None else str(value)
