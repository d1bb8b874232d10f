"""`aigc jobs`: what a deployment's ledger says of its jobs, and which of them are dead."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from typing import TYPE_CHECKING

from aigc.errors import AigcError
from aigc.jobs.ledger import PAGE
from ops import options
from ops.deployment import add_options, deployment
from ops.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aigc.jobs.job import Job
    from aigc.jobs.ledger import Ledger

PAID = "may be billed"
NOT_PAID = "not billed"


class NoJobError(AigcError):
    """There is no job with this id."""


def main(arguments: Sequence[str]) -> int:
    """List jobs, show one, or list the dead.

    Raises:
        NoJobError: The job that was asked for is not there.
        DeploymentError: The deployment cannot be reached.
        CloudError: COS refused, or did not answer.
    """
    given = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace, Ledger], None]] = {
        "list": _list,
        "show": _show,
        "dead": _dead,
    }
    commands[given.command](given, deployment(given).runtime().ledger)
    return 0


def newest(ledger: Ledger) -> Iterator[Job]:
    """Read all jobs, the newest first."""
    after = ""
    while page := ledger.newest(after, PAGE):
        for entry in page:
            job = ledger.read(entry.job_id)
            if job is not None:  # else its caller is about to write it, or died before
                yield job
        after = page[-1].key


def dead(ledger: Ledger) -> Iterator[Job]:
    """Read the jobs that failed through no fault of their callers."""
    after = ""
    while page := ledger.dead_jobs(after):
        for job_id in page:
            job = ledger.read(job_id)
            if job is not None and job.state == "failed":
                yield job
        after = page[-1]


def may_be_billed(job: Job) -> bool:
    """Whether an attempt of a job may have been billed although it failed."""
    return any(attempt.may_be_billed for attempt in job.attempts)


def _list(given: argparse.Namespace, ledger: Ledger) -> None:
    wanted = (job for job in newest(ledger) if given.state in {None, job.state})
    rows = [("ID", "KIND", "STATE", "CREATED", "FROM", "WHY")]
    rows += [(job.id, job.kind, job.state, *_told(job)) for job in islice(wanted, given.limit)]
    print_table(rows)


def _show(given: argparse.Namespace, ledger: Ledger) -> None:
    job = ledger.read(given.id)
    if job is None:
        raise NoJobError(f"there is no job {given.id}; `aigc jobs list` names those there are")
    # A webhook's address may hold a secret, and so may the links to inputs.
    shown = job.model_dump(mode="json", exclude_none=True, exclude={"webhook_url", "task"})
    print(json.dumps(shown, ensure_ascii=False, indent=2))


def _dead(_given: argparse.Namespace, ledger: Ledger) -> None:
    rows = [("ID", "KIND", "CREATED", "FROM", "WHY", "LAST TASK")]
    rows += [
        (job.id, job.kind, *_told(job), PAID if may_be_billed(job) else NOT_PAID)
        for job in dead(ledger)
    ]
    print_table(rows)
    if len(rows) > 1:
        print("`aigc replay <id>` runs one again, `aigc replay --all` all of them", file=sys.stderr)


def _told(job: Job) -> tuple[str, str, str]:
    why = f"{job.error.type}: {job.error.message}" if job.error else ""
    source = f"{job.source.type}:{job.source.name}"
    return f"{job.created_at:%Y-%m-%d %H:%M:%S}", source, why[:100]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigc jobs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the newest jobs")
    listing.add_argument(
        "--state", choices=("queued", "running", "succeeded", "failed", "cancelled")
    )
    listing.add_argument("--limit", type=options.count, default=20, help="how many (20)")
    show = commands.add_parser("show", help="one job's record, without its inputs")
    show.add_argument("id")
    dying = commands.add_parser("dead", help="jobs that failed through no fault of their callers")
    for command in (listing, show, dying):
        add_options(command)
    return parser
