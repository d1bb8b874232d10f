"""The Pulumi CLI with a local cloud that runs in this process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aigc_cli.local_pulumi import environment
from aigc_cli.local_stack import empty_cloud
from aigc_cli.package import local_package
from tests.localcloud.clients import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cloud import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-resource-tencentcloud")
ABSENT = [program for program in PROGRAMS if shutil.which(program) is None]
VERIFY = "AIGC_VERIFY_PULUMI"
NEEDS = (
    "needs on PATH: the Pulumi CLI with its Python language host, and the provider plugin"
    " `tencentcloud` 0.2.3 as pulumi-resource-tencentcloud"
)
needs_pulumi = pytest.mark.skipif(
    not os.environ.get(VERIFY),
    reason=f"takes half an hour: `make verify-pulumi` runs it, and {NEEDS}",
)


class PulumiError(AssertionError):
    """The CLI failed; the message is its output."""


@dataclass(frozen=True)
class Pulumi:
    """The CLI in a folder with the project's files and its own stack settings."""

    folder: Path
    environment: dict[str, str]
    cloud: LocalCloud

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(shutil.which("pulumi")), "--non-interactive", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PulumiError(done.stdout + done.stderr)
        return done.stdout

    def set(self, key: str, value: str, *options: str) -> None:
        self("config", "set", *options, key, value)

    def up(self) -> str:
        return self("up", "--yes", "--skip-preview")

    def failing_up(self) -> str:
        with pytest.raises(PulumiError) as failed:
            self.up()
        return str(failed.value)

    def failing_preview(self) -> str:
        with pytest.raises(PulumiError) as failed:
            self("preview")
        return str(failed.value)

    def expect_no_changes(self) -> None:
        self("preview", "--diff", "--expect-no-changes")

    def urn(self, name: str) -> str:
        listed = self("stack", "--show-urns")
        [urn] = re.findall(rf"urn:\S+::{re.escape(name)}(?=\s)", listed)
        return str(urn)

    @property
    def api(self) -> Api:
        return Api(self.cloud)


@contextlib.contextmanager
def pulumi_cli(stack: str) -> Iterator[Pulumi]:
    """Start an empty cloud and create a stack, whose settings file lies in a folder of its own.

    The folder links to the project, so that Pulumi.yaml is the project's and no settings of a
    user's own stack are touched.
    """
    if ABSENT:
        pytest.fail(f"{NEEDS}; absent: {', '.join(ABSENT)}")
    with (
        empty_cloud(speed=10) as cloud,
        tempfile.TemporaryDirectory(prefix="aigc-pulumi-") as temporary,
    ):
        folder, state = Path(temporary) / "project", Path(temporary) / "state"
        folder.mkdir()
        state.mkdir()
        for name in ("Pulumi.yaml", "infra", "dist", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        pulumi = Pulumi(folder, environment(cloud, state), cloud)
        pulumi("stack", "init", stack)
        yield pulumi


def configure(pulumi: Pulumi) -> None:
    """Set what the README sets, the zip that this test run has built, and http."""
    pulumi.set("tencentcloud:protocol", "HTTP")
    pulumi.set("callbackKey", "c" * 32, "--secret")
    pulumi.set("packagePath", str(local_package()))


def authorise_mps(pulumi: Pulumi) -> None:
    """Create the role that the MPS console creates."""
    trust = (
        '{"version":"2.0","statement":[{"action":["name/sts:AssumeRole"],"effect":"allow",'
        '"principal":{"service":["mps.cloud.tencent.com"]}}]}'
    )
    pulumi.api.call("cam", "CreateRole", RoleName="MPS_QcsRole", PolicyDocument=trust)
