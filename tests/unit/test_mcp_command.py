"""`aigc mcp`: which deployment it serves, and what it says if that is not reached."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from mcp_types import CallToolRequestParams, TextContent

from ops import mcp, service
from ops.deployment import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL: Mapping[str, Any] = {"gateway": "http://127.0.0.1:1234", "api_key": "local key"}


@pytest.fixture(autouse=True)
def _local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "running_cloud", lambda: LOCAL)
    monkeypatch.delenv(service.KEY_VARIABLE, raising=False)


def test_local_cloud_needs_no_option() -> None:
    assert service.find_service(None, None, "/mcp") == service.Service(
        "http://127.0.0.1:1234/mcp", "local key"
    )


def test_deployment_is_named_by_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(service.KEY_VARIABLE, "key")

    found = service.find_service("https://example.com/", None, "/mcp")

    assert found == service.Service("https://example.com/mcp", "key")
    assert "'key'" not in repr(found)


@pytest.mark.parametrize(
    ("endpoint", "stack", "key", "said"),
    [
        ("https://example.com", None, "", "AIGC_API_KEY is not set"),
        (None, "prod", "", "AIGC_API_KEY is not set"),
        ("https://example.com", "prod", "key", "allowed: one of the two"),
        ("example.com", None, "key", "--endpoint: 'example.com' is not allowed"),
    ],
)
def test_wrong_options_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str | None,
    stack: str | None,
    key: str,
    said: str,
) -> None:
    monkeypatch.setenv(service.KEY_VARIABLE, key)

    with pytest.raises(DeploymentError, match=re.escape(said)):
        service.find_service(endpoint, stack)


def test_service_that_is_not_reached_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "FIRST_WAIT_S", 0)
    nobody = service.Service("http://127.0.0.1:9/mcp", "key")

    called = asyncio.run(mcp.call_tool(nobody, CallToolRequestParams(name="wait")))

    [content] = called.content
    assert called.is_error
    assert isinstance(content, TextContent)
    assert "Call again with the same arguments" in content.text
