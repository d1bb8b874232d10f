"""The API keeps to its OpenAPI document, whatever that allows and whatever it does not.

The search is small here; `make fuzz` makes it large.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.stack import Stack, running

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("EXAMPLES", "3")
"""How many requests are made up for each operation and phase."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running("--speed", "100", "--timeout", "10") as stack:
        yield stack


def test_schemathesis_finds_nothing(stack: Stack, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"--max-examples={EXAMPLES}",
        f"{stack.gateway}/openapi.json",
    ]
    environment = {
        **os.environ,
        "API_KEY": stack.connection["api_key"],
        "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
    }

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
