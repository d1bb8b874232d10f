"""Access lists: the short names that requests carry, and the documents that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cos import xml
from localcloud.cos.errors import CosError
from localcloud.server import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from localcloud.core import Account
    from localcloud.cos.calls import Call

BUCKET_ACLS = ("private", "public-read", "public-read-write")
OBJECT_ACLS = ("default", "private", "public-read")

_EVERYONE = "http://cam.qcloud.com/groups/global/AllUsers"
_EVERYONE_AS_USER = "qcs::cam::anyone:anyone"
_GRANTS_TO_EVERYONE: Mapping[str, frozenset[str]] = {
    "private": frozenset(),
    "default": frozenset(),
    "public-read": frozenset({"READ"}),
    "public-read-write": frozenset({"READ", "WRITE"}),
}
_SCHEMA = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_USER = f'Grantee {_SCHEMA} xsi:type="CanonicalUser"'
_GROUP = f'Grantee {_SCHEMA} xsi:type="Group"'


def owner_of(account: Account) -> dict[str, str]:
    """Name the account as listings and access lists do."""
    return {"ID": f"qcs::cam::uin/{account.uin}:uin/{account.uin}", "DisplayName": account.uin}


def document(acl: str, owner: dict[str, str]) -> Response:
    """Write an access list in full, and its short name in a header."""
    grants: list[dict[str, object]] = [{_USER: owner, "Permission": "FULL_CONTROL"}]
    grants += [
        {_GROUP: {"URI": _EVERYONE}, "Permission": permission}
        for permission in sorted(_GRANTS_TO_EVERYONE[acl])
    ]
    content = {"Owner": owner, "AccessControlList": {"Grant": grants}}
    body = xml.document("AccessControlPolicy", content)
    return Response(body=body, headers={"Content-Type": "application/xml", "x-cos-acl": acl})


def in_headers(call: Call, allowed: tuple[str, ...]) -> str:
    """Read `x-cos-acl`; empty where the request has none.

    Raises:
        CosError: It is none of the allowed ones, or grants are in headers of their own.
    """
    if any(name.startswith(("x-cos-grant-", "x-amz-grant-")) for name in call.request.headers):
        raise CosError("InvalidArgument", "The local cloud knows no x-cos-grant-* headers.")
    acl = call.header("acl")
    if acl and acl not in allowed:
        raise CosError("InvalidArgument", f"x-cos-acl is {acl!r}; allowed: {', '.join(allowed)}.")
    return acl


def in_request(call: Call, allowed: tuple[str, ...], owner: dict[str, str]) -> str:
    """Read the access list that a `PUT ?acl` brings, in a header or in its body.

    Raises:
        CosError: There is none, it is not allowed, or it grants what has no short name.
    """
    acl = in_headers(call, allowed)
    if acl or not call.request.body:
        return acl or allowed[0]
    grants = xml.parse(call.checked_body()).iterfind("AccessControlList/Grant")
    to_everyone = {
        grant.findtext("Permission", "") for grant in grants if not _is_to(grant, owner["ID"])
    }
    for name in allowed:
        if name != "default" and to_everyone == _GRANTS_TO_EVERYONE[name]:
            return name
    raise CosError("InvalidArgument", f"The grants are those of none of {', '.join(allowed)}.")


def _is_to(grant: Element, owner: str) -> bool:
    """Whether a grant is the owner's own.

    Raises:
        CosError: It is neither the owner's nor everyone's.
    """
    grantee = grant.findtext("Grantee/ID") or grant.findtext("Grantee/URI", "")
    if grantee not in {owner, _EVERYONE, _EVERYONE_AS_USER}:
        raise CosError("InvalidArgument", f"The local cloud has no other account: {grantee!r}.")
    return grantee == owner
