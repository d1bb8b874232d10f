"""The API follows its OpenAPI document, for valid and for invalid requests.

The search is small here; `make fuzz` runs a large search.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from aigc.api.openapi.page import FIRST_CALL

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("EXAMPLES", "3")
"""The number of generated requests for each operation and phase."""


@pytest.mark.generated
def test_schemathesis_finds_no_fault(stack: Stack, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        "--phases=coverage,fuzzing,stateful",  # test_openapi.py of tests/unit sends the examples
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


# HTTP


def test_head_has_the_content_length_of_get(stack: Stack) -> None:
    for path in ("/openapi.json", "/docs", "/health", "/v1/models", "/nowhere"):
        plain = {**stack.headers, "Accept-Encoding": "identity"}
        get = requests.get(f"{stack.gateway}{path}", headers=plain, timeout=30)
        head = requests.head(f"{stack.gateway}{path}", headers=plain, timeout=30)

        assert head.content == b""
        assert head.status_code == get.status_code
        assert int(head.headers["Content-Length"]) == len(get.content) > 0


def test_documents_are_compressed_if_accepted_and_cached_by_etag(stack: Stack) -> None:
    url = f"{stack.gateway}/openapi.json"

    compressed = requests.get(url, headers={"Accept-Encoding": "gzip"}, timeout=30)
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)
    known = {"If-None-Match": compressed.headers["ETag"]}
    again = requests.get(url, headers=known, timeout=30)

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert int(compressed.headers["Content-Length"]) * 5 < int(plain.headers["Content-Length"])
    assert (again.status_code, again.content) == (304, b"")


def test_page_of_another_origin_may_read_a_compressed_document(stack: Stack) -> None:
    headers = {"Accept-Encoding": "gzip", "Origin": "https://example.com"}

    answer = requests.get(f"{stack.gateway}/openapi.json", headers=headers, timeout=30)

    assert answer.json()["openapi"] == "3.1.0"
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_root_redirects_to_the_console(stack: Stack) -> None:
    answer = requests.get(f"{stack.gateway}/", timeout=30)

    assert answer.url == f"{stack.gateway}/console"
    assert "<title>AIGC Functions</title>" in answer.text


@pytest.mark.parametrize("language", FIRST_CALL)
def test_first_calls_of_the_docs_page_work(stack: Stack, language: str) -> None:
    if language == "JavaScript" and shutil.which("node") is None:
        pytest.skip("needs Node.js; .ci/run installs it")
    code = FIRST_CALL[language]
    environment = {**os.environ, "GATEWAY": stack.gateway, "API_KEY": stack.connection["api_key"]}
    commands = {
        "curl": ["bash", "-euo", "pipefail", "-c", only_submit(code)],
        "Python": [sys.executable, "-c", code],
        "JavaScript": ["node", "--input-type=module", "-e", code],
    }

    done = subprocess.run(
        commands[language],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert ('"status_url"' if language == "curl" else "http") in done.stdout


def only_submit(code: str) -> str:
    """Remove the variables, which the test sets, and the calls that need the answer's id."""
    return code.partition("\n\n")[2].partition("\n\n")[0]
