"""`aigc mcp`: the tools of a deployment for agents on this machine, over stdio.

The tools are those of the deployment's own `/mcp`; this command passes calls on. A call whose
connection breaks is sent again: no tool pays twice for the same arguments.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, TypeVar

import httpx2
import typer
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from mcp_types.version import LATEST_MODERN_VERSION

from aigc_cli.deployment import StackOption
from aigc_cli.service import EndpointOption, KeyOption, Service, find_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

Result = TypeVar("Result")

TRIES = 4
"""Number of tries of a call whose connection breaks."""

FIRST_WAIT_S = 0.5
"""Wait before the second try; it doubles for each further try."""

TIMEOUT_S = 50
"""Timeout of a call with all its tries; many hosts wait no longer than 60 seconds."""


app = typer.Typer(add_completion=False)


@app.command()
def main(
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    stack: StackOption = None,
) -> None:
    """Offer the tools of a deployment to agents, over stdio, until the host closes stdin.

    Hosts start it without a terminal: give the API key in the variable AIGC_API_KEY, or keep it
    with `aigc login`. The local cloud needs none.

    Example: aigc mcp --stack prod
    """
    service = find_service(endpoint, key, stack)
    print(f"aigc mcp: tools of {service.endpoint}/mcp", file=sys.stderr)
    asyncio.run(_serve(service))


async def _serve(service: Service) -> None:
    async def list_tools(_context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:  # noqa: ANN401  the SDK's
        return await _with_retries(service, lambda client: client.list_tools())

    async def pass_on(_context: Any, params: CallToolRequestParams) -> CallToolResult:  # noqa: ANN401  the SDK's
        return await call_tool(service, params)

    server: Server[Any] = Server(
        "aigc-functions", title="AIGC Functions", on_list_tools=list_tools, on_call_tool=pass_on
    )
    async with stdio_server() as (messages, answers):
        await server.run(messages, answers, server.create_initialization_options())


async def call_tool(service: Service, params: CallToolRequestParams) -> CallToolResult:
    """Pass a call on; return an error text if the service is not reached in time."""

    def call(client: Client) -> Awaitable[CallToolResult]:
        return client.call_tool(params.name, params.arguments or {})

    try:
        return await asyncio.wait_for(_with_retries(service, call), TIMEOUT_S)
    except (ConnectionError, asyncio.TimeoutError):
        text = (
            f"{service.endpoint} did not answer in {TRIES} tries or {TIMEOUT_S} seconds. Call again"
            " with the same arguments: the call returns a request that was accepted, and no image"
            " is paid twice."
        )
        return CallToolResult(content=[TextContent(text=text)], is_error=True)


async def _with_retries(service: Service, call: Callable[[Client], Awaitable[Result]]) -> Result:
    """Send a call on a new connection; repeat it if the connection breaks.

    Raises:
        MCPError: The service refused the call.
        ConnectionError: The connection broke each time.
    """
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            return await _once(service, call)
        except Exception as error:  # noqa: BLE001  the SDK wraps errors in groups; others go on
            cause = _cause(error)
            if not isinstance(cause, OSError | httpx2.TransportError):
                raise cause from None
            print(f"aigc mcp: the connection broke: {cause!r}", file=sys.stderr)
    raise ConnectionError(f"{service.endpoint} was not reached in {TRIES} tries")


async def _once(service: Service, call: Callable[[Client], Awaitable[Result]]) -> Result:
    headers = {"Authorization": f"Bearer {service.key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S) as http:
        transport = streamable_http_client(f"{service.endpoint}/mcp", http_client=http)
        async with Client(transport, mode=LATEST_MODERN_VERSION) as client:
            return await call(client)


def _cause(error: BaseException) -> BaseException:
    """Return the first error inside exception groups; Python 3.10 has no class for groups."""
    while inner := getattr(error, "exceptions", ()):
        error = inner[0]
    return error
