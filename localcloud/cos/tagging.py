"""Tags of objects: as a query string in a header, as a TagSet in a body."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from localcloud.cos import xml
from localcloud.cos.errors import CosError
from localcloud.server import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.cos.calls import Call

MAX_TAGS = 10  # https://cloud.tencent.com/document/product/436/42998


def document(tags: Mapping[str, str]) -> Response:
    """Return tags as a response with a TagSet."""
    elements = [{"Key": key, "Value": value} for key, value in tags.items()]
    body = xml.document("Tagging", {"TagSet": {"Tag": elements}})
    return Response(body=body, headers={"Content-Type": "application/xml"})


def from_header(call: Call) -> dict[str, str]:
    """Return the tags in the header `x-cos-tagging: key=value&…`.

    Raises:
        CosError: There are too many tags, or a key is empty or repeated.
    """
    return _checked_tags(parse_qsl(call.header("tagging"), keep_blank_values=True))


def from_body(call: Call) -> dict[str, str]:
    """Return the tags in the TagSet of a `PUT ?tagging`.

    Raises:
        CosError: The body is not XML, there are too many tags, or a key is empty or repeated.
    """
    tags = xml.parse(call.checked_body()).iterfind("TagSet/Tag")
    return _checked_tags([(tag.findtext("Key", ""), tag.findtext("Value", "")) for tag in tags])


def _checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags = dict(pairs)
    if len(tags) < len(pairs) or len(tags) > MAX_TAGS or "" in tags:
        raise CosError("InvalidTag", f"An object has at most {MAX_TAGS} tags, with different keys.")
    return tags
