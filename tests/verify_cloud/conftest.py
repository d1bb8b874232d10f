from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aigc_cli.account import Account
from infra.permissions import trust
from localcloud.control_plane import control_plane
from tests.e2e.stack import ROOT
from tests.verify_cloud.different import DIFFERENCES, DifferentCloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.cloud import LocalCloud

SPEED = 50


@dataclass(frozen=True, slots=True)
class Command:
    """`aigc verify-cloud` for an account, with a state folder of its own."""

    cloud: LocalCloud
    state: Path

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._words(*options),
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._words(*options),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def _words(self, *options: str) -> list[str]:
        region = self.cloud.account.region
        return [sys.executable, "-m", "aigc_cli", "verify-cloud", "--region", region, *options]

    def _environment(self) -> dict[str, str]:
        owner = self.cloud.keys.owner
        return os.environ | {
            "TENCENTCLOUD_SECRET_ID": owner.secret_id,
            "TENCENTCLOUD_SECRET_KEY": owner.secret_key,
            "TENCENTCLOUD_PROTOCOL": "http",
            "HTTP_PROXY": self.cloud.url,
            "XDG_STATE_HOME": str(self.state),
            "COLUMNS": "200",
        }


def account_of(cloud: LocalCloud) -> Account:
    owner = cloud.keys.owner
    return Account(
        region=cloud.account.region,
        secret_id=owner.secret_id,
        secret_key=owner.secret_key,
        protocol="http",
        proxy=cloud.url,
    )


def prepared(cloud: LocalCloud) -> LocalCloud:
    """Give the account the role that the MPS console makes."""
    document = trust("mps.cloud.tencent.com")
    account_of(cloud).api("cam", "CreateRole", RoleName="MPS_QcsRole", PolicyDocument=document)
    return cloud


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with DifferentCloud([], speed=SPEED) as cloud, control_plane(cloud):
        yield prepared(cloud)


@pytest.fixture(scope="module")
def different_cloud() -> Iterator[LocalCloud]:
    with DifferentCloud(DIFFERENCES, speed=SPEED) as cloud, control_plane(cloud):
        yield prepared(cloud)
