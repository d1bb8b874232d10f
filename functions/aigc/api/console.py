"""The console: a page for browsers, and its assets. All is built with the zip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aigc.api.built import built_file
from aigc.api.errors import HttpError
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.settings import Settings

FOLDER = Path(__file__).with_name("console_files")
"""Contains `<name>.gz` for each file, and their headers in `headers.json`."""

PAGE = "index.html"

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data: {buckets}",
    "connect-src 'self' {buckets}",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)


def page(call: Call) -> HttpResponse:
    """Send the page; a path with a slash at its end would break the page's relative links.

    Raises:
        HttpError: The zip was built without the console.
    """
    if not FOLDER.exists():
        raise HttpError(404, "not_found", "this service was built without the console")
    if call.request.path.endswith("/"):
        url = f"{call.base_url}/console"
        return HttpResponse(status=302, body={"console": url}, headers={"Location": url})
    policy = content_security_policy(call.runtime.settings)
    page = built_file(FOLDER, PAGE, call.request)
    return page.with_headers({"Content-Security-Policy": policy})


def asset(call: Call) -> HttpResponse:
    """Send a script, a style sheet or an icon, whose name contains its hash."""
    return built_file(FOLDER, call.path["asset"], call.request)


def content_security_policy(settings: Settings) -> str:
    """Allow the page its own origin, and the buckets for images and for presigned uploads."""
    buckets = " ".join(dict.fromkeys(bucket_origins(settings)))
    return "; ".join(_POLICY).format(buckets=buckets)


def bucket_origins(settings: Settings) -> tuple[str, ...]:
    """Return the origins of the links into the results and the inbox bucket."""
    return (
        _origin(settings, settings.results_bucket, settings.results_url),
        _origin(settings, settings.inbox_bucket, settings.inbox_url),
    )


def _origin(settings: Settings, bucket: str, url: str) -> str:
    if not url:
        return f"{settings.protocol}://{bucket}.cos.{settings.region}.myqcloud.com"
    own_domain = urlsplit(url)
    return f"{own_domain.scheme}://{own_domain.netloc}"
