"""An object's attributes: headers, access list and tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localcloud.cos import acl, tagging

if TYPE_CHECKING:
    from localcloud.cos.calls import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes that the request which creates an object, or begins its upload, sets."""

    headers: dict[str, str]
    """What a GET gives back: Content-Type, Cache-Control…, x-cos-meta-*."""
    acl: str = "default"
    tags: dict[str, str] = field(default_factory=dict)


def attributes_of(call: Call) -> Attributes:
    """Read the attributes in a request's headers.

    Raises:
        CosError: The access list or the tags are not allowed.
    """
    return Attributes(
        headers=call.object_headers(),
        acl=acl.in_headers(call, acl.OBJECT_ACLS) or "default",
        tags=tagging.in_header(call),
    )
