"""Put, read, upload in parts, copy, list, sign and delete objects; an upload becomes one job."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.clients.programs import run_client
from tests.e2e.stack import SAMPLES, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.stack import Stack

PHOTO = (SAMPLES / "cat.jpg").read_bytes()
ENCODED = base64.b64encode(PHOTO).decode()
LARGE = 3_500_000


@pytest.mark.client("cos-nodejs-sdk-v5")
def test_the_sdk_for_node(stack: Stack, node: Callable[..., Any]) -> None:
    seen = node("cos.mjs", PHOTO=ENCODED)

    assert seen["etag"] == seen["md5"]
    assert (seen["text"], seen["metadata"], seen["range"]) == ("a boat, 一艘船", "b", "boat")
    assert seen["isWhole"]
    assert seen["keys"] == ["node/copy.txt", "node/large.bin", "node/船 1.txt"]
    assert (seen["unfinished"], seen["gone"], seen["refused"]) == ([], 404, 405)
    assert_one_job(stack, "anime/node.jpg")


@pytest.mark.client("github.com/tencentyun/cos-go-sdk-v5")
def test_the_sdk_for_go(stack: Stack, installed: Path) -> None:
    seen = json.loads(run_client(["./cos"], stack, installed, PHOTO=ENCODED))

    assert seen["text"] == "a boat"
    assert seen["crc64"].isdecimal()
    assert seen["is_whole"]
    assert seen["is_gone"]
    assert seen["keys"] == ["go/copy.bin", "go/large.bin", "go/船 1.txt"]
    assert seen["unfinished"] == 0
    assert [(tag["Key"], tag["Value"]) for tag in seen["tags"]] == [("a", "b")]
    assert seen["owner"]
    answer = requests.get(seen["signed"], proxies={"http": stack.connection["cloud"]}, timeout=30)
    assert answer.content == b"a boat"
    assert stack.results("go/large.bin") == {"go/large.bin": LARGE}
    assert_one_job(stack, "anime/go.jpg")


def assert_one_job(stack: Stack, key: str) -> None:
    """Wait until an upload has become an image, and look that it was paid once."""
    [job] = wait_for(lambda: [job for job in succeeded(stack) if job["source"].get("key") == key])
    assert len([task for task in stack.tasks() if job["id"] in json.dumps(task)]) == 1


def succeeded(stack: Stack) -> list[dict[str, Any]]:
    return [job for job in stack.jobs() if job["state"] == "succeeded"]
