"""The adapters of `aigc.cloud` against the local cloud; and the fakes keep the same contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from aigc import bootstrap
from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.cloud.error_codes import CODES, FAMILIES
from aigc.errors import (
    AccountError,
    AmbiguousError,
    BackloggedError,
    DuplicateError,
    RefusedError,
    ThrottledError,
    UnclearError,
)
from aigc.settings import SettingsError
from aigc.tasks.kind import ApiCall
from tests.cloud.conftest import BUCKET, REGION
from tests.fakes import InMemoryStore, ManualClock, build_settings

if TYPE_CHECKING:
    from aigc.errors import CloudError
    from localcloud.cloud import LocalCloud


@pytest.fixture(params=["in memory", "COS"])
def store(request: pytest.FixtureRequest) -> InMemoryStore | CosBucket:
    if request.param == "in memory":
        return InMemoryStore(ManualClock(), BUCKET)
    request.getfixturevalue("cloud")
    return CosBucket(BUCKET, region=REGION, protocol="http")


def test_only_the_first_creates_a_key(store: InMemoryStore | CosBucket) -> None:
    made = [store.create("slots/a/0", b"first"), store.create("slots/a/0", b"second")]

    assert made == [True, False]
    assert store.get("slots/a/0") == b"first"


def test_what_was_put_is_read_listed_and_deleted(store: InMemoryStore | CosBucket) -> None:
    keys = ["queue/b", "queue/a", "queue/水 +%", "slots/0"]
    for key in keys:
        store.put(key, key.encode())

    assert [listed.key for listed in store.list("queue/")] == sorted(keys[:3])
    assert [listed.key for listed in store.list("queue/", after="queue/a", limit=1)] == ["queue/b"]
    assert store.get("queue/水 +%") == "queue/水 +%".encode()
    store.delete("queue/a", "queue/b", "queue/never-there")
    store.delete("slots/0")
    store.delete()
    assert [listed.key for listed in store.list("")] == ["queue/水 +%"]
    assert store.get("queue/a") is None


def test_beginning_and_headers_of_an_object_are_read_at_once(
    store: InMemoryStore | CosBucket,
) -> None:
    for key, body in {"photo.png": b"0123456789", "small.png": b"01", "empty.png": b""}.items():
        store.put(key, body, "image/png")

    peeks = {listed.key: (store.peek(listed.key, 4), listed) for listed in store.list("")}

    assert {key: (peek.head, peek.size) for key, (peek, _) in peeks.items() if peek} == {
        "photo.png": (b"0123", 10),
        "small.png": (b"01", 2),
        "empty.png": (b"", 0),
    }
    for peek, listed in peeks.values():
        assert peek is not None
        assert (peek.etag, peek.size) == (listed.etag, listed.size)
        assert peek.modified == listed.modified.replace(microsecond=0)
        assert peek.headers["content-type"] == "image/png"
    assert store.peek("none.png", 4) is None


def put(url: str, data: bytes, content_type: str) -> int:
    headers = {"Content-Type": content_type}
    return requests.put(url, data=data, headers=headers, timeout=30).status_code


def test_an_upload_link_accepts_only_its_object(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_url = f"{cloud.url}/_localcloud/cos/{BUCKET}"
    store = CosBucket(BUCKET, region=REGION, protocol="http", public_url=public_url)
    headers = {"Content-Type": "image/png", "Content-Length": "4"}
    url = store.presigned_upload("a/cat 猫+.png", headers, 60)
    with monkeypatch.context() as outside:
        outside.delenv("HTTP_PROXY")
        _check_link(url)

    assert store.get("a/cat 猫+.png") == b"0123"


def _check_link(url: str) -> None:
    assert put(url, b"01234", "image/png") == 403
    assert put(url, b"0123", "text/html") == 403
    assert put(url.replace("cat", "dog"), b"0123", "image/png") == 403
    assert put(url, b"0123", "image/png") == 200


def test_a_create_whose_reply_was_lost_is_not_sent_again(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    cloud.faults.replace([{"where": "cos.PutObject", "what": "lost_reply"}])

    with pytest.raises(AmbiguousError):
        store.create("claims/a", b"one contender")

    assert cloud.faults.applied["cos.PutObject lost_reply"] == 1
    assert not store.create("claims/a", b"another contender")


def test_a_create_that_cos_has_no_room_for_is_sent_again(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    cloud.faults.replace([{"where": "cos.PutObject", "what": "throttle"}])

    assert store.create("claims/a", b"one contender")


def test_a_put_whose_reply_was_lost_is_not_sent_again(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    cloud.faults.replace([{"where": "cos.PutObject", "what": "lost_reply"}])

    with pytest.raises(AmbiguousError):
        store.put("jobs/a", b"written")

    assert store.get("jobs/a") == b"written"


def test_a_place_whose_release_was_not_answered_is_not_released_again(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    store.put("slots/a/0", b"taken")
    cloud.faults.replace([{"where": "cos.DeleteObject", "what": "lost_reply"}])

    with pytest.raises(AmbiguousError):
        store.delete_once("slots/a/0")

    assert store.get("slots/a/0") is None


def test_a_delete_that_may_be_done_twice_is_sent_again(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    store.put("queue/a", b"waits")
    cloud.faults.replace([{"where": "cos.DeleteObject", "what": "lost_reply"}])

    store.delete("queue/a")

    assert store.get("queue/a") is None


@pytest.mark.parametrize(("operation", "left"), [("PutObject", b"new"), ("DeleteObject", None)])
def test_a_request_that_cos_throttled_is_sent_again(
    cloud: LocalCloud, operation: str, left: bytes | None
) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    store.put("jobs/a", b"old")
    cloud.faults.replace([{"where": f"cos.{operation}", "what": "throttle"}])

    if operation == "PutObject":
        store.put("jobs/a", b"new")
    else:
        store.delete_once("jobs/a")

    assert store.get("jobs/a") == left


def test_a_presigned_url_opens_without_a_proxy(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{cloud.url}/_localcloud/cos/{BUCKET}"
    store = CosBucket(BUCKET, region=REGION, protocol="http", public_url=url)
    store.put("a b/猫.png", b"image")
    signed = store.presigned_url("a b/猫.png", 60)
    monkeypatch.delenv("HTTP_PROXY")

    assert requests.get(signed, timeout=60).content == b"image"
    assert requests.get(signed.partition("?")[0], timeout=60).status_code == 403


@pytest.mark.usefixtures("cloud")
def test_a_ledger_with_versioning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = build_settings(ledger_bucket=BUCKET, protocol="http")
    monkeypatch.setattr("aigc.settings.Settings.from_environment", lambda: settings)
    bootstrap.build_runtime({}, checks_bucket=True)
    client = CosBucket(BUCKET, region=REGION, protocol="http")._client()  # noqa: SLF001
    client.put_bucket_versioning(Bucket=BUCKET, Status="Enabled")

    bootstrap._instance.cache_clear()  # noqa: SLF001  what an instance keeps
    bootstrap._check_ledger_bucket.cache_clear()  # noqa: SLF001
    with pytest.raises(SettingsError, match="versioning is on in ledger-1250000000"):
        bootstrap.build_runtime({}, checks_bucket=True)


CREATE = ApiCall(
    service="vod",
    version="2018-07-17",
    action="CreateAigcImageTask",
    params={"SubAppId": 1250000000, "ModelName": "GG", "ModelVersion": "3.0", "Prompt": "a cat"},
)


def create(cloud_api: CloudApi, **params: object) -> dict[str, object]:
    call = ApiCall(
        service=CREATE.service,
        version=CREATE.version,
        action=CREATE.action,
        params={**CREATE.params, **params},
    )
    return cloud_api.call(call)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("throttle", ThrottledError),
        ("lost_reply", AmbiguousError),
        ("http_500", AmbiguousError),
    ],
)
def test_an_answer_is_classified_by_what_it_proves(
    cloud: LocalCloud, what: str, kind: type[CloudError]
) -> None:
    cloud.faults.replace([{"where": "vod.CreateAigcImageTask", "what": what}])

    with pytest.raises(kind) as caught:
        create(CloudApi(site="cn", protocol="http"))

    assert type(caught.value) is kind


@pytest.mark.usefixtures("cloud")
def test_a_refusal_carries_the_vendors_code_and_request_id() -> None:
    with pytest.raises(AccountError) as caught:
        create(CloudApi(site="cn", protocol="http"), SubAppId=1)

    assert caught.value.code == "InvalidParameterValue.SubAppId"
    assert caught.value.request_id


@pytest.mark.usefixtures("cloud")
def test_a_session_id_seen_before_is_a_duplicate() -> None:
    api = CloudApi(site="cn", protocol="http")
    create(api, SessionId="once")

    with pytest.raises(DuplicateError):
        create(api, SessionId="once")


@pytest.mark.usefixtures("cloud")
def test_a_cloud_that_cannot_be_reached_got_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    with pytest.raises(ThrottledError):
        create(CloudApi(site="cn", protocol="http"))


@pytest.mark.usefixtures("cloud")
def test_an_international_account_is_served_by_its_own_hosts() -> None:
    answer = create(CloudApi(site="intl", protocol="http"))

    assert answer["TaskId"]


def test_every_class_of_code_is_one_that_start_knows() -> None:
    kinds = {
        AccountError,
        AmbiguousError,
        BackloggedError,
        DuplicateError,
        RefusedError,
        ThrottledError,
        UnclearError,
    }

    assert {*CODES.values(), *FAMILIES.values()} == kinds
