"""Tags of objects: in a header as a query, in a body as a TagSet."""

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
    """Write tags as a TagSet."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    body = xml.document("Tagging", {"TagSet": {"Tag": listed}})
    return Response(body=body, headers={"Content-Type": "application/xml"})


def in_header(call: Call) -> dict[str, str]:
    """Read `x-cos-tagging: key=value&…`.

    Raises:
        CosError: They are too many, or one key is there twice.
    """
    return _checked(parse_qsl(call.header("tagging"), keep_blank_values=True))


def in_body(call: Call) -> dict[str, str]:
    """Read the TagSet of a `PUT ?tagging`.

    Raises:
        CosError: It is none, they are too many, or one key is there twice.
    """
    tags = xml.parse(call.checked_body()).iterfind("TagSet/Tag")
    return _checked([(tag.findtext("Key", ""), tag.findtext("Value", "")) for tag in tags])


def _checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags = dict(pairs)
    if len(tags) < len(pairs) or len(tags) > MAX_TAGS or "" in tags:
        raise CosError(
            "InvalidTag", f"An object has at most {MAX_TAGS} tags, each with a key of its own."
        )
    return tags
