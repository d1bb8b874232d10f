"""What a caller may wish for when a request ends: that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.errors import InvalidRequestError
from aigc.tasks.fields import shown

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.settings import Settings

PARAMETER, FIELD = "fal_webhook", "webhook_url"
"""The query parameter of fal's clients, and our own field of the body."""


def webhook_url(call: Call, given: object) -> str:
    """Read where the end is to be told; empty where it is not to be.

    Raises:
        InvalidRequestError: It cannot be told there, or not at all.
    """
    asked = {PARAMETER: call.request.parameter(PARAMETER), FIELD: given or ""}
    names = [name for name, url in asked.items() if url]
    if not names:
        return ""
    if len(names) > 1 and asked[PARAMETER] != given:
        raise _refused(FIELD, f"names another URL than {PARAMETER}", "the same, or one of the two")
    return _checked(names[0], asked[names[0]], call.runtime.settings)


def _checked(name: str, url: object, settings: Settings) -> str:
    from aigc.destinations import checked_url  # noqa: PLC0415  few calls ask for a webhook

    if not isinstance(url, str):
        raise _refused(name, f"{shown(url)} is not allowed", "a URL")
    if not settings.webhook_secrets:
        why = "this service has no secret to sign webhooks with"
        raise _refused(name, why, "none, until webhookSecrets of its stack holds one")
    try:
        checked_url(url, plain_http=settings.webhook_http, networks=settings.webhook_networks)
    except ValueError as error:
        without_query = url.partition("?")[0]
        problem = f"{shown(without_query)} is not allowed"
        raise _refused(name, problem, f"it {error}") from None
    return url


def _refused(name: str, problem: str, allowed: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name}: {problem}; allowed: {allowed}", field=name, allowed=allowed
    )
