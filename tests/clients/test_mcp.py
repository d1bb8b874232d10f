"""Use the tools over HTTP and over stdio; cut connections pay each image once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.cutting_proxy import cutting_proxy
from tests.e2e.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stack import Stack

pytestmark = pytest.mark.client("@modelcontextprotocol/sdk")

IMAGES = 12


def check(stack: Stack, seen: dict[str, Any], prompt: str, images: int) -> None:
    paid = [task["prompt"] for task in stack.tasks() if task["prompt"].startswith(prompt)]
    assert sorted(paid) == sorted(f"{prompt} {number}" for number in range(images))
    assert len(set(seen["images"])) == images
    assert all(requests.get(url, timeout=30).content[:4] == b"\x89PNG" for url in seen["images"])
    assert "allowed: 1:1" in seen["refused"]
    assert {"generate_image", "wait", "cancel"} <= set(seen["tools"])
    assert seen["server"] == "aigc-functions"


def test_http(stack: Stack, node: Callable[..., Any]) -> None:
    seen = node("mcp.mjs", "http", f"{stack.gateway}/mcp", PROMPT="over http", IMAGES="1")

    check(stack, seen, "over http", 1)


def test_http_with_cut_connections(stack: Stack, node: Callable[..., Any]) -> None:
    with cutting_proxy(stack.gateway, cut_share=0.2) as proxy:
        seen = node("mcp.mjs", "http", f"{proxy.url}/mcp", PROMPT="cut", IMAGES=str(IMAGES))

    assert seen["broken"] > 0
    check(stack, seen, "cut", IMAGES)


def test_stdio_with_cut_connections(stack: Stack, node: Callable[..., Any]) -> None:
    with cutting_proxy(stack.gateway, cut_share=0.2) as proxy:
        command = (sys.executable, "-m", "aigc_cli", "mcp", "--endpoint", proxy.url)
        seen = node(
            *("mcp.mjs", "stdio", *command),
            PROMPT="over stdio",
            IMAGES=str(IMAGES),
            ROOT=str(ROOT),
        )

    assert sum(proxy.cuts.values()) > 0
    check(stack, seen, "over stdio", IMAGES)
