"""Uploads: a place for a picture that is too large for a body, and for callers without a bucket.

The picture goes straight to COS, under a link that is good for just this name, type and size.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, WithJsonSchema, field_validator

from aigc.api.submit import json_body
from aigc.jobs.runtime import INPUTS
from aigc.pictures import MAX_INPUT_BYTES
from aigc.places import LONGEST, checked_name
from aigc.tasks.fields import Parameters, explain, fault, shown, spelled
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from aigc.api.call import Call
    from aigc.api.openapi import schemas

LINK_S = 15 * 60
"""How long a link may be used."""

_ContentType = Literal["image/jpeg", "image/png", "image/webp"]


_FILE_NAME = WithJsonSchema(
    {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[^./\\][^/\\]*$"}
)


class UploadRequest(Parameters):
    """An image to upload as an input."""

    file_name: Annotated[str, _FILE_NAME] = Field(min_length=1)
    """Name of the file, without a folder."""
    content_type: Annotated[_ContentType, spelled(_ContentType)]
    """Format of the image."""
    size: int = Field(ge=1, le=MAX_INPUT_BYTES)
    """Size of the image in bytes; it must be exact."""

    @field_validator("file_name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        try:
            return checked_name(name)
        except ValueError as error:
            raise fault("", f"{shown(name)} is not allowed", allowed=f"it {error}") from None


def upload(call: Call) -> HttpResponse:
    """Hand out a link to PUT a picture to, and its name as an input."""
    runtime = call.runtime
    wanted = _wanted(json_body(call.request))
    key = f"{INPUTS}{secrets.token_hex(16)}/{wanted.file_name}"
    headers = {"Content-Type": wanted.content_type, "Content-Length": str(wanted.size)}
    body: schemas.Upload = {
        "upload_url": runtime.results.presigned_upload(key, headers, LINK_S),
        "method": "PUT",
        "headers": headers,
        "expires_at": (runtime.now() + timedelta(seconds=LINK_S)).isoformat(),
        "url": f"cos://{runtime.settings.results_bucket}/{key}",
    }
    return HttpResponse(status=200, body=body)


def _wanted(body: dict[str, Any]) -> UploadRequest:
    try:
        return UploadRequest.model_validate(body)
    except ValidationError as error:
        raise explain(error) from None
