"""Replay and restore: through the API for keys that may operate, or with the owner's credentials.

An error of one way names the other.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aigc.errors import AigcError
from aigc_cli.deployment import DeploymentError, deployment
from aigc_cli.exits import NOT_FOUND
from aigc_cli.outcomes import Outcome
from aigc_cli.service import CallError, job_path

if TYPE_CHECKING:
    from aigc_cli.deployment import Deployment
    from aigc_cli.service import Service

BY_KEY = (
    "without the owner's credentials, with an API key of `aigc keys new --operate`:"
    " `aigc jobs list --state failed` names the jobs, and `aigc jobs replay ID --endpoint URL` and"
    " `aigc jobs restore ID --endpoint URL` take their ids"
)
"""What a key that may operate can do instead of a command that reads the ledger."""


class MayNotOperateError(AigcError):
    """The API key may not replay or restore jobs."""

    exit_status = NOT_FOUND


def owners_deployment(
    stack: str | None, bucket: str | None = None, region: str | None = None
) -> Deployment:
    """Return the deployment that the options of an owner's command name.

    Raises:
        DeploymentError: The deployment or the account's key is missing; the message says what an
            API key can do instead.
    """
    try:
        return deployment(stack, bucket, region)
    except DeploymentError as error:
        raise DeploymentError(f"{error}; {BY_KEY}") from None


def replay(job_id: str, service: Service, *, pays_again: bool) -> Outcome:
    """Replay a job through the API; a repeated call makes no further attempt.

    Raises:
        CallError: The key is not valid.
        MayNotOperateError: The key may not operate.
        UnreachableError: The deployment does not answer.
    """
    try:
        attempts = service.get(job_path(job_id))["attempts"]
        body = {"attempt": attempts[-1]["number"] if attempts else 1, "pay_again": pays_again}
        answer = service.post(f"{job_path(job_id)}/replay", body)
    except CallError as error:
        return _refused(job_id, error)
    return _accepted(answer, f"is {answer['state']}, attempt {answer['attempt']}")


def restore(job_id: str, service: Service) -> Outcome:
    """Restore a job through the API; see `replay` for the errors."""
    try:
        answer = service.post(f"{job_path(job_id)}/restore", {})
    except CallError as error:
        return _refused(job_id, error)
    return _accepted(answer, "has images, which the sweep stores within a minute")


def _accepted(answer: dict[str, Any], text: str) -> Outcome:
    return Outcome(answer["request_id"], is_done=True, text=f"job {answer['request_id']} {text}")


def _refused(job_id: str, error: CallError) -> Outcome:
    if error.status == HTTPStatus.UNAUTHORIZED:
        raise error  # all other jobs would be refused, too
    if error.status == HTTPStatus.FORBIDDEN:
        raise MayNotOperateError(
            f"{error}; with the owner's credentials: the same command without --endpoint and --key,"
            " with --stack NAME"
        ) from None
    return Outcome(job_id, is_done=False, text=f"job {job_id}: {error}")
