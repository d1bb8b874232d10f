"""COS: the operations of sub-resources, and an object's checksums, access list and tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from qcloud_cos import CosS3Auth

from tests.localcloud.clients import BUCKET, HOST, REGION, content_of, cos_refusal, get

if TYPE_CHECKING:
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud

MIB = 1024 * 1024


def send(
    cloud: LocalCloud, store: CosS3Client, method: str, key: str, params: dict[str, str]
) -> requests.Response:
    """Send a signed request with any query, like a later version of a client."""
    return requests.request(
        method,
        f"http://{HOST}/{key}",
        params=params,
        data=b"body",
        auth=CosS3Auth(store.get_conf(), f"/{key}", params),
        proxies={"http": cloud.url},
        timeout=10,
    )


# Sub-resources


def assert_refuses(
    cloud: LocalCloud,
    store: CosS3Client,
    key: str,
    unknown: tuple[tuple[str, dict[str, str]], ...],
) -> None:
    """Send requests with unknown sub-resources: each is refused, and its answer names it."""
    for method, params in unknown:
        answer = send(cloud, store, method, key, params)
        assert (answer.status_code, "<Code>MethodNotAllowed</Code>" in answer.text) == (405, True)
        assert next(iter(params)) in answer.text


def test_an_unknown_sub_resource_of_an_object_is_refused(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    store.put_object(BUCKET, b"kept", "key")

    assert_refuses(
        cloud,
        store,
        "key",
        (
            ("PUT", {"retention": ""}),
            ("PUT", {"unknown": "value"}),
            ("DELETE", {"foo": ""}),
            ("DELETE", {"acl": ""}),
            ("DELETE", {"versionId": "MTg0NDUxNTc1"}),
            ("POST", {"append": "", "position": "0"}),
            ("GET", {"versionId": "MTg0NDUxNTc1"}),
            ("GET", {"ci-process": "ImageInfo"}),
            ("GET", {"imageMogr2/thumbnail/!50p": ""}),
            ("GET", {"acl": "", "tagging": ""}),
        ),
    )

    assert content_of(store, "key") == b"kept"


def test_an_unknown_sub_resource_of_a_bucket_is_refused(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    assert_refuses(
        cloud,
        store,
        "",
        (
            ("DELETE", {"inventory": "", "id": "daily"}),
            ("DELETE", {"acl": ""}),
            ("PUT", {"object-lock": ""}),
            ("POST", {"unknown": ""}),
            ("GET", {"list-type": "2"}),
        ),
    )

    assert store.head_bucket(BUCKET)


def test_buckets_are_listed_by_name_region_and_page(store: CosS3Client) -> None:
    store.create_bucket("albums-1250000000")

    whole = store.list_buckets()
    first = store.list_buckets(MaxKeys=1)
    rest = store.list_buckets(Marker=first["NextMarker"])

    def names(listed: Any) -> list[str]:
        return [entry["Name"] for entry in (listed["Buckets"] or {}).get("Bucket", [])]

    assert names(whole) == ["albums-1250000000", BUCKET]
    assert (names(first), names(rest)) == (["albums-1250000000"], [BUCKET])
    assert names(store.list_buckets(Region=REGION)) == names(whole)
    assert names(store.list_buckets(Region="ap-beijing")) == []
    refused = cos_refusal(store.list_buckets, TagKey="team", TagValue="art")
    assert refused == (405, "MethodNotAllowed")


def test_service_endpoint_allows_only_reads(cloud: LocalCloud) -> None:
    answer = requests.put(
        "http://service.cos.myqcloud.com/", proxies={"http": cloud.url}, timeout=10
    )

    assert answer.status_code == 405


def test_parameter_without_effect_is_accepted(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, b"read", "key")

    for params in (
        {"version": "1"},
        {"x-cos-traffic-limit": "819200"},
        {"versionId": "null"},
        {"response-content-language": ""},
    ):
        url = store.get_presigned_url(BUCKET, "key", "GET", Params=params)
        assert get(cloud, url).text == "read"


def test_each_object_is_listed_as_its_only_version(store: CosS3Client) -> None:
    for key in ("a", "dir/1", "z"):
        store.put_object(BUCKET, b"x", key)

    first = store.list_objects_versions(BUCKET, MaxKeys=2, Delimiter="/")
    rest = store.list_objects_versions(BUCKET, KeyMarker=first["NextKeyMarker"], Delimiter="/")

    assert [(entry["Key"], entry["VersionId"]) for entry in first["Version"]] == [("a", "null")]
    assert first["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert [(entry["Key"], entry["IsLatest"]) for entry in rest["Version"]] == [("z", "true")]


# Uploads in parts


def test_uploads_in_parts_are_listed(store: CosS3Client) -> None:
    keys = ("a", "dir/1", "dir/2", "z", "z")
    uploads = [store.create_multipart_upload(BUCKET, key)["UploadId"] for key in keys]
    store.abort_multipart_upload(BUCKET, "a", uploads[0])

    listed = store.list_multipart_uploads(BUCKET)
    grouped = store.list_multipart_uploads(BUCKET, Delimiter="/")
    below = store.list_multipart_uploads(BUCKET, Prefix="dir/")

    assert [entry["Key"] for entry in listed["Upload"]] == ["dir/1", "dir/2", "z", "z"]
    assert {entry["UploadId"] for entry in listed["Upload"]} == set(uploads[1:])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", listed["Upload"][0]["Initiated"])
    assert [entry["Key"] for entry in grouped["Upload"]] == ["z", "z"]
    assert grouped["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert [entry["Key"] for entry in below["Upload"]] == ["dir/1", "dir/2"]


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_list_of_uploads_is_paged(store: CosS3Client, delimiter: str) -> None:
    for key in ("dir/1", "dir/2", "z", "z", "zz"):
        store.create_multipart_upload(BUCKET, key)
    whole = store.list_multipart_uploads(BUCKET, Delimiter=delimiter)

    seen: list[str] = []
    marker: dict[str, str] = {}
    while True:
        page = store.list_multipart_uploads(BUCKET, Delimiter=delimiter, MaxUploads=1, **marker)
        seen += [entry["UploadId"] for entry in page.get("Upload", [])]
        seen += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        if page["IsTruncated"] == "false":
            break
        marker = {
            "KeyMarker": page["NextKeyMarker"],
            "UploadIdMarker": page["NextUploadIdMarker"] or "",
        }

    groups = [entry["Prefix"] for entry in whole.get("CommonPrefixes", [])]
    assert seen == groups + [entry["UploadId"] for entry in whole["Upload"]]


def test_a_list_of_parts_is_paged(store: CosS3Client) -> None:
    upload = store.create_multipart_upload(BUCKET, "big")["UploadId"]
    for number in (1, 2, 3):
        store.upload_part(BUCKET, "big", b"x", number, upload)

    first = store.list_parts(BUCKET, "big", upload, MaxParts=2)
    rest = store.list_parts(
        BUCKET, "big", upload, PartNumberMarker=int(first["NextPartNumberMarker"])
    )

    assert [part["PartNumber"] for part in first["Part"]] == ["1", "2"]
    assert (first["IsTruncated"], rest["IsTruncated"]) == ("true", "false")
    assert [part["PartNumber"] for part in rest["Part"]] == ["3"]


def test_an_upload_belongs_to_its_key(store: CosS3Client) -> None:
    upload = store.create_multipart_upload(BUCKET, "big")["UploadId"]

    assert cos_refusal(store.upload_part, BUCKET, "other", b"x", 1, upload) == (404, "NoSuchUpload")


def test_object_has_the_headers_of_its_initiated_upload(store: CosS3Client) -> None:
    upload = store.create_multipart_upload(
        BUCKET, "big", ACL="public-read", Metadata={"x-cos-tagging": "team=art"}
    )["UploadId"]
    etag = store.upload_part(BUCKET, "big", b"x", 1, upload)["ETag"]

    store.complete_multipart_upload(
        BUCKET, "big", upload, {"Part": [{"PartNumber": 1, "ETag": etag}]}
    )

    assert store.get_object_acl(BUCKET, "big")["CannedACL"] == "public-read"
    assert store.get_object_tagging(BUCKET, "big")["TagSet"]["Tag"][0]["Key"] == "team"


# Checksums

CHECK = b"123456789"
CHECK_CRC64 = str(0x995DC9BBDF1939FA)
"""https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-xz"""


def test_every_answer_about_an_object_has_its_crc64(store: CosS3Client) -> None:
    source = {"Bucket": BUCKET, "Key": "key", "Region": REGION}

    answers = [
        store.put_object(BUCKET, CHECK, "key"),
        store.get_object(BUCKET, "key"),
        store.get_object(BUCKET, "key", Range="bytes=0-1"),
        store.head_object(BUCKET, "key"),
        store.copy_object(BUCKET, "copy", source),
        store.head_object(BUCKET, "copy"),
    ]

    assert [answer["x-cos-hash-crc64ecma"] for answer in answers] == [CHECK_CRC64] * 6


def test_answers_about_an_upload_in_parts_have_a_crc64(store: CosS3Client) -> None:
    upload = store.create_multipart_upload(BUCKET, "whole")["UploadId"]
    store.put_object(BUCKET, CHECK, "key")
    source = {"Bucket": BUCKET, "Key": "key", "Region": REGION}

    part = store.upload_part(BUCKET, "whole", CHECK, 1, upload)
    copied = store.upload_part_copy(BUCKET, "whole", 1, upload, source)
    whole = store.complete_multipart_upload(
        BUCKET, "whole", upload, {"Part": [{"PartNumber": 1, "ETag": copied["ETag"]}]}
    )

    answers = (part, copied, whole, store.head_object(BUCKET, "whole"))
    assert [answer["x-cos-hash-crc64ecma"] for answer in answers] == [CHECK_CRC64] * 4


def test_crc64_of_an_object_is_combined_from_its_parts(store: CosS3Client) -> None:
    first, last = bytes(range(256)) * 4096, b"end"
    upload = store.create_multipart_upload(BUCKET, "whole")["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": store.upload_part(BUCKET, "whole", body, n, upload)["ETag"]}
        for n, body in ((1, first), (2, last))
    ]
    whole = store.complete_multipart_upload(BUCKET, "whole", upload, {"Part": parts})

    at_once = store.put_object(BUCKET, first + last, "at once")

    assert whole["x-cos-hash-crc64ecma"] == at_once["x-cos-hash-crc64ecma"]


# Access lists and tags


def test_an_object_s_access_list_is_changed(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "key")
    denied = get(cloud, f"http://{HOST}/key")
    store.put_object_acl(BUCKET, "key", ACL="public-read")

    allowed = get(cloud, f"http://{HOST}/key")

    assert (denied.status_code, allowed.text) == (403, "hello")
    assert store.get_object_acl(BUCKET, "key")["CannedACL"] == "public-read"


def test_access_list_can_be_put_back_as_it_was_read(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "key", ACL="public-read")
    document = store.get_object_acl(BUCKET, "key")
    policy = {
        "Owner": document["Owner"],
        "AccessControlList": {
            "Grant": [
                {
                    "Grantee": {"Type": "Group", "URI": grant["Grantee"]["URI"]}
                    if "URI" in grant["Grantee"]
                    else {"Type": "CanonicalUser", "ID": grant["Grantee"]["ID"]},
                    "Permission": grant["Permission"],
                }
                for grant in document["AccessControlList"]["Grant"]
            ]
        },
    }

    store.put_bucket_acl(BUCKET, AccessControlPolicy=policy)

    assert store.get_bucket_acl(BUCKET)["CannedACL"] == "public-read"


def test_an_access_list_may_name_everyone_as_a_user(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "key")
    owner = store.get_object_acl(BUCKET, "key")["Owner"]
    everyone = {"Type": "CanonicalUser", "ID": "qcs::cam::anyone:anyone"}
    grants = [{"Grantee": everyone, "Permission": "READ"}]
    policy = {"Owner": owner, "AccessControlList": {"Grant": grants}}

    store.put_object_acl(BUCKET, "key", AccessControlPolicy=policy)

    assert store.get_object_acl(BUCKET, "key")["CannedACL"] == "public-read"


def test_unsupported_access_list_is_refused(store: CosS3Client) -> None:
    stranger = 'id="qcs::cam::uin/100000000999:uin/100000000999"'
    put = store.put_object_acl
    store.put_object(BUCKET, b"hello", "key")

    codes = [
        cos_refusal(put, BUCKET, "key", ACL="public"),
        cos_refusal(put, BUCKET, "missing", ACL="private"),
        cos_refusal(put, BUCKET, "key", GrantRead=stranger),
        cos_refusal(store.put_object, BUCKET, b"other", "key", GrantRead=stranger),
        cos_refusal(store.put_bucket_acl, BUCKET, ACL="default"),
    ]

    wrong = (400, "InvalidArgument")
    assert codes == [wrong, (404, "NoSuchKey"), wrong, wrong, wrong]
    assert content_of(store, "key") == b"hello"


def test_an_object_s_tags_are_put_read_and_removed(store: CosS3Client) -> None:
    tags = {"TagSet": {"Tag": [{"Key": "team", "Value": "art"}, {"Key": "猫", "Value": ""}]}}
    store.put_object(BUCKET, b"hello", "key")
    before = store.head_object(BUCKET, "key")

    store.put_object_tagging(BUCKET, "key", tags)
    read = store.get_object_tagging(BUCKET, "key")["TagSet"]["Tag"]
    after = store.head_object(BUCKET, "key")
    store.delete_object_tagging(BUCKET, "key")

    assert [(entry["Key"], entry["Value"] or "") for entry in read] == [("team", "art"), ("猫", "")]
    assert after["x-cos-tagging-count"] == "2"
    assert (after["ETag"], after["Last-Modified"]) == (before["ETag"], before["Last-Modified"])
    assert "Tag" not in (store.get_object_tagging(BUCKET, "key")["TagSet"] or {})
    assert content_of(store, "key") == b"hello"


def test_a_copy_has_the_tags_of_its_source_or_its_own(store: CosS3Client) -> None:
    source = {"Bucket": BUCKET, "Key": "key", "Region": REGION}
    store.put_object(BUCKET, b"hello", "key", Metadata={"x-cos-tagging": "is=old"})

    store.copy_object(BUCKET, "kept", source)
    own = {"x-cos-tagging-directive": "Replaced", "x-cos-tagging": "is=new"}
    store.copy_object(BUCKET, "replaced", source, CopyStatus="Replaced", Metadata=own)

    tags = [store.get_object_tagging(BUCKET, key)["TagSet"]["Tag"] for key in ("kept", "replaced")]
    assert [entry[0]["Value"] for entry in tags] == ["old", "new"]


def test_too_many_tags_are_refused(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "key")
    tags = [{"Key": f"k{n}", "Value": "v"} for n in range(11)]

    code = cos_refusal(store.put_object_tagging, BUCKET, "key", {"TagSet": {"Tag": tags}})

    assert code == (400, "InvalidTag")
    assert "x-cos-tagging-count" not in store.head_object(BUCKET, "key")
