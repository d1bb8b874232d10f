"""Operations on buckets: create and delete, settings, listings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localcloud.cos import acl, xml
from localcloud.cos.calls import Call, operation, url_encoded, xml_time
from localcloud.cos.errors import CosError
from localcloud.cos.store import Bucket
from localcloud.server import Response

if TYPE_CHECKING:
    from localcloud.core import Account, Clock
    from localcloud.cos.routing import Operations
    from localcloud.cos.store import Listing, Store, StoredObject
    from localcloud.faults import Faults

MAX_KEYS = 1000
MAX_BUCKETS = 2000
_MAX_NAME = 60

# Sub-resources whose documents are stored unchanged, and their part of the operations' names.
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
# The response for a setting without a document: an empty element, or 404 with this code.
_EMPTY_ELEMENTS = {
    "accelerate": "AccelerateConfiguration",
    "logging": "BucketLoggingStatus",
    "versioning": "VersioningConfiguration",
}
_ABSENT_CODES = {
    "cors": "NoSuchCORSConfiguration",
    "encryption": "NoSuchEncryptionConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "policy": "NoSuchBucketPolicy",
    "tagging": "NoSuchTagSet",
    "website": "NoSuchWebsiteConfiguration",
}


class BucketOperations:
    """The operations on buckets; `operations` maps method and sub-resource to them."""

    def __init__(self, store: Store, account: Account, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._account = account
        self._owner = acl.owner_of(account)
        self._clock = clock
        self._faults = faults
        self._owner_elements = xml.elements(self._owner)
        self.operations: Operations = {
            ("PUT", ""): operation("PutBucket", self._create),
            ("HEAD", ""): operation("HeadBucket", self._head),
            ("GET", ""): operation(
                "GetBucket", self._list, "prefix marker delimiter max-keys encoding-type"
            ),
            ("GET", "versions"): operation(
                "GetBucketObjectVersions",
                self._list_versions,
                "prefix key-marker version-id-marker delimiter max-keys encoding-type",
            ),
            ("DELETE", ""): operation("DeleteBucket", self._delete),
            ("PUT", "acl"): operation("PutBucketACL", self._put_acl),
            ("GET", "acl"): operation("GetBucketACL", self._get_acl),
            ("GET", "location"): operation("GetBucketLocation", self._location),
            ("POST", "delete"): operation("DeleteMultipleObjects", self._delete_objects),
        }
        for setting, name in _SETTINGS.items():
            self.operations |= {
                ("PUT", setting): operation(f"PutBucket{name}", self._put_setting),
                ("GET", setting): operation(f"GetBucket{name}", self._get_setting),
                ("DELETE", setting): operation(f"DeleteBucket{name}", self._delete_setting),
            }

    def list_buckets(self, call: Call) -> Response:
        """List the account's buckets by name."""
        region, marker = call.param("region"), call.param("marker")
        limit = min(call.number("max-keys", MAX_BUCKETS), MAX_BUCKETS)
        buckets = sorted(
            (
                bucket
                for bucket in self._store.buckets()
                if region in {"", bucket.region} and bucket.name > marker
            ),
            key=lambda bucket: bucket.name,
        )
        page, is_truncated = buckets[:limit], len(buckets) > limit
        content: dict[str, object] = {
            "Owner": self._owner,
            "Marker": marker,
            **({"NextMarker": page[-1].name} if page and is_truncated else {}),
            "IsTruncated": is_truncated,
            "Buckets": {
                "Bucket": [
                    {
                        "Name": bucket.name,
                        "Location": bucket.region,
                        "CreationDate": xml_time(bucket.created),
                    }
                    for bucket in page
                ]
            },
        }
        return _xml("ListAllMyBucketsResult", content)

    def _bucket(self, call: Call) -> Bucket:
        return self._store.bucket(call.target.bucket)

    # Create and delete

    def _create(self, call: Call) -> Response:
        name = call.target.bucket
        acl_name = acl.from_headers(call, acl.BUCKET_ACLS) or "private"
        suffix = f"-{self._account.app_id}"
        if len(name) > _MAX_NAME or not re.fullmatch(r"[a-z0-9][a-z0-9-]*" + suffix, name):
            raise CosError(
                "InvalidBucketName",
                f"{name} is not lower-case letters, digits and hyphens, ending in {suffix}.",
            )
        now = self._clock.now()
        self._store.create_bucket(Bucket(name, call.target.region, now, acl_name))
        return Response(headers={"Location": f"/{name}"})

    def _head(self, call: Call) -> Response:
        return Response(headers={"x-cos-bucket-region": self._bucket(call).region})

    def _delete(self, call: Call) -> Response:
        self._store.delete_bucket(self._bucket(call))
        return Response(204)

    def _location(self, call: Call) -> Response:
        return _xml("LocationConstraint", self._bucket(call).region)

    # Settings

    def _put_setting(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.settings[_setting(call)] = call.checked_body().decode()
        self._store.save_bucket(bucket)
        return Response()

    def _get_setting(self, call: Call) -> Response:
        setting = _setting(call)
        document = self._bucket(call).settings.get(setting)
        if document is not None:
            content_type = "application/json" if setting == "policy" else "application/xml"
            return Response(body=document.encode(), headers={"Content-Type": content_type})
        if setting in _EMPTY_ELEMENTS:
            return _xml(_EMPTY_ELEMENTS[setting], {})
        code = _ABSENT_CODES.get(setting, "NoSuchConfiguration")
        raise CosError(code, f"The bucket has no {setting} configuration.", status=404)

    def _delete_setting(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.settings.pop(_setting(call), None)
        self._store.save_bucket(bucket)
        return Response(204)

    def _put_acl(self, call: Call) -> Response:
        bucket = self._bucket(call)
        bucket.acl = acl.from_request(call, acl.BUCKET_ACLS, self._owner)
        self._store.save_bucket(bucket)
        return Response()

    def _get_acl(self, call: Call) -> Response:
        return acl.document(self._bucket(call).acl, self._owner)

    # Listings

    def _list(self, call: Call) -> Response:
        marker = call.param("marker")
        page, common = self._page(call, marker)
        content: dict[str, object] = {
            **common,
            "Marker": _encoded(call, marker),
            **({"NextMarker": _encoded(call, page.next_marker)} if page.is_truncated else {}),
            "Contents": [self._object_elements(call, stored) for stored in page.objects],
        }
        return _xml("ListBucketResult", content)

    def _list_versions(self, call: Call) -> Response:
        """List each object as its only version, since the local cloud keeps no versions."""
        marker = call.param("key-marker")
        page, common = self._page(call, marker)
        next_marker = {"NextKeyMarker": _encoded(call, page.next_marker)}
        content: dict[str, object] = {
            **common,
            "KeyMarker": _encoded(call, marker),
            "VersionIdMarker": call.param("version-id-marker"),
            **(next_marker if page.is_truncated else {}),
            "Version": [
                {**self._object_elements(call, stored), "VersionId": "null", "IsLatest": True}
                for stored in page.objects
            ],
        }
        return _xml("ListVersionsResult", content)

    def _page(self, call: Call, marker: str) -> tuple[Listing, dict[str, object]]:
        """Read a page of the bucket; return it and the elements that both kinds of listing have."""
        bucket = self._bucket(call)
        limit = min(call.number("max-keys", MAX_KEYS), MAX_KEYS)
        prefix, delimiter = call.param("prefix"), call.param("delimiter")
        lag = self._faults.take_seconds("cos.GetBucket", "lag") or 0
        page = bucket.listing(prefix, marker, delimiter, limit, lag=lag)
        return page, {
            "Name": bucket.name,
            **({"EncodingType": "url"} if call.param("encoding-type") == "url" else {}),
            "Prefix": _encoded(call, prefix),
            "MaxKeys": limit,
            **({"Delimiter": _encoded(call, delimiter)} if delimiter else {}),
            "IsTruncated": page.is_truncated,
            "CommonPrefixes": [{"Prefix": _encoded(call, group)} for group in page.groups],
        }

    def _object_elements(self, call: Call, stored: StoredObject) -> dict[str, object]:
        return {
            "Key": _encoded(call, stored.key),
            "LastModified": xml_time(stored.modified),
            "ETag": f'"{stored.etag}"',
            "Size": stored.size,
            "Owner": self._owner_elements,
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


def _encoded(call: Call, text: str) -> str:
    return url_encoded(text, encode=call.param("encoding-type") == "url")


def _setting(call: Call) -> str:
    return next(name for name in call.request.params if name in _SETTINGS)


def _xml(root: str, content: object) -> Response:
    return Response(body=xml.document(root, content), headers={"Content-Type": "application/xml"})
