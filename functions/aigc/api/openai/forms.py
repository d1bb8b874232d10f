"""Forms: the multipart bodies that OpenAI's SDKs send with an edit.

It is not documented whether a Function URL passes binary bodies unchanged. A body that was decoded
as text has another length, and its images are valid UTF-8, which no real image is. In both cases
the call is refused before anything is paid. A body that arrives in Base64 is decoded.
"""

from __future__ import annotations

import base64
import binascii
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

from aigc.api.errors import HttpError
from aigc.api.submit import MAX_BODY
from aigc.errors import BadImageError
from aigc.image_files import inspect
from aigc.tasks.fields import invalid_request

if TYPE_CHECKING:
    from email.message import Message

    from aigc.triggers.http import HttpRequest


def is_form(request: HttpRequest) -> bool:
    """Whether the body is a multipart form."""
    return request.header("content-type").lower().startswith("multipart/form-data")


def form_fields(request: HttpRequest) -> dict[str, Any]:
    """Read a form: texts, images in Base64, `a[b]` as an object and `a[]` as a list.

    Raises:
        HttpError: The body is too large or was damaged on its way.
        InvalidRequestError: A file is not an image.
    """
    fields: dict[str, Any] = {}
    for part in _parts(request):
        name = str(part.get_param("name", "", header="content-disposition"))
        _add(fields, name, _value(name, part))
    return fields


def _parts(request: HttpRequest) -> list[Message]:
    head = f"Content-Type: {request.header('content-type')}\r\n\r\n".encode()
    boundary = BytesParser(policy=HTTP).parsebytes(head, headersonly=True).get_boundary("")
    body = _undamaged(request, f"--{boundary}".encode())
    parts = BytesParser(policy=HTTP).parsebytes(head + body).get_payload()
    if not isinstance(parts, list):
        raise _damaged("it has no parts")
    return [part for part in parts if not isinstance(part, str)]


def _undamaged(request: HttpRequest, delimiter: bytes) -> bytes:
    if len(request.body) > MAX_BODY:
        detail = (
            f"the body has {len(request.body)} bytes, at most {MAX_BODY} are accepted; {_ADVICE}"
        )
        raise HttpError(413, "body_too_large", detail)
    body = request.body if request.body.startswith(delimiter) else _from_base64(request.body)
    length = request.header("content-length").strip()
    if delimiter == b"--" or not body.startswith(delimiter):
        raise _damaged("it does not begin with its boundary")
    if length.isdecimal() and int(length) not in {len(body), len(request.body)}:
        raise _damaged(f"it has {len(body)} bytes, and {length} were sent")
    if not body.rstrip().endswith(delimiter + b"--"):
        raise _damaged("it does not end with its boundary")
    return body


def _from_base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return body


def _value(name: str, part: Message) -> str:
    data = part.get_payload(decode=True)
    content = data if isinstance(data, bytes) else b""
    if part.get_filename() is None:
        return _text(name, content)
    if _was_text(content):
        raise _damaged(f"{name} was decoded as text")
    try:
        inspect(content)
    except BadImageError as error:
        raise invalid_request(name, str(error), allowed="a JPEG, PNG or WebP") from None
    return base64.b64encode(content).decode()


def _was_text(content: bytes) -> bool:
    """Whether bytes are valid UTF-8 with characters beyond ASCII, which no image is."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return not content.isascii()


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise invalid_request(name, "is not text in UTF-8", allowed="text in UTF-8") from None


def _add(fields: dict[str, Any], name: str, value: str) -> None:
    """Add a value under a name such as `image[]` or `output_config[resolution]`.

    Raises:
        InvalidRequestError: The name occurs twice and is not that of a list.
    """
    outer, *inner = name.replace("]", "").split("[")
    if inner and not (inner[0] == "" or inner[0].isdecimal()):
        nested = fields.setdefault(outer, {})
        if not isinstance(nested, dict):
            raise invalid_request(
                name[:60], f"{outer} is also sent as a text", allowed="one of the two"
            )
        _add(nested, "[".join(inner), value)
    elif inner or outer == "image":
        fields.setdefault(outer, []).append(value)
    elif outer in fields:
        raise invalid_request(
            name[:60], "occurs twice", allowed="each field once, or its name with []"
        )
    else:
        fields[outer] = value


_ADVICE = "send a JSON body instead, with `image` as a URL or in Base64"


def _damaged(reason: str) -> HttpError:
    problem = f"the body was damaged on its way to this service: {reason}"
    detail = f"{problem}; nothing was paid; {_ADVICE}"
    return HttpError(400, "damaged_body", detail)
