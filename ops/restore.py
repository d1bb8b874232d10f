"""`aigc restore`: store the images of failed jobs that are paid for, without paying again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aigc.jobs.restore import restore
from ops.deployment import StackOption, deployment

if TYPE_CHECKING:
    from aigc.jobs.restore import Restore

REFUSALS = {
    "not_failed": "has not failed",
    "no_task": "has no task at the vendor that is known: there is nothing to restore",
    "not_succeeded": "has no images: its task at the vendor did not succeed",
    "not_kept": "has no images any more: the vendor has removed them",
    "busy": "is in use by another process; try again in a minute",
}

app = typer.Typer(add_completion=False)


@app.command()
def main(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of requests.")],
    stack: StackOption = None,
) -> int:
    """Store the images of failed jobs whose tasks succeeded; no task is sent, nothing is paid.

    The vendor keeps the images for a while: VOD for 7 days, MPS for 12 hours. The status is 0 only
    if the images of each job are being stored.

    Example: aigc restore 01a2232e5f79cdc4b807e1ac47272492 --stack prod
    """
    runtime = deployment(stack, None, None).runtime()
    outcomes = {job_id: restore(job_id, runtime) for job_id in ids}
    for job_id, outcome in outcomes.items():
        print(f"job {job_id} {_outcome_text(outcome)}")
    is_restored = [outcome and outcome.refusal is None for outcome in outcomes.values()]
    return 0 if all(is_restored) else 1


def _outcome_text(outcome: Restore | None) -> str:
    if outcome is None:
        return "is not there"
    if outcome.refusal is not None:
        return REFUSALS[outcome.refusal]
    return "has images, which the sweep stores within a minute; nothing is paid"
