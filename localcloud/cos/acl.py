"""Access control lists (ACLs): their short names, such as `public-read`, and their documents."""

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
_PUBLIC_PERMISSIONS: Mapping[str, frozenset[str]] = {
    "private": frozenset(),
    "default": frozenset(),
    "public-read": frozenset({"READ"}),
    "public-read-write": frozenset({"READ", "WRITE"}),
}
_SCHEMA = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_USER = f'Grantee {_SCHEMA} xsi:type="CanonicalUser"'
_GROUP = f'Grantee {_SCHEMA} xsi:type="Group"'


def owner_of(account: Account) -> dict[str, str]:
    """Return the owner of buckets and objects, as listings and ACLs contain it."""
    return {"ID": f"qcs::cam::uin/{account.uin}:uin/{account.uin}", "DisplayName": account.uin}


def document(acl: str, owner: dict[str, str]) -> Response:
    """Return an ACL as a response: the document, and the short name in a header."""
    grants: list[dict[str, object]] = [{_USER: owner, "Permission": "FULL_CONTROL"}]
    grants += [
        {_GROUP: {"URI": _EVERYONE}, "Permission": permission}
        for permission in sorted(_PUBLIC_PERMISSIONS[acl])
    ]
    content = {"Owner": owner, "AccessControlList": {"Grant": grants}}
    body = xml.document("AccessControlPolicy", content)
    return Response(body=body, headers={"Content-Type": "application/xml", "x-cos-acl": acl})


def from_headers(call: Call, allowed: tuple[str, ...]) -> str:
    """Return the short name in the header `x-cos-acl`; empty if the request has no such header.

    Raises:
        CosError: The name is not allowed, or the request has `x-cos-grant-*` headers.
    """
    if any(name.startswith(("x-cos-grant-", "x-amz-grant-")) for name in call.request.headers):
        raise CosError("InvalidArgument", "The local cloud does not support x-cos-grant-*.")
    acl = call.header("acl")
    if acl and acl not in allowed:
        raise CosError("InvalidArgument", f"x-cos-acl is {acl!r}; allowed: {', '.join(allowed)}.")
    return acl


def from_request(call: Call, allowed: tuple[str, ...], owner: dict[str, str]) -> str:
    """Return the short name of the ACL in a `PUT ?acl`: from its header, or from its body.

    Raises:
        CosError: The name is not allowed, or no allowed name has the grants of the body.
    """
    acl = from_headers(call, allowed)
    if acl or not call.request.body:
        return acl or allowed[0]
    grants = xml.parse(call.checked_body()).iterfind("AccessControlList/Grant")
    public = {
        grant.findtext("Permission", "") for grant in grants if not _is_to_owner(grant, owner["ID"])
    }
    for name in allowed:
        if name != "default" and public == _PUBLIC_PERMISSIONS[name]:
            return name
    raise CosError("InvalidArgument", f"The grants are not those of {' or '.join(allowed)}.")


def _is_to_owner(grant: Element, owner: str) -> bool:
    """Return whether a grant is to the owner and not to everyone.

    Raises:
        CosError: The grant is to another account.
    """
    grantee = grant.findtext("Grantee/ID") or grant.findtext("Grantee/URI", "")
    if grantee not in {owner, _EVERYONE, _EVERYONE_AS_USER}:
        raise CosError("InvalidArgument", f"The local cloud has no other account: {grantee!r}.")
    return grantee == owner
