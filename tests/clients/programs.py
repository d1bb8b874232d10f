"""Runs programs that use a client, as a developer would: in a process, with variables."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

TIMEOUT_S = 120


def run_client(command: list[str], stack: Stack, folder: Path, **variables: str) -> str:
    """Run a program against the local cloud and return what it printed; it must succeed."""
    environment = {
        **os.environ,
        "CONNECTION": json.dumps(stack.connection),
        "GATEWAY": stack.gateway,
        "API_KEY": str(stack.connection["api_key"]),
        **variables,
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
