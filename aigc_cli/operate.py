"""Replay and restore through the API of a deployment, for keys that may operate."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aigc_cli.outcomes import Outcome
from aigc_cli.service import CallError, job_path

if TYPE_CHECKING:
    from aigc_cli.service import Service


def replay(job_id: str, service: Service, *, pays_again: bool) -> Outcome:
    """Replay a job through the API; a repeated call makes no further attempt.

    Raises:
        CallError: The key is not allowed to replay.
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
    if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise error  # all other jobs would be refused, too
    return Outcome(job_id, is_done=False, text=f"job {job_id}: {error}")
