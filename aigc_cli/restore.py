"""`aigc jobs restore`: store the images of failed jobs that are paid for, without paying again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aigc.jobs.restore import restore
from aigc_cli import operate
from aigc_cli.deployment import StackOption
from aigc_cli.exits import FAILED
from aigc_cli.outcomes import Outcome, print_outcomes
from aigc_cli.output import JsonOption
from aigc_cli.service import EndpointOption, KeyOption, find_service

if TYPE_CHECKING:
    from aigc.jobs.restore import Restore
    from aigc.jobs.runtime import Runtime

REFUSALS = {
    "not_failed": "has not failed",
    "no_task": "has no known task at the vendor: there is nothing to restore",
    "not_succeeded": "has no images: its task at the vendor did not succeed",
    "not_kept": "has no images any more: the vendor has removed them",
    "busy": "is in use by another process; try again in a minute",
}


def main(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of requests.")],
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> int:
    """Store the images of failed jobs whose tasks succeeded; no task is sent, nothing is paid.

    VOD keeps the images for 7 days; those of MPS stay in the results bucket for 30 days. The status
    is 0 only if the images of each job are being stored. With --endpoint or --key the API restores
    them, for a key that may operate; without both the ledger is changed, with the owner's
    credentials.

    Example: aigc jobs restore 01a2232e5f79cdc4b807e1ac47272492 --stack prod
    """
    if endpoint or key:
        service = find_service(endpoint, key, stack)
        outcomes = [operate.restore(job_id, service) for job_id in ids]
    else:
        runtime = operate.owners_deployment(stack).runtime()
        outcomes = [_restore(job_id, runtime) for job_id in ids]
    print_outcomes(outcomes, "", as_json)
    return 0 if all(outcome.is_done for outcome in outcomes) else FAILED


def _restore(job_id: str, runtime: Runtime) -> Outcome:
    outcome = restore(job_id, runtime)
    is_done = outcome is not None and outcome.refusal is None
    return Outcome(job_id, is_done, f"job {job_id} {_outcome_text(outcome)}")


def _outcome_text(outcome: Restore | None) -> str:
    if outcome is None:
        return "does not exist"
    if outcome.refusal is not None:
        return REFUSALS[outcome.refusal]
    return "has images, which the sweep stores within a minute; nothing is paid"
