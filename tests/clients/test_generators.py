"""Generate a client from `/openapi.json`; make an image from a minimal body and a full one."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.clients.programs import run_client
from tests.e2e.stack import SAMPLES

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

HERE = Path(__file__).parent
PHOTO = base64.b64encode((SAMPLES / "cat.jpg").read_bytes()).decode()


@pytest.mark.client("openapi-python-client")
def test_a_client_in_python(stack: Stack, installed: Path, tmp_path: Path) -> None:
    programs = installed / "bin"
    output = run_client(
        [
            *(str(programs / "openapi-python-client"), "generate", "--fail-on-warning"),
            *("--url", f"{stack.gateway}/openapi.json", "--output-path", "client"),
            *("--meta", "none"),
        ],
        stack,
        tmp_path,
        PATH=f"{programs}:{os.environ['PATH']}",  # it formats its output with the ruff beside it
    )
    program = (HERE / "python" / "generated.py").read_text(encoding="utf-8")

    printed = run_client([str(programs / "python"), "-c", program], stack, tmp_path, PHOTO=PHOTO)

    assert "warning" not in output.lower()
    seen = json.loads(printed)
    assert requests.get(seen.pop("url"), timeout=30).content.startswith(b"\x89PNG")
    assert seen == {"waited": "Result", "of_mps": "Submitted", "refused": "prompt", "listed": 2}


@pytest.mark.client("openapi-typescript")
def test_types_in_typescript(stack: Stack, installed: Path) -> None:
    """The types take a minimal body, an object for `ext_info` and an input; nothing is cast."""
    programs = installed / "node_modules" / ".bin"
    generate = [f"{stack.gateway}/openapi.json", "--output", "schema.ts"]
    run_client([str(programs / "openapi-typescript"), *generate], stack, installed)
    (installed / "generated.ts").write_bytes((HERE / "js" / "generated.ts").read_bytes())
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
    compiler = [str(programs / "tsc"), *options, "--lib", "es2022,dom"]
    run_client([*compiler, "generated.ts", "schema.ts"], stack, installed)

    printed = run_client(["node", "generated.js"], stack, installed, PHOTO=PHOTO)

    seen = json.loads(printed)
    assert requests.get(seen.pop("url"), timeout=30).content.startswith(b"\x89PNG")
    assert seen == {"waited": 200, "refused": "prompt", "listed": 2}
    assert stack.results("typescript/")
