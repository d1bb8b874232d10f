"""`aigc replay`: what was given up is tried once more, because you say so."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from aigc.jobs.replay import replay
from aigc.jobs.webhooks import dead_webhooks, redeliver
from ops.deployment import add_options, deployment
from ops.jobs import dead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aigc.jobs.replay import Replay
    from aigc.jobs.runtime import Runtime

WEBHOOKS = {
    "owed": "is sent once more within a minute, by the sweep",
    "not_dead": "was not given up",
    "busy": "is being looked after; try again in a minute",
}
REFUSALS = {
    "not_failed": "has not failed",
    "callers_doing": "was refused for what it asks: the same task would be refused again",
    "busy": "is being looked after; try again in a minute",
}


def main(arguments: Sequence[str]) -> int:
    """Replay what is named, or all; 0 only if each of them is tried once more."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if bool(given.ids) == given.all:
        parser.error("which ones? allowed: request ids, or --all")
    runtime = deployment(given).runtime()
    if given.webhooks:
        return _redeliver(given.ids or _dead_webhooks(runtime), runtime)
    return _replay(given.ids or [job.id for job in dead(runtime.ledger)], runtime)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigc replay", description=__doc__)
    parser.add_argument(
        "--webhooks", action="store_true", help="webhooks that no receiver took, and not jobs"
    )
    parser.add_argument("ids", nargs="*", metavar="id", help="a request's id")
    parser.add_argument("--all", action="store_true", help="all that were given up")
    add_options(parser)
    return parser


def _replay(ids: Iterable[str], runtime: Runtime) -> int:
    """Queue jobs again; within a minute the sweep starts what their lanes have room for."""
    outcomes = {job_id: replay(job_id, runtime) for job_id in ids}
    for job_id, outcome in outcomes.items():
        print(f"job {job_id} {_told(outcome)}")
    if not outcomes:
        print("no job is dead")
    return 0 if all(one is not None and one.refusal is None for one in outcomes.values()) else 1


def _told(outcome: Replay | None) -> str:
    if outcome is None:
        return "is not there"
    if outcome.refusal is not None:
        return REFUSALS[outcome.refusal]
    queued = f"waits for its attempt {outcome.job.attempt.number}"
    paid = "; the last one may have been billed, and this one is billed too"
    return queued + (paid if outcome.may_be_billed else "")


def _redeliver(ids: Iterable[str], runtime: Runtime) -> int:
    outcomes = {}
    for job_id in ids:
        outcomes[job_id] = redeliver(job_id, runtime)
        print(f"the webhook of {job_id} {WEBHOOKS[outcomes[job_id]]}")
    if not outcomes:
        print("no webhook was given up")
    return 0 if set(outcomes.values()) <= {"owed"} else 1


def _dead_webhooks(runtime: Runtime) -> Iterator[str]:
    page = dead_webhooks(runtime)
    while page:
        yield from page
        page = dead_webhooks(runtime, after=page[-1])
