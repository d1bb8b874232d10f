"""An object's attributes: headers, ACL and tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localcloud.cos import acl, tagging

if TYPE_CHECKING:
    from localcloud.cos.calls import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes in a request that creates an object or begins its upload."""

    headers: dict[str, str]
    """The headers that a GET returns: Content-Type, Cache-Control…, x-cos-meta-*."""
    acl: str = "default"
    tags: dict[str, str] = field(default_factory=dict)


def attributes_of(call: Call) -> Attributes:
    """Return the attributes in a request's headers.

    Raises:
        CosError: The ACL or the tags are not allowed.
    """
    return Attributes(
        headers=call.object_headers(),
        acl=acl.from_headers(call, acl.OBJECT_ACLS) or "default",
        tags=tagging.from_header(call),
    )
