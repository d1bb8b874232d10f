from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localcloud.cloud import LocalCloud
from tests.localcloud.clients import BUCKET, Api, cos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qcloud_cos import CosS3Client

SPEED = 50


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(speed=SPEED) as cloud:
        yield cloud


@pytest.fixture
def api(cloud: LocalCloud) -> Api:
    return Api(cloud)


@pytest.fixture
def app(api: Api) -> int:
    """A VOD application."""
    return int(api.vod("CreateSubAppId", Name="images")["SubAppId"])


@pytest.fixture
def store(cloud: LocalCloud) -> CosS3Client:
    """A client of COS, with one private bucket."""
    client = cos(cloud)
    client.create_bucket(BUCKET)
    return client
