"""Questions to the cloud, and what a failed call proves.

A call that was denied, throttled or lost proves neither that something exists nor that it is
missing. It gives the finding `not_checked`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from aigc.errors import AigcError, CloudError
from aigc_cli.account import RefusalError
from aigc_cli.doctor.finding import Finding, not_checked

if TYPE_CHECKING:
    from aigc_cli.account import Account, Answer

MISSING = ("ResourceNotFound", "InvalidParameter.RoleNotExist", "NoSuchBucket")
# COS's answer 403 to a HEAD request has no code.
DENIED = ("UnauthorizedOperation", "AuthFailure.UnauthorizedOperation", "AccessDenied", "403")
THROTTLED = ("RequestLimitExceeded", "SlowDown", "429")
BAD_KEY = (
    *("AuthFailure", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"),
    *("InvalidToken", "RequestTimeTooSkewed", "InvalidCredential"),
)
# `Client` and `Server` begin the codes that the SDK gives to a lost connection.
NO_ANSWER = ("InternalError", "InternalFailure", "Client", "Server", "Service", "5")
"""Beginnings of error codes, and of COS's statuses where there is no code."""

_REASONS = (
    (
        DENIED,
        "This was not checked: the key of TENCENTCLOUD_SECRET_ID may not ask for it.",
        "Grant the key's user this action, and run this again.",
    ),
    (
        THROTTLED,
        "This was not checked: the cloud refused the call because there were too many.",
        "Run this again in a minute.",
    ),
    (
        BAD_KEY,
        "This was not checked: the cloud does not accept the key of TENCENTCLOUD_SECRET_ID.",
        "Look at `credentials` and `clock`.",
    ),
    (
        MISSING,
        "This was not checked: what the question is about does not exist.",
        "Look at the other findings: they name what is missing.",
    ),
)
"""Beginnings of codes, what they mean, and what to do; the first that fits."""


def exists(account: Account, service: str, action: str, **params: Any) -> bool:
    """Whether something exists, by an action that reads it.

    Raises:
        RefusalError: The answer shows neither.
    """
    try:
        account.api(service, action, **params)
    except RefusalError as error:
        if error.code.startswith(MISSING):
            return False
        raise
    return True


def bucket_exists(account: Account, bucket: str) -> bool:
    """Whether a bucket exists.

    Raises:
        RefusalError: The answer shows neither.
    """
    return ask_cos(account, "HEAD", bucket).status == HTTPStatus.OK


def bucket_setting(account: Account, bucket: str, setting: str) -> bytes | None:
    """Return the document of a bucket's setting, like `cors`; None if the bucket has none.

    Raises:
        RefusalError: There is no such bucket, or the answer does not show the setting.
    """
    answer = ask_cos(account, "GET", bucket, {setting: ""})
    return answer.body if answer.status == HTTPStatus.OK else None


def ask_cos(
    account: Account, method: str, bucket: str, params: dict[str, str] | None = None
) -> Answer:
    """Send a request whose answer is 2xx, or 404 for what the bucket does not have.

    The answer to HEAD is also 404 if there is no such bucket.

    Raises:
        RefusalError: There is no such bucket, COS refuses the request, or it does not answer.
    """
    action = f"{method} {bucket}" + (f"?{next(iter(params))}" if params else "")
    try:
        answer = account.cos(method, bucket, params=params)
    except requests.RequestException as error:
        raise RefusalError(action, "ClientNetworkError", type(error).__name__) from error
    is_missing = answer.status == HTTPStatus.NOT_FOUND and answer.code != "NoSuchBucket"
    if answer.status < HTTPStatus.MULTIPLE_CHOICES or is_missing:
        return answer
    code = answer.code or str(answer.status)
    raise RefusalError(action, code, request_id=answer.headers.get("x-cos-request-id", ""))


def is_undecided(error: RefusalError) -> bool:
    """Whether an error says nothing about what was asked for."""
    return error.code.startswith((*DENIED, *THROTTLED, *BAD_KEY, *NO_ANSWER))


def not_answered(question: str, error: Exception) -> Finding:
    """Return the finding that a question has no answer, with the reason."""
    code = error.code if isinstance(error, (RefusalError, CloudError)) else ""
    means, remedy = next(
        ((means, remedy) for codes, means, remedy in _REASONS if code.startswith(codes)),
        ("This was not checked: there was no clear answer.", "Run this again in a minute."),
    )
    text = str(error) if isinstance(error, AigcError) else f"{type(error).__name__}: {error}"
    return not_checked(f"{question}: {text}" if question else text, means, remedy)
