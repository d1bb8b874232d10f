"""Commands reach an empty local cloud through the provider's environment variables."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from aigc.api.keys import Limits
from aigc.cloud import cos
from aigc_cli.deployment import DeploymentError, deployment
from aigc_cli.keys import create, records
from aigc_cli.local_pulumi import environment
from tests.localcloud.clients import BUCKET, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.cloud import LocalCloud

NAMED = (None, BUCKET, REGION)
"""Stack, bucket and region, as the command's options name them."""


@pytest.fixture
def variables(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    variables = environment(cloud, tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # The COS client keeps the proxy that it read first in this process.
    cos._session.cache_clear()  # noqa: SLF001
    yield variables
    cos._session.cache_clear()  # noqa: SLF001


@pytest.mark.usefixtures("store", "variables")
def test_key_is_made_and_listed_over_http() -> None:
    ledger = deployment(*NAMED).open_ledger()

    create("me", Limits(), ledger, datetime.now(timezone.utc))

    assert [record.name for record in records(ledger)] == ["me"]


@pytest.mark.usefixtures("variables")
def test_real_cloud_is_reached_over_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENCENTCLOUD_PROTOCOL")

    assert deployment(*NAMED).protocol == "https"


@pytest.mark.usefixtures("variables")
def test_wrong_protocol_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENCENTCLOUD_PROTOCOL", "ftp")

    with pytest.raises(DeploymentError, match="TENCENTCLOUD_PROTOCOL is 'ftp'; allowed: http"):
        deployment(*NAMED)
