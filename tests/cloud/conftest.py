"""The local cloud in this process, seen as an instance of a function sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aigc.cloud import cos
from aigc.cloud.cos import CosBucket
from localcloud.cloud import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "ledger-1250000000"
REGION = "ap-guangzhou"


@pytest.fixture(scope="module")
def running_cloud() -> Iterator[LocalCloud]:
    with LocalCloud(speed=20) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """The cloud as an instance sees it: a role's key and a proxy in the environment."""
    enter(running_cloud, monkeypatch)
    running_cloud.faults.replace([])
    empty_bucket(running_cloud)
    return running_cloud


def enter(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process an instance of that cloud."""
    key = cloud.keys.issue("a-role", expires_at=cloud.clock.now() + 3600)
    monkeypatch.setenv("TENCENTCLOUD_SECRETID", key.secret_id)
    monkeypatch.setenv("TENCENTCLOUD_SECRETKEY", key.secret_key)
    monkeypatch.setenv("TENCENTCLOUD_SESSIONTOKEN", key.token)
    monkeypatch.setenv("HTTP_PROXY", cloud.url)
    cos._session.cache_clear()  # noqa: SLF001  it is an instance's


def empty_bucket(cloud: LocalCloud) -> None:
    client = CosBucket(BUCKET, region=REGION, protocol="http")._client()  # noqa: SLF001
    if BUCKET not in [bucket["Name"] for bucket in _buckets(client)]:
        client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, Status="Suspended")
    cloud.cos.bucket(BUCKET).settings.pop("versioning", None)
    listed_objects = client.list_objects(Bucket=BUCKET).get("Contents", [])
    for listed in listed_objects:
        client.delete_object(Bucket=BUCKET, Key=listed["Key"])


def _buckets(client: object) -> list[dict[str, str]]:
    listed = client.list_buckets()["Buckets"] or {}  # type: ignore[attr-defined]
    found: list[dict[str, str]] = listed.get("Bucket", [])
    return found
