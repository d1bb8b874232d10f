"""The official Python SDK of MCP, in front of the local cloud: over HTTP and over stdio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import requests
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent

from tests.cutting_proxy import cutting_proxy
from tests.e2e.stack import ROOT, SAMPLES, Stack
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Connect = Callable[[Stack, str], contextlib.AbstractAsyncContextManager[Client]]

TOOLS = {
    *("list_models", "estimate", "generate_image", "edit_image", "scene_image"),
    *("wait", "get_result", "list_jobs", "cancel"),
}
PNG = b"\x89PNG"
PROMPTS = size(8, full=70)
"""Prompts of the test of cut connections, each with three calls."""

AT_ONCE = 8
IMAGES_OF_THE_COMMAND = 4


@contextlib.asynccontextmanager
async def over_http(stack: Stack, gateway: str, mode: str = "auto") -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=stack.headers, timeout=70) as http:
        transport = streamable_http_client(f"{gateway}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@contextlib.asynccontextmanager
async def over_stdio(stack: Stack, gateway: str, mode: str = "auto") -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "aigc_cli", "mcp", "--endpoint", gateway],
        cwd=ROOT,
        env={**os.environ, "AIGC_API_KEY": stack.connection["api_key"]},
    )
    async with Client(stdio_client(server), mode=mode) as client:
        yield client


def boat(prompt: str) -> dict[str, Any]:
    return {"model": "gg-3.0", "prompt": prompt}


def text(called: CallToolResult) -> str:
    [content, *_] = called.content
    assert isinstance(content, TextContent)
    return content.text


def data(called: CallToolResult) -> dict[str, Any]:
    assert not called.is_error, text(called)
    return dict(called.structured_content or {})


async def ended(client: Client, request_id: str) -> CallToolResult:
    """Call `wait` until the request has ended."""
    while True:
        called = await client.call_tool("wait", {"request_id": request_id})
        if data(called)["state"] == "succeeded":
            return called


def paid(stack: Stack, prompt: str) -> int:
    """Count the tasks with a prompt that the vendor was paid for."""
    return sum(task["prompt"] == prompt for task in stack.tasks())


async def use_all_tools(client: Client, prompt: str, image: str) -> None:
    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
    models = data(await client.call_tool("list_models", {}))["models"]
    assert "vod.image/gg-3.0" in {model["id"] for model in models}
    task = {"tool": "generate_image", "arguments": boat(prompt)}
    assert data(await client.call_tool("estimate", task))["images"] == 1

    made = data(await client.call_tool("generate_image", boat(prompt)))
    called = await ended(client, made["request_id"])
    assert [type(content) for content in called.content] == [
        TextContent,
        ResourceLink,
        ImageContent,
    ]
    [link] = data(called)["images"]
    image_answer = await asyncio.to_thread(requests.get, link["url"], timeout=30)
    assert image_answer.content.startswith(PNG)

    edited = data(
        await client.call_tool("edit_image", {**boat(f"{prompt} edited"), "images": [link["url"]]})
    )
    await ended(client, edited["request_id"])
    scene = {"scene": "outpainting", "images": [image], "aspect_ratio": "16:9"}
    extended = data(await client.call_tool("scene_image", {**scene, "request_key": prompt}))
    await ended(client, extended["request_id"])

    again = data(await client.call_tool("get_result", {"request_id": made["request_id"]}))
    assert again["images"][0]["file_name"] == link["file_name"]
    jobs = data(await client.call_tool("list_jobs", {"limit": 3}))["jobs"]
    assert made["request_id"] in {job["request_id"] for job in jobs}
    cancelled = await client.call_tool("cancel", {"request_id": made["request_id"]})
    assert "already ended" in text(cancelled)


def uploaded_cat(stack: Stack) -> str:
    """Upload a sample as a caller does, and return its URL."""
    image = (SAMPLES / "cat.jpg").read_bytes()
    body = {"file_name": "cat.jpg", "content_type": "image/jpeg", "size": len(image)}
    upload = stack.call("v1/uploads", body).json()
    answer = requests.put(upload["upload_url"], image, headers=upload["headers"], timeout=30)
    answer.raise_for_status()
    return str(upload["url"])


@pytest.mark.parametrize(("connect", "mode"), [(over_http, "legacy"), (over_stdio, "auto")])
def test_all_tools_work(stack: Stack, connect: Any, mode: str) -> None:
    """`auto` is the latest revision of the protocol, `legacy` the handshake of earlier ones."""
    image = uploaded_cat(stack)

    async def use() -> None:
        async with connect(stack, stack.gateway, mode) as client:
            assert (client.protocol_version == "2026-07-28") == (mode == "auto")
            await use_all_tools(client, f"{connect.__name__} {mode}", image)

    asyncio.run(use())


def test_refusal_is_a_text_that_says_what_is_allowed(stack: Stack) -> None:
    before = len(stack.tasks())

    async def use() -> CallToolResult:
        async with over_http(stack, stack.gateway) as client:
            wrong = {**boat("wrong"), "aspect_ratio": "7:3"}
            called: CallToolResult = await client.call_tool("generate_image", wrong)
            with pytest.raises(MCPError, match="there is no tool"):
                await client.call_tool("draw", {})
            return called

    called = asyncio.run(use())

    assert called.is_error
    assert "allowed: 1:1" in text(called)
    assert "Nothing was spent" in text(called)
    assert len(stack.tasks()) == before


def test_wrong_key_is_refused(stack: Stack) -> None:
    async def use() -> None:
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer x"}) as http:
            transport = streamable_http_client(f"{stack.gateway}/mcp", http_client=http)
            async with Client(transport) as client:
                await client.list_tools()

    with pytest.raises(BaseException) as raised:  # noqa: PT011  the SDK wraps it in groups
        asyncio.run(use())

    assert "the API key is missing or wrong" in str(first_cause(raised.value))


def first_cause(error: BaseException) -> BaseException:
    while inner := getattr(error, "exceptions", ()):
        error = inner[0]
    return error


# Broken connections


async def until_answered(call: Callable[[], Awaitable[CallToolResult]]) -> CallToolResult:
    """Make a call again until its answer arrives, as an agent does."""
    while True:
        try:
            return await call()
        except Exception as error:
            if not isinstance(first_cause(error), OSError | httpx2.TransportError):
                raise


@pytest.mark.sized
def test_cut_connections_pay_each_image_once(stack: Stack) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def once(gateway: str, name: str, arguments: dict[str, Any]) -> CallToolResult:
        async def call() -> CallToolResult:
            async with over_http(stack, gateway, "2026-07-28") as client:
                return await client.call_tool(name, arguments)

        return await until_answered(call)

    async def make(gateway: str, prompt: str) -> str:
        async with room:
            first = data(await once(gateway, "generate_image", boat(prompt)))
            again = data(await once(gateway, "generate_image", boat(prompt)))
            assert first["request_id"] == again["request_id"]
            while True:
                called = data(await once(gateway, "wait", {"request_id": first["request_id"]}))
                if called["state"] == "succeeded":
                    return str(called["images"][0]["file_name"])

    async def use(gateway: str) -> list[str]:
        return await asyncio.gather(*(make(gateway, f"cut {n}") for n in range(PROMPTS)))

    with cutting_proxy(stack.gateway, cut_share=0.3) as proxy:
        names = asyncio.run(use(proxy.url))

    assert min(proxy.cuts.values()) > 0
    assert len(set(names)) == PROMPTS
    assert {paid(stack, f"cut {number}") for number in range(PROMPTS)} == {1}


def test_command_repeats_calls_whose_connections_were_cut(stack: Stack) -> None:
    async def use(gateway: str) -> list[str]:
        async with over_stdio(stack, gateway) as client:
            names = []
            for number in range(IMAGES_OF_THE_COMMAND):
                made = data(await client.call_tool("generate_image", boat(f"stdio {number}")))
                called = data(await ended(client, made["request_id"]))
                names.append(called["images"][0]["file_name"])
            return names

    with cutting_proxy(stack.gateway, cut_share=0.25) as proxy:
        names = asyncio.run(use(proxy.url))

    assert sum(proxy.cuts.values()) > 0
    assert len(set(names)) == IMAGES_OF_THE_COMMAND
    assert {paid(stack, f"stdio {number}") for number in range(IMAGES_OF_THE_COMMAND)} == {1}


def test_command_that_is_ended_in_a_call_pays_once(stack: Stack) -> None:
    prompt = "the host is closed"

    async def begin() -> None:
        async with over_stdio(stack, stack.gateway) as client:
            await client.list_tools()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(client.call_tool("generate_image", boat(prompt)), 0.1)

    async def again() -> None:
        async with over_stdio(stack, stack.gateway) as client:
            made = data(await client.call_tool("generate_image", boat(prompt)))
            await ended(client, made["request_id"])

    asyncio.run(begin())
    asyncio.run(again())

    assert paid(stack, prompt) == 1


def test_two_deliberate_images_of_the_same_arguments(stack: Stack) -> None:
    prompt = "twice"

    async def use() -> set[str]:
        async with over_http(stack, stack.gateway) as client:
            ids = set()
            for _ in range(2):
                made = data(await client.call_tool("generate_image", boat(prompt)))
                await ended(client, made["request_id"])
                ids.add(made["request_id"])
            return ids

    assert len(asyncio.run(use())) == 2
    assert paid(stack, prompt) == 2
