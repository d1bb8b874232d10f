"""The examples of the pages work when a reader runs them, and the answers look as documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.e2e.stack import ROOT, SAMPLES, Stack
from tests.pages import blocks, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PHOTO = (SAMPLES / "cat.jpg").read_bytes()
ENDPOINT = "tencent-vod/v1/aigc-image"
IMAGE = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
Answer = dict[str, Any]


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


def submitted(stack: Stack) -> Answer:
    return dict(stack.call(ENDPOINT, IMAGE).json())


def ended(stack: Stack) -> Answer:
    answer = submitted(stack)
    stack.ended(answer)
    return answer


def status(stack: Stack) -> Answer:
    return dict(stack.get(ended(stack)["status_url"] + "?logs=1").json())


def result(stack: Stack) -> Answer:
    return dict(stack.get(ended(stack)["response_url"]).json())


def query(stack: Stack) -> Answer:
    request_id = ended(stack)["request_id"]
    return dict(stack.get(f"/tencent-vod/v1/query/{request_id}").json())


def refused(stack: Stack) -> Answer:
    body = IMAGE | {"output_config": {"aspect_ratio": "7:3"}}
    return dict(stack.call(ENDPOINT, body).json())


def failed(stack: Stack) -> Answer:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ContentModerationFailed")
    return result(stack)


def upload(stack: Stack) -> Answer:
    body = {"file_name": "cat.jpg", "content_type": "image/jpeg", "size": len(PHOTO)}
    return dict(stack.call("v1/uploads", body).json())


def jobs(stack: Stack) -> Answer:
    ended(stack)
    return dict(stack.get("/v1/jobs?limit=1").json()) | {"cursor": None}


def job(stack: Stack) -> Answer:
    answer = dict(stack.get(f"/v1/jobs/{ended(stack)['request_id']}").json())
    known = {"currency": "CNY", "per_image": "0.25", "cost": "0.25", "missing_price": None}
    answer["estimate"] |= known  # this stack has no prices
    return answer


def lanes(stack: Stack) -> Answer:
    return dict(stack.get("/v1/lanes").json())


@pytest.mark.parametrize(
    "ask",
    [submitted, status, result, query, upload, jobs, job, lanes, refused, failed],
    ids=lambda ask: str(ask.__name__),
)
def test_answers_have_the_documented_shape(stack: Stack, ask: Callable[[Stack], Answer]) -> None:
    [block] = blocks(API, f"json {ask.__name__}")

    answer = ask(stack)

    assert shape(answer) == shape(json.loads(block))


def test_every_example_is_checked() -> None:
    fences = re.findall(r"^```(\S.*)$", API, re.MULTILINE)

    # A block that only names its language is not run; tests/documented.py takes those of a shell.
    assert [fence for fence in fences if " " not in fence and fence != "sh"] == []
