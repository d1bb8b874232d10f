"""`aigc jobs replay`: try dead jobs or undelivered webhooks once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aigc.jobs.replay import replay
from aigc.jobs.webhooks import dead_webhooks, redeliver
from aigc_cli import operate
from aigc_cli.dead import dead
from aigc_cli.deployment import BucketOption, RegionOption, StackOption
from aigc_cli.exits import FAILED
from aigc_cli.outcomes import Outcome, print_outcomes
from aigc_cli.output import JsonOption
from aigc_cli.service import EndpointOption, KeyOption, find_service

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aigc.jobs.replay import Replay
    from aigc.jobs.runtime import Runtime

WEBHOOKS = {
    "queued": "is sent again by the sweep within a minute",
    "not_dead": "was not given up",
    "busy": "is in use by another process; try again in a minute",
}
REFUSALS = {
    "not_failed": "has not failed",
    "permanent_error": "was refused because of its task: the same task would be refused again",
    "restorable": (
        "has images that are paid for: `aigc jobs restore` stores them for free, while the vendor"
        " keeps them; `aigc jobs replay --pay-again` pays for new ones"
    ),
    "busy": "is in use by another process; try again in a minute",
    "newer_attempt": "has a newer attempt",
}


def main(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The ids of requests.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All dead jobs, or all undelivered webhooks.")
    ] = False,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Replay undelivered webhooks instead of jobs.")
    ] = False,
    pays_again: Annotated[
        bool,
        typer.Option(
            "--pay-again", help="Also jobs whose images `aigc jobs restore` stores for free."
        ),
    ] = False,
    as_json: JsonOption = False,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
    bucket: BucketOption = None,
    region: RegionOption = None,
) -> int:
    """Try dead jobs, or webhooks that were not delivered, once more.

    The status is 0 only if each of them is tried again. With --endpoint or --key the API replays
    jobs, for a key that may operate; without both the ledger is changed, with the owner's
    credentials.

    Example: aigc jobs replay --all --stack prod
    """
    if bool(ids) == every:
        raise typer.BadParameter("no request is named; allowed: request ids, or --all")
    if (endpoint or key) and (every or webhooks):
        raise typer.BadParameter(
            "--all and --webhooks read the ledger, with the owner's credentials: give --stack, and"
            " neither --endpoint nor --key; with an API key that may operate, give the ids that"
            " `aigc jobs list --state failed` names"
        )
    if endpoint or key:
        service = find_service(endpoint, key, stack)
        outcomes = [operate.replay(job_id, service, pays_again=pays_again) for job_id in ids or ()]
    else:
        runtime = operate.owners_deployment(stack, bucket, region).runtime()
        if webhooks:
            outcomes = _redeliver(ids or _dead_webhooks(runtime), runtime)
        else:
            job_ids = ids or [job.id for job in dead(runtime.ledger)]
            outcomes = _replay(job_ids, runtime, pays_again=pays_again)
    print_outcomes(outcomes, "no webhook was given up" if webhooks else "no job is dead", as_json)
    return 0 if all(outcome.is_done for outcome in outcomes) else FAILED


def _replay(ids: Iterable[str], runtime: Runtime, *, pays_again: bool) -> list[Outcome]:
    """Queue jobs again; the sweep starts them when their lanes have free slots."""
    replays = {job_id: replay(job_id, runtime, pays_again=pays_again) for job_id in ids}
    return [
        Outcome(
            job_id,
            is_done=outcome is not None and outcome.refusal is None,
            text=f"job {job_id} {_outcome_text(outcome)}",
        )
        for job_id, outcome in replays.items()
    ]


def _outcome_text(outcome: Replay | None) -> str:
    if outcome is None:
        return "does not exist"
    if outcome.refusal is not None:
        return REFUSALS[outcome.refusal]
    text = f"waits for its attempt {outcome.job.attempt.number}"
    if outcome.may_be_billed:
        text += "; the last attempt may have been billed, and this one is billed, too"
    return text


def _redeliver(ids: Iterable[str], runtime: Runtime) -> list[Outcome]:
    answers = {job_id: redeliver(job_id, runtime) for job_id in ids}
    return [
        Outcome(
            job_id,
            is_done=answer == "queued",
            text=f"the webhook of {job_id} {WEBHOOKS[answer]}",
        )
        for job_id, answer in answers.items()
    ]


def _dead_webhooks(runtime: Runtime) -> Iterator[str]:
    page = dead_webhooks(runtime)
    while page:
        yield from page
        page = dead_webhooks(runtime, after=page[-1])
