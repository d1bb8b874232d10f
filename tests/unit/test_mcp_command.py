"""`aigc mcp`: the deployment that it serves, and its error if that cannot be reached."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from mcp_types import CallToolRequestParams, TextContent

from aigc_cli import mcp, service
from aigc_cli.deployment import DeploymentError
from aigc_cli.service import Service, find_service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL: Mapping[str, Any] = {"gateway": "http://127.0.0.1:1234", "api_key": "local key"}


@pytest.fixture(autouse=True)
def _local_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "running_cloud", lambda: LOCAL)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in (service.KEY_VARIABLE, service.ENDPOINT_VARIABLE, service.PROFILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_local_cloud_needs_no_option() -> None:
    assert find_service() == Service("http://127.0.0.1:1234", "local key")


def test_deployment_is_named_by_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(service.KEY_VARIABLE, "key")

    named = find_service("https://example.com/")

    assert named == Service("https://example.com", "key")
    assert "'key'" not in repr(named)


@pytest.mark.parametrize(
    ("endpoint", "stack", "key", "message"),
    [
        ("https://example.com", None, "", "no API key; needed: --key, AIGC_API_KEY"),
        ("https://example.com", "prod", "key", "allowed: one of them"),
        ("example.com", None, "key", "the endpoint 'example.com' is not allowed"),
    ],
)
def test_wrong_options_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str | None,
    stack: str | None,
    key: str,
    message: str,
) -> None:
    monkeypatch.setenv(service.KEY_VARIABLE, key)

    with pytest.raises(DeploymentError, match=re.escape(message)):
        find_service(endpoint, stack=stack)


def test_unreachable_service_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "FIRST_WAIT_S", 0)
    unreachable = Service("http://127.0.0.1:9", "key")

    called = asyncio.run(mcp.call_tool(unreachable, CallToolRequestParams(name="wait")))

    [content] = called.content
    assert called.is_error
    assert isinstance(content, TextContent)
    assert "Call again with the same arguments" in content.text
