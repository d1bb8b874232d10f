"""What a caller may wish for when a request ends: that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.tasks.fields import refused, shown

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
        problem = f"names another URL than {PARAMETER}"
        raise refused(FIELD, problem, allowed="the same, or one of the two")
    return _checked(names[0], asked[names[0]], call.runtime.settings)


def _checked(name: str, url: object, settings: Settings) -> str:
    from aigc.destinations import checked_url  # noqa: PLC0415  few calls ask for a webhook

    if not isinstance(url, str):
        raise refused(name, f"{shown(url)} is not allowed", allowed="a URL")
    if not settings.webhook_secrets:
        why = "this service has no secret to sign webhooks with"
        raise refused(name, why, allowed="none, until webhookSecrets of its stack holds one")
    try:
        checked_url(url, plain_http=settings.webhook_http, networks=settings.webhook_networks)
    except ValueError as error:
        without_query = url.partition("?")[0]
        problem = f"{shown(without_query)} is not allowed"
        raise refused(name, problem, allowed=f"it {error}") from None
    return url
