"""Links to upload input images: for images that are too large for a body.

The client sends the image directly to COS. The link is valid for one name, type and size.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, WithJsonSchema, field_validator

from aigc.api.submit import json_body
from aigc.image_files import MAX_INPUT_BYTES
from aigc.jobs.buckets import INPUTS
from aigc.object_keys import LONGEST_NAME, checked_name
from aigc.tasks.fields import Parameters, explain, field_error, in_any_case, shown
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.jobs.runtime import Runtime

LINK_S = 15 * 60
"""How long a link may be used."""

_ContentType = Literal["image/jpeg", "image/png", "image/webp"]
_Request = TypeVar("_Request", bound="FalUploadRequest")


_FILE_NAME = WithJsonSchema(
    {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"^[^./\\][^/\\]*$"}
)


class FalUploadRequest(Parameters):
    """An image to upload as an input, as fal.ai's clients describe it: without its size."""

    file_name: Annotated[str, _FILE_NAME] = Field(min_length=1)
    """Name of the file, without a folder."""
    content_type: Annotated[_ContentType, in_any_case(_ContentType)]
    """Format of the image."""

    @field_validator("file_name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        try:
            return checked_name(name)
        except ValueError as error:
            raise field_error("", f"{shown(name)} is not allowed", allowed=f"it {error}") from None


class UploadRequest(FalUploadRequest):
    """An image to upload as an input."""

    size: int = Field(ge=1, le=MAX_INPUT_BYTES)
    """Size of the image in bytes; it must be exact."""


def upload(call: Call) -> HttpResponse:
    """Return a link to PUT an image to, and its URL as an input."""
    image = read_upload(UploadRequest, call)
    headers = {"Content-Type": image.content_type, "Content-Length": str(image.size)}
    upload_url, url = _links(image.file_name, headers, call.runtime)
    body: schemas.Upload = {
        "upload_url": upload_url,
        "method": "PUT",
        "headers": headers,
        "expires_at": (call.runtime.now() + timedelta(seconds=LINK_S)).isoformat(),
        "url": url,
    }
    return HttpResponse(status=200, body=body)


def fal_upload(call: Call) -> HttpResponse:
    """Return the same in the form of fal.ai's storage, for the `upload` of its clients.

    The link allows any size, since these clients do not send it here. A submit refuses an input
    that is too large.
    """
    image = read_upload(FalUploadRequest, call)
    headers = {"Content-Type": image.content_type}
    upload_url, url = _links(image.file_name, headers, call.runtime)
    body: schemas.FalUpload = {"upload_url": upload_url, "file_url": url}
    return HttpResponse(status=200, body=body)


def _links(file_name: str, headers: Mapping[str, str], runtime: Runtime) -> tuple[str, str]:
    """Make the link for the PUT of a new object, and the URL by which a task names the object."""
    key = f"{INPUTS}{secrets.token_hex(16)}/{file_name}"
    upload_url = runtime.buckets.results.presigned_upload(key, headers, LINK_S)
    return upload_url, runtime.results_url(key)


def read_upload(model: type[_Request], call: Call) -> _Request:
    """Read the body of a request for a link.

    Raises:
        InvalidRequestError: A field is wrong.
    """
    try:
        return model.model_validate(json_body(call.request))
    except ValidationError as error:
        raise explain(error) from None
