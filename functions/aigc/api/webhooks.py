"""Reads the URL of the completion webhook that a call requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.tasks.fields import invalid_request, shown

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.settings import Settings

PARAMETER, FIELD = "fal_webhook", "webhook_url"
"""The query parameter of fal.ai's clients, and the field of the body."""


def webhook_url(call: Call, raw_url: object) -> str:
    """Return the URL of the completion webhook; empty if the call requests none.

    Raises:
        InvalidRequestError: The URL is not allowed, or the service sends no webhooks.
    """
    body_url = "" if raw_url is None else raw_url
    requested = {PARAMETER: call.request.parameter(PARAMETER), FIELD: body_url}
    names = [name for name, url in requested.items() if url != ""]
    if not names:
        return ""
    if len(names) > 1 and requested[PARAMETER] != raw_url:
        problem = f"names another URL than {PARAMETER}"
        raise invalid_request(FIELD, problem, allowed="the same, or one of the two")
    return _checked(names[0], requested[names[0]], call.runtime.settings)


def _checked(name: str, url: object, settings: Settings) -> str:
    from aigc.destinations import checked_url  # noqa: PLC0415  few calls ask for a webhook

    if not isinstance(url, str):
        raise invalid_request(name, f"{shown(url)} is not allowed", allowed="a URL")
    if not settings.webhook_secrets:
        problem = "is not possible: this service has no secret to sign webhooks with"
        allowed = "no webhook, until webhookSecrets of its stack has a secret"
        raise invalid_request(name, problem, allowed=allowed)
    try:
        checked_url(url, plain_http=settings.webhook_http, networks=settings.webhook_networks)
    except ValueError as error:
        without_query = url.partition("?")[0]
        problem = f"{shown(without_query)} is not allowed"
        raise invalid_request(name, problem, allowed=f"it {error}") from None
    return url
