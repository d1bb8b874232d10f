"""Operations on buckets: their life, their settings, what is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localcloud.cos import xml
from localcloud.cos.calls import Call, Operation, url_encoded, xml_time
from localcloud.cos.errors import CosError
from localcloud.cos.store import PRIVATE, Bucket
from localcloud.server import Response

if TYPE_CHECKING:
    from localcloud.core import Account, Clock
    from localcloud.cos.store import Store, StoredObject
    from localcloud.faults import Faults

MAX_KEYS = 1000
_MAX_NAME = 60

# Sub-resources that are stored as they are put, with CAM's word for them.
_SETTINGS = {
    "accelerate": "Accelerate",
    "cors": "CORS",
    "domain": "Domain",
    "encryption": "Encryption",
    "intelligenttiering": "IntelligentTiering",
    "lifecycle": "Lifecycle",
    "logging": "Logging",
    "origin": "Origin",
    "policy": "Policy",
    "referer": "Referer",
    "replication": "Replication",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "website": "Website",
}
# What a GET says of a setting that was never put: an empty document, or 404 with this code.
_EMPTY = {
    "accelerate": "AccelerateConfiguration",
    "logging": "BucketLoggingStatus",
    "versioning": "VersioningConfiguration",
}
_ABSENT = {
    "cors": "NoSuchCORSConfiguration",
    "encryption": "NoSuchEncryptionConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "policy": "NoSuchBucketPolicy",
    "tagging": "NoSuchTagSet",
    "website": "NoSuchWebsiteConfiguration",
}

_SCHEMA = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_OWNER = f'Grantee {_SCHEMA} xsi:type="CanonicalUser"'
_GROUP = f'Grantee {_SCHEMA} xsi:type="Group"'


class BucketOperations:
    """What can be done with a bucket; `operations` names each by method and sub-resource."""

    def __init__(self, store: Store, account: Account, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._faults = faults
        self._listed_owner = xml.elements(self._owner())
        self.operations = {
            ("PUT", ""): Operation("PutBucket", self._create),
            ("HEAD", ""): Operation("HeadBucket", self._head),
            ("GET", ""): Operation("GetBucket", self._list),
            ("DELETE", ""): Operation("DeleteBucket", self._delete),
            ("PUT", "acl"): Operation("PutBucketACL", self._put_acl),
            ("GET", "acl"): Operation("GetBucketACL", self._get_acl),
            ("GET", "location"): Operation("GetBucketLocation", self._location),
            ("POST", "delete"): Operation("DeleteMultipleObjects", self._delete_objects),
        }
        for setting, word in _SETTINGS.items():
            self.operations |= {
                ("PUT", setting): Operation(f"PutBucket{word}", self._put_setting),
                ("GET", setting): Operation(f"GetBucket{word}", self._get_setting),
                ("DELETE", setting): Operation(f"DeleteBucket{word}", self._delete_setting),
            }

    def service(self, _call: Call) -> Response:
        """List the account's buckets."""
        buckets = [
            {
                "Name": bucket.name,
                "Location": bucket.region,
                "CreationDate": xml_time(bucket.created),
            }
            for bucket in self._store.buckets()
        ]
        content = {"Owner": self._owner(), "Buckets": {"Bucket": buckets}}
        return _xml("ListAllMyBucketsResult", content)

    def _bucket(self, call: Call) -> Bucket:
        return self._store.bucket(call.target.bucket)

    def _owner(self) -> dict[str, str]:
        uin = self._account.uin
        return {"ID": f"qcs::cam::uin/{uin}:uin/{uin}", "DisplayName": uin}

    # Its life

    def _create(self, call: Call) -> Response:
        name = call.target.bucket
        suffix = f"-{self._account.app_id}"
        if len(name) > _MAX_NAME or not re.fullmatch(r"[a-z0-9][a-z0-9-]*" + suffix, name):
            raise CosError(
                "InvalidBucketName",
                f"{name} is not lower-case letters, digits and hyphens, ending in {suffix}.",
            )
        acl = call.header("acl") or PRIVATE
        now = self._clock.now()
        self._store.create_bucket(Bucket(name, call.target.region, now, acl))
        return Response(headers={"Location": f"/{name}"})

    def _head(self, call: Call) -> Response:
        return Response(headers={"x-cos-bucket-region": self._bucket(call).region})

    def _delete(self, call: Call) -> Response:
        self._store.delete_bucket(self._bucket(call))
        return Response(204)

    def _location(self, call: Call) -> Response:
        return _xml("LocationConstraint", self._bucket(call).region)

    # Its settings

    def _put_setting(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.settings[_setting(call)] = call.checked_body().decode()
        self._store.note_bucket(bucket)
        return Response()

    def _get_setting(self, call: Call) -> Response:
        setting = _setting(call)
        document = self._bucket(call).settings.get(setting)
        if document is not None:
            kind = "application/json" if setting == "policy" else "application/xml"
            return Response(body=document.encode(), headers={"Content-Type": kind})
        if setting in _EMPTY:
            return _xml(_EMPTY[setting], {})
        code = _ABSENT.get(setting, "NoSuchConfiguration")
        raise CosError(code, f"The bucket has no {setting} configuration.", status=404)

    def _delete_setting(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.settings.pop(_setting(call), None)
        self._store.note_bucket(bucket)
        return Response(204)

    def _put_acl(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.acl = call.header("acl") or bucket.acl
        self._store.note_bucket(bucket)
        return Response()

    def _get_acl(self, call: Call) -> Response:
        return acl_document(self._bucket(call).acl, self._owner())

    # What is in it

    def _list(self, call: Call) -> Response:
        bucket = self._bucket(call)
        wanted = call.param("encoding-type") == "url"
        limit = min(call.number("max-keys", MAX_KEYS), MAX_KEYS)
        prefix, marker, delimiter = (call.param(n) for n in ("prefix", "marker", "delimiter"))
        lag = self._faults.take_seconds("cos.GetBucket", "lag") or 0
        page = bucket.listing(prefix, marker, delimiter, limit, lag=lag)

        def encoded(text: str) -> str:
            return url_encoded(text, wanted=wanted)

        content: dict[str, object] = {
            "Name": bucket.name,
            **({"EncodingType": "url"} if wanted else {}),
            "Prefix": encoded(prefix),
            "Marker": encoded(marker),
            "MaxKeys": limit,
            **({"Delimiter": encoded(delimiter)} if delimiter else {}),
            "IsTruncated": page.is_truncated,
            **({"NextMarker": encoded(page.next_marker)} if page.is_truncated else {}),
            "Contents": [self._listed(one, encoded(one.key)) for one in page.objects],
            "CommonPrefixes": [{"Prefix": encoded(group)} for group in page.groups],
        }
        return _xml("ListBucketResult", content)

    def _listed(self, stored: StoredObject, key: str) -> dict[str, object]:
        return {
            "Key": key,
            "LastModified": xml_time(stored.modified),
            "ETag": f'"{stored.etag}"',
            "Size": stored.size,
            "Owner": self._listed_owner,
            "StorageClass": "STANDARD",
        }

    def _delete_objects(self, call: Call) -> Response:
        bucket = self._bucket(call)
        request = xml.parse(call.checked_body())
        keys = [element.text or "" for element in request.iterfind("Object/Key")]
        if len(keys) > MAX_KEYS:
            raise CosError("MalformedXML", f"{len(keys)} keys; at most {MAX_KEYS} are allowed.")
        for key in keys:
            self._store.delete(bucket, key)
        quiet = request.findtext("Quiet") == "true"
        return _xml("DeleteResult", {"Deleted": [] if quiet else [{"Key": key} for key in keys]})


def acl_document(acl: str, owner: dict[str, str]) -> Response:
    """Write an access list in full, and its short name in a header."""
    everyone = {"URI": "http://cam.qcloud.com/groups/global/AllUsers"}
    grants: list[dict[str, object]] = [{_OWNER: owner, "Permission": "FULL_CONTROL"}]
    grants += [
        {_GROUP: everyone, "Permission": permission}
        for permission, acls in (
            ("READ", ("public-read", "public-read-write")),
            ("WRITE", ("public-read-write",)),
        )
        if acl in acls
    ]
    content = {"Owner": owner, "AccessControlList": {"Grant": grants}}
    answer = _xml("AccessControlPolicy", content)
    return Response(answer.status, answer.body, {**answer.headers, "x-cos-acl": acl})


def _setting(call: Call) -> str:
    return next(name for name in call.request.params if name in _SETTINGS)


def _xml(root: str, content: object) -> Response:
    return Response(body=xml.document(root, content), headers={"Content-Type": "application/xml"})
