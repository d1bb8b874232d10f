"""COS: objects, listings, settings and signatures, with the official SDK and plain HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from qcloud_cos import CosServiceError

from localcloud.core import Account, ApiError, Key, Keys
from localcloud.cos import signing
from localcloud.cos.errors import CosError
from localcloud.cos.store import Bucket, describe
from localcloud.server import Request
from tests.localcloud.clients import (
    BUCKET,
    HOST,
    REGION,
    authority,
    content_of,
    control,
    cos,
    cos_refusal,
    get,
    wait_for,
)

if TYPE_CHECKING:
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud
    from localcloud.cos.events import ObjectCreated

SPECIAL_KEYS = [
    "plain.txt",
    "a b.txt",
    "a+b.txt",
    "100%.txt",
    "%2F.txt",
    "猫/画.png",
    "a&b=c?d#e",
    "x//y",
]
# The SDK has no parameter for this header, but sends all metadata as headers.
ONCE = {"x-cos-forbid-overwrite": "true"}


# Objects


def test_keys_with_special_characters(cloud: LocalCloud, store: CosS3Client) -> None:
    for key in SPECIAL_KEYS:
        store.put_object(BUCKET, key.encode(), key)
        [listed] = store.list_objects(BUCKET)["Contents"]
        read = content_of(store, key)
        by_url = get(cloud, store.get_presigned_url(BUCKET, key, "GET")).content
        store.delete_object(BUCKET, key)

        assert listed["Key"] == key
        assert read == by_url == key.encode()
        assert "Contents" not in store.list_objects(BUCKET)


def test_an_object_keeps_its_headers(store: CosS3Client) -> None:
    store.put_object(
        BUCKET,
        b"hello",
        "a.txt",
        ContentType="text/plain",
        CacheControl="max-age=60",
        Metadata={"x-cos-meta-aigc-prompt": "a cat"},
    )

    head = store.head_object(BUCKET, "a.txt")

    assert head["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'  # noqa: S324
    assert (head["Content-Type"], head["Cache-Control"]) == ("text/plain", "max-age=60")
    assert head["x-cos-meta-aigc-prompt"] == "a cat"
    assert head["Content-Length"] == "5"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head["Last-Modified"])
    assert head["x-cos-request-id"]


def test_a_range_is_read(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"0123456789", "digits")

    for range_, content in (("2-4", b"234"), ("7-", b"789"), ("-2", b"89")):
        answer = store.get_object(BUCKET, "digits", Range=f"bytes={range_}")
        assert answer["Body"].get_raw_stream().read() == content
        assert answer["Content-Range"].endswith("/10")

    refused = cos_refusal(store.get_object, BUCKET, "digits", Range="bytes=10-")
    assert refused == (416, "InvalidRange")


def test_body_with_a_wrong_checksum_is_refused(store: CosS3Client) -> None:
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()  # noqa: S324

    code = cos_refusal(store.put_object, BUCKET, b"hello", "a", ContentMD5=wrong)

    assert code == (400, "BadDigest")
    assert "Contents" not in store.list_objects(BUCKET)


def test_one_of_sixteen_concurrent_creates_of_a_key_wins(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    def create(number: int) -> str:
        client = cos(cloud)
        body = f"writer {number}".encode()
        try:
            client.put_object(BUCKET, body, "lock", Metadata=ONCE)
        except CosServiceError as error:
            return str(error.get_error_code())
        return f"writer {number}"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(create, range(16)))

    [winner] = [outcome for outcome in outcomes if outcome != "FileAlreadyExists"]
    assert content_of(store, "lock").decode() == winner


def test_versioned_bucket_ignores_forbid_overwrite(store: CosS3Client) -> None:
    store.put_bucket_versioning(BUCKET, "Enabled")
    store.put_object(BUCKET, b"first", "lock", Metadata=ONCE)

    store.put_object(BUCKET, b"second", "lock", Metadata=ONCE)

    assert content_of(store, "lock") == b"second"


def test_a_copy_keeps_or_replaces_the_metadata(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "a b.txt", Metadata={"x-cos-meta-is": "old"})
    source = {"Bucket": BUCKET, "Key": "a b.txt", "Region": REGION}

    store.copy_object(BUCKET, "kept", source)
    store.copy_object(
        BUCKET, "replaced", source, CopyStatus="Replaced", Metadata={"x-cos-meta-is": "new"}
    )

    metas = [store.head_object(BUCKET, key)["x-cos-meta-is"] for key in ("kept", "replaced")]
    assert metas == ["old", "new"]
    assert content_of(store, "kept") == b"hello"


def test_an_upload_in_parts_becomes_one_object(cloud: LocalCloud, store: CosS3Client) -> None:
    events: list[ObjectCreated] = []
    cloud.cos.subscribe(events.append)
    first, last = b"a" * 1024 * 1024, b"b"
    upload = store.create_multipart_upload(BUCKET, "big")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": store.upload_part(BUCKET, "big", body, number, upload)["ETag"],
        }
        for number, body in ((1, first), (2, last))
    ]
    listed = store.list_parts(BUCKET, "big", upload)["Part"]

    store.complete_multipart_upload(BUCKET, "big", upload, {"Part": parts})

    assert [part["PartNumber"] for part in listed] == ["1", "2"]
    assert content_of(store, "big") == first + last
    assert store.head_object(BUCKET, "big")["ETag"].endswith('-2"')
    assert [event.event for event in events] == ["cos:ObjectCreated:CompleteMultipartUpload"]


def test_an_upload_with_a_small_or_unknown_part_or_that_was_aborted_is_refused(
    store: CosS3Client,
) -> None:
    upload = store.create_multipart_upload(BUCKET, "big")["UploadId"]
    etags = [store.upload_part(BUCKET, "big", b"x", n, upload)["ETag"] for n in (1, 2)]
    small = [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(etags)]
    unknown = [{"PartNumber": 7, "ETag": etags[0]}]

    def complete(parts: list[dict[str, Any]]) -> tuple[int, str]:
        return cos_refusal(store.complete_multipart_upload, BUCKET, "big", upload, {"Part": parts})

    codes = [complete(small), complete(unknown)]
    store.abort_multipart_upload(BUCKET, "big", upload)
    codes.append(complete(small))

    assert codes == [(400, "EntityTooSmall"), (400, "InvalidPart"), (404, "NoSuchUpload")]


def test_many_objects_are_deleted_at_once(store: CosS3Client) -> None:
    for key in ("a", "b c", "kept"):
        store.put_object(BUCKET, b"x", key)

    answer = store.delete_objects(
        BUCKET, {"Object": [{"Key": "a"}, {"Key": "b c"}, {"Key": "missing"}]}
    )

    assert [entry["Key"] for entry in answer["Deleted"]] == ["a", "b c", "missing"]
    assert [entry["Key"] for entry in store.list_objects(BUCKET)["Contents"]] == ["kept"]


# Listings


def test_a_listing_is_paged_and_grouped(store: CosS3Client) -> None:
    for key in ("a", "dir/1", "dir/2", "dir2/1", "z"):
        store.put_object(BUCKET, b"x", key)

    first = store.list_objects(BUCKET, Delimiter="/", MaxKeys=2)
    rest = store.list_objects(BUCKET, Delimiter="/", MaxKeys=9, Marker=first["NextMarker"])
    below = store.list_objects(BUCKET, Prefix="dir/", Delimiter="/")

    assert (first["IsTruncated"], first["NextMarker"]) == ("true", "dir/")
    assert [entry["Key"] for entry in first["Contents"]] == ["a"]
    assert first["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert rest["CommonPrefixes"] == [{"Prefix": "dir2/"}]
    assert [entry["Key"] for entry in rest["Contents"]] == ["z"]
    assert [entry["Key"] for entry in below["Contents"]] == ["dir/1", "dir/2"]


def test_listing_has_the_time_format_of_cos(store: CosS3Client) -> None:
    store.put_object(BUCKET, b"x", "a")

    [listed] = store.list_objects(BUCKET)["Contents"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", listed["LastModified"])
    assert listed["Size"] == "1"


keys = st.text(alphabet="a/b猫𝄞", min_size=1, max_size=5)


@given(
    st.sets(keys, max_size=20),
    st.text(alphabet="a/b", max_size=2),
    st.sampled_from(["", "/", "b/"]),
    st.integers(1, 4),
)
def test_pages_of_a_listing_equal_a_plain_search(
    names: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    bucket = Bucket("b", REGION, 0)
    for name in names:
        bucket.add(describe(name, b"", 0, {}))
    ordered = [name for name in sorted(names, key=str.encode) if name.startswith(prefix)]
    ends = [name.find(delimiter, len(prefix)) if delimiter else -1 for name in ordered]
    groups = [n[: e + len(delimiter)] for n, e in zip(ordered, ends, strict=True) if e >= 0]
    objects = [name for name, end in zip(ordered, ends, strict=True) if end < 0]

    pages = [bucket.listing(prefix, "", delimiter, limit)]
    while pages[-1].is_truncated:
        pages.append(bucket.listing(prefix, pages[-1].next_marker, delimiter, limit))

    assert [entry.key for page in pages for entry in page.objects] == objects
    assert [group for page in pages for group in page.groups] == list(dict.fromkeys(groups))
    assert all(len(page.objects) + len(page.groups) == limit for page in pages[:-1])


# Buckets


def test_bucket_is_created_used_and_deleted(cloud: LocalCloud) -> None:
    store = cos(cloud)
    missing = cos_refusal(store.list_objects, BUCKET)
    store.create_bucket(BUCKET)
    twice = cos_refusal(store.create_bucket, BUCKET)
    store.put_object(BUCKET, b"x", "a")
    full = cos_refusal(store.delete_bucket, BUCKET)
    store.delete_object(BUCKET, "a")

    store.delete_bucket(BUCKET)

    assert missing == (404, "NoSuchBucket")
    assert twice == (409, "BucketAlreadyOwnedByYou")
    assert full == (409, "BucketNotEmpty")
    assert cos_refusal(store.head_bucket, BUCKET) == (404, "NoSuchResource")


def test_a_bucket_of_another_account_is_refused(cloud: LocalCloud) -> None:
    code = cos_refusal(cos(cloud).create_bucket, "images-1259999999")

    assert code == (400, "InvalidBucketName")


def test_a_missing_object_is_not_found(store: CosS3Client) -> None:
    assert cos_refusal(store.get_object, BUCKET, "missing") == (404, "NoSuchKey")
    assert cos_refusal(store.head_object, BUCKET, "missing") == (404, "NoSuchResource")


def test_a_setting_that_was_never_put_is_404(store: CosS3Client) -> None:
    codes = {
        "cors": "NoSuchCORSConfiguration",
        "lifecycle": "NoSuchLifecycleConfiguration",
        "website": "NoSuchWebsiteConfiguration",
        "encryption": "NoSuchEncryptionConfiguration",
        "tagging": "NoSuchTagSet",
        "policy": "NoSuchBucketPolicy",
    }

    refusals = {
        setting: cos_refusal(getattr(store, f"get_bucket_{setting}"), BUCKET) for setting in codes
    }

    assert refusals == {setting: (404, code) for setting, code in codes.items()}


def test_settings_are_kept_and_removed(store: CosS3Client) -> None:
    rule = {
        "ID": "tmp",
        "Status": "Enabled",
        "Filter": {"Prefix": "tmp/"},
        "Expiration": {"Days": "7"},
    }
    store.put_bucket_lifecycle(BUCKET, {"Rule": [rule]})
    store.put_bucket_versioning(BUCKET, "Suspended")
    store.put_bucket_acl(BUCKET, ACL="public-read")

    kept = store.get_bucket_lifecycle(BUCKET)["Rule"][0]
    store.delete_bucket_lifecycle(BUCKET)

    assert kept["Expiration"] == {"Days": "7"}
    assert store.get_bucket_versioning(BUCKET)["Status"] == "Suspended"
    assert store.get_bucket_acl(BUCKET)["CannedACL"] == "public-read"
    assert cos_refusal(store.get_bucket_lifecycle, BUCKET)[0] == 404


def test_page_of_another_origin_is_allowed_what_the_cors_rules_allow(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    rule = {
        "AllowedOrigin": ["https://*.example.com"],
        "AllowedMethod": ["PUT"],
        "AllowedHeader": ["content-type"],
    }
    own = "https://www.example.com"
    before = preflight(cloud, own)
    store.put_bucket_cors(BUCKET, {"CORSRule": [rule]})

    assert before == (403, None)
    assert preflight(cloud, own) == (200, own)
    assert preflight(cloud, own, "Content-Type") == (200, own)
    assert preflight(cloud, own, "content-type,x-cos-acl") == (403, None)
    assert preflight(cloud, own, method="DELETE") == (403, None)
    assert preflight(cloud, "https://example.org") == (403, None)


def preflight(
    cloud: LocalCloud, origin: str, names: str = "", method: str = "PUT"
) -> tuple[int, str | None]:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": names,
    }
    answer = requests.options(
        f"http://{HOST}/a", headers=headers, proxies={"http": cloud.url}, timeout=60
    )
    return answer.status_code, answer.headers.get("Access-Control-Allow-Origin")


# Events


def test_each_way_of_creating_an_object_is_an_event(cloud: LocalCloud, store: CosS3Client) -> None:
    events: list[ObjectCreated] = []
    cloud.cos.subscribe(events.append)
    store.put_object(BUCKET, b"hello", "in/a b.png", Metadata={"x-cos-meta-x": "1"})
    store.copy_object(BUCKET, "copy", {"Bucket": BUCKET, "Key": "in/a b.png", "Region": REGION})

    first, second = events

    assert (first.bucket, first.key, first.size) == (BUCKET, "in/a b.png", 5)
    assert (first.region, first.app_id, first.source_ip) == (REGION, Account().app_id, "127.0.0.1")
    assert (first.event, second.event) == ("cos:ObjectCreated:Put", "cos:ObjectCreated:Copy")
    assert first.meta["x-cos-meta-x"] == "1"
    assert first.request_id != second.request_id


def test_event_is_dropped_or_repeated(cloud: LocalCloud, store: CosS3Client) -> None:
    events: list[str] = []
    cloud.cos.subscribe(lambda event: events.append(event.key))
    faults = ("drop", "repeat")
    control(cloud, "faults", [{"where": "cos.event", "what": what} for what in faults])

    for key in ("dropped", "repeated", "sound"):
        store.put_object(BUCKET, b"x", key)

    assert events == ["repeated", "repeated", "sound"]


def test_event_is_delayed(cloud: LocalCloud, store: CosS3Client) -> None:
    arrivals: list[float] = []
    cloud.cos.subscribe(lambda _: arrivals.append(time.monotonic()))
    control(cloud, "faults", [{"where": "cos.event", "what": "delay:10"}])
    before = time.monotonic()

    store.put_object(BUCKET, b"x", "late")

    [arrival] = wait_for(lambda: arrivals or None)
    assert arrival - before >= 10 / cloud.clock.speed


# Signatures


def test_unsigned_request_is_refused_unless_the_bucket_is_public(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    store.put_object(BUCKET, b"hello", "a")
    denied = get(cloud, f"http://{HOST}/a")
    store.put_bucket_acl(BUCKET, ACL="public-read")

    allowed = get(cloud, f"http://{HOST}/a")

    assert (denied.status_code, allowed.content) == (403, b"hello")
    assert "<Code>AccessDenied</Code>" in denied.text
    assert denied.headers["x-cos-request-id"] in denied.text
    written = requests.put(f"http://{HOST}/b", proxies={"http": cloud.url}, data=b"x", timeout=60)
    assert written.status_code == 403


def test_a_wrong_key_is_refused(cloud: LocalCloud, store: CosS3Client) -> None:
    del store
    owner = cloud.keys.owner
    unknown = cos(cloud, replace(owner, secret_id="AKIDstranger"))  # noqa: S106
    wrong = cos(cloud, replace(owner, secret_key="wrong"))  # noqa: S106

    codes = [cos_refusal(client.put_object, BUCKET, b"x", "a") for client in (unknown, wrong)]

    assert codes == [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch")]


def test_a_temporary_key_needs_its_token_and_its_time(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    del store
    good = cloud.keys.issue("worker", expires_at=time.time() + 60)
    old = cloud.keys.issue("worker", expires_at=time.time() - 1)

    cos(cloud, good).put_object(BUCKET, b"x", "a")

    bare = cos(cloud, replace(good, token="")).put_object
    assert cos_refusal(bare, BUCKET, b"x", "a") == (403, "InvalidToken")
    assert cos_refusal(cos(cloud, old).put_object, BUCKET, b"x", "a") == (403, "ExpiredToken")


def test_presigned_url_expires(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "a")
    lasting = store.get_presigned_url(BUCKET, "a", "GET", Expired=3600)
    short = store.get_presigned_url(BUCKET, "a", "GET", Expired=1)
    time.sleep(max(0, int(time.time()) + 2 - time.time()) + 0.1)

    before, after = get(cloud, lasting), get(cloud, short)

    assert before.content == b"hello"
    assert after.status_code == 403
    assert "Request has expired" in after.text


def test_a_signature_from_the_future_is_refused(
    cloud: LocalCloud, store: CosS3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(cloud.clock, "now", lambda: an_hour_ago)

    assert cos_refusal(store.list_objects, BUCKET) == (403, "RequestTimeTooSkewed")


def test_presigned_url_is_valid_only_for_the_signed_request(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    store.put_object(BUCKET, b"hello", "a")
    store.put_object(BUCKET, b"other", "b")
    url = store.get_presigned_url(BUCKET, "a", "GET", Params={"version": "1"})
    changed = (
        url.replace("/a?", "/b?"),
        url.replace("version=1", "version=2"),
        url.replace("&version=1", ""),
    )

    answers = [get(cloud, each) for each in changed]

    assert get(cloud, url).content == b"hello"
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert all("SignatureDoesNotMatch" in answer.text for answer in answers)


def test_a_url_signed_for_reading_does_not_write(cloud: LocalCloud, store: CosS3Client) -> None:
    url = store.get_presigned_url(BUCKET, "a", "GET")

    answer = requests.put(url, data=b"x", proxies={"http": cloud.url}, timeout=60)

    assert answer.status_code == 403


def test_the_bucket_s_own_path_opens_in_a_browser_without_a_proxy(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    domain = f"{authority(cloud)}/_localcloud/cos/{BUCKET}"
    browser = cos(cloud, Domain=domain, Proxies=None)
    browser.put_object(BUCKET, b"hello", "a b.txt")

    answer = requests.get(browser.get_presigned_url(BUCKET, "a b.txt", "GET"), timeout=60)

    assert answer.content == content_of(store, "a b.txt") == b"hello"
    assert requests.get(f"http://{domain}/a%20b.txt", timeout=60).status_code == 403


def test_a_bucket_has_several_host_names(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, b"hello", "a")

    for endpoint in (
        f"cos.{REGION}.tencentcos.cn",
        f"cos-internal.{REGION}.tencentcos.cn",
        f"cos.{REGION}.test",
    ):
        assert content_of(cos(cloud, Endpoint=endpoint), "a") == b"hello"


def test_refusal_of_the_authorizer_is_an_error_of_cos(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    checked = []

    def authorize(_caller: object, action: str, resource: str) -> None:
        checked.append((action, resource))
        raise ApiError("UnauthorizedOperation", "no")

    cloud.authorize = authorize

    assert cos_refusal(store.put_object, BUCKET, b"x", "in/a") == (403, "AccessDenied")
    on = f"qcs::cos:{REGION}:uid/1250000000:{BUCKET}/in/a"
    assert checked == [("name/cos:PutObject", on)]


def form(key: Key, conditions: list[Any]) -> dict[str, str]:
    now = int(time.time())
    until = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now + 60))
    policy = json.dumps({"expiration": until, "conditions": conditions}).encode()
    key_time = f"{now - 1};{now + 60}"
    sign_key = hmac.new(key.secret_key.encode(), key_time.encode(), "sha1").hexdigest()
    digest = hashlib.sha1(policy).hexdigest()  # noqa: S324
    return {
        "key": "in/${filename}",
        "policy": base64.b64encode(policy).decode(),
        "q-sign-algorithm": "sha1",
        "q-ak": key.secret_id,
        "q-key-time": key_time,
        "q-signature": hmac.new(sign_key.encode(), digest.encode(), "sha1").hexdigest(),
        "x-cos-meta-aigc-prompt": "a cat",
    }


def test_a_form_uploads_what_its_policy_allows(cloud: LocalCloud, store: CosS3Client) -> None:
    events: list[ObjectCreated] = []
    cloud.cos.subscribe(events.append)

    def post(*conditions: object) -> int:
        return requests.post(
            f"http://{HOST}/",
            data=form(cloud.keys.owner, list(conditions)),
            files={"file": ("cat.png", b"hello", "image/png")},
            proxies={"http": cloud.url},
            timeout=60,
        ).status_code

    statuses = [
        post(["starts-with", "$key", "out/"]),
        post(["content-length-range", 1, 4]),
        post(["starts-with", "$key", "in/"], {"bucket": BUCKET}),
    ]

    assert statuses == [403, 403, 204]
    assert [event.event for event in events] == ["cos:ObjectCreated:Post"]
    assert content_of(store, "in/cat.png") == b"hello"
    assert store.head_object(BUCKET, "in/cat.png")["x-cos-meta-aigc-prompt"] == "a cat"


class OneKey(Keys):
    """The key of the published example of AWS's signature."""

    def find(self, secret_id: str) -> Key | None:
        assert secret_id == "AKIAIOSFODNN7EXAMPLE"  # noqa: S105  it is not
        return Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def aws_example() -> Request:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html."""
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-amz-date": "20130524T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        "aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    }
    return Request("GET", headers["host"], "/test.txt", "", headers, b"")


def test_the_published_example_of_aws_s_signature_is_verified() -> None:
    caller = signing.verify(aws_example(), "/test.txt", OneKey(), 1369353600)

    assert caller is not None
    assert caller.secret_id == "AKIAIOSFODNN7EXAMPLE"  # noqa: S105


def test_aws_signature_is_valid_only_for_the_signed_request() -> None:
    with pytest.raises(CosError, match="SignatureDoesNotMatch"):
        signing.verify(aws_example(), "/other.txt", OneKey(), 1369353600)
    with pytest.raises(CosError, match="RequestTimeTooSkewed"):
        signing.verify(aws_example(), "/test.txt", OneKey(), 1369353600 + 1000)
