"""The examples of the pages work when a reader runs them, and the answers look as documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.e2e.stack import ROOT, SAMPLES
from tests.e2e.tasks import IMAGE
from tests.pages import blocks, page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PHOTO = (SAMPLES / "cat.jpg").read_bytes()
ENDPOINT = "tencent-vod/v1/aigc-image"


def run(stack: Stack, command: list[str], folder: Path, **variables: str) -> str:
    """Run a command like a reader; it must succeed. Return its output."""
    environment = {
        **os.environ,
        "GATEWAY": stack.gateway,
        "API_KEY": stack.connection["api_key"],
        **variables,
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shape(value: object) -> object:
    """Reduce JSON to its keys and types; a list is reduced to its first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def test_python_example_saves_an_image(stack: Stack, tmp_path: Path) -> None:
    [block] = blocks(API, "python run")

    run(stack, [sys.executable, "-c", block], tmp_path)

    [image] = tmp_path.iterdir()
    Image.open(image).verify()


def test_local_cloud_starts_as_its_page_says() -> None:
    [block] = blocks(page("localcloud.md"), "python")
    command = [sys.executable, "-c", block]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    url, secret_id = done.stdout.split()
    assert url.startswith("http://127.0.0.1:")
    assert secret_id.startswith("AKID")


def answers(stack: Stack) -> dict[str, Any]:
    """Make one request; return the answers to it and about it, by the names of their examples."""
    submitted = stack.call(ENDPOINT, IMAGE).json()
    request_id = submitted["request_id"]
    stack.ended(submitted)
    job = stack.get(f"/v1/jobs/{request_id}").json()
    # This stack has no prices.
    known = {"currency": "CNY", "per_image": "0.25", "cost": "0.25", "missing_price": None}
    job["estimate"] |= known
    jobs = stack.get("/v1/jobs?limit=1").json() | {"cursor": None}
    stack.fault("vod.CreateAigcImageTask", "task_failure:ContentModerationFailed")
    failed = stack.call(ENDPOINT, IMAGE).json()
    stack.ended(failed)
    upload = {"file_name": "cat.jpg", "content_type": "image/jpeg", "size": len(PHOTO)}
    wrong = IMAGE | {"output_config": {"aspect_ratio": "7:3"}}
    return {
        "submitted": submitted,
        "status": stack.get(submitted["status_url"] + "?logs=1").json(),
        "result": stack.get(submitted["response_url"]).json(),
        "query": stack.get(f"/tencent-vod/v1/query/{request_id}").json(),
        "upload": stack.call("v1/uploads", upload).json(),
        "jobs": jobs,
        "job": job,
        "lanes": stack.get("/v1/lanes").json(),
        "refused": stack.call(ENDPOINT, wrong).json(),
        "failed": stack.get(failed["response_url"]).json(),
    }


def test_answers_have_the_documented_shape(stack: Stack) -> None:
    for name, answer in answers(stack).items():
        [block] = blocks(API, f"json {name}")
        assert shape(answer) == shape(json.loads(block)), name


def test_every_example_is_checked() -> None:
    fences = re.findall(r"^```(\S.*)$", API, re.MULTILINE)

    # A block that only names its language is not run; tests/documented.py takes those of a shell.
    assert [fence for fence in fences if " " not in fence and fence != "sh"] == []
