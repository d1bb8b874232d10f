"""The gateway logs the caller and the route of each call, and no secret."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gateway
from aigc.errors import AmbiguousError
from tests.captured import captured
from tests.fakes import InMemoryStore, World, build_settings, build_world

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
CONTEXT = {"function_name": "gateway", "request_id": "invocation-1"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    root = logging.getLogger()
    before = list(root.handlers)
    world = build_world()
    monkeypatch.setattr(gateway, "_runtime", lambda _context: world.runtime())
    yield world
    root.handlers[:] = before


def event(**changes: Any) -> dict[str, Any]:
    return captured("function_url/submit_vod_image") | changes


@pytest.mark.usefixtures("world")
def test_handler_answers_in_the_form_of_the_trigger() -> None:
    answer = gateway.main_handler(event(httpMethod="GET", path="/health"), CONTEXT)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"status": "ok"}


@pytest.mark.usefixtures("world")
def test_log_names_route_status_and_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    gateway.main_handler(event(), CONTEXT)

    line = json.loads(capsys.readouterr().out)
    assert (line["method"], line["status"], line["error"]) == ("POST", 401, "HttpError")


@pytest.mark.parametrize("url", ["ftp://a.example/?sign=hunter2", "https://me:hunter2@a.example"])
def test_log_names_the_field_of_a_refusal_and_not_what_it_held(
    world: World, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    digest = hashlib.sha256(b"example-key").hexdigest()
    world.settings = build_settings(
        api_keys={"default": digest}, webhook_secrets=["whsec_" + "A" * 32]
    )
    event = captured("function_url/status") | {
        "httpMethod": "POST",
        "path": "/tencent-mps/v1/aigc-image",
        "queryString": {},
        "body": json.dumps({"prompt": "a cat", "webhook_url": url}),
    }

    answer = gateway.main_handler(event, CONTEXT)

    logged = capsys.readouterr().out
    assert answer["statusCode"] == 422
    assert json.loads(logged)["detail"] == "at webhook_url"
    assert "hunter2" not in logged


class BrokenStore(InMemoryStore):
    """A bucket that does not answer."""

    def get(self, *_: object) -> bytes | None:
        raise AmbiguousError("get", code="ClientNetworkError")


def test_cloud_that_fails_is_worth_a_warning(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(b"example-key").hexdigest()
    world.settings = build_settings(api_keys={"default": digest})
    world.store = BrokenStore(world.clock)

    answer = gateway.main_handler(captured("function_url/status"), CONTEXT)

    warning, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert answer["statusCode"] == 503
    assert (warning["event"], warning["level"]) == ("call_failed", "warning")
    assert (last["route"], last["status"]) == ("status", 503)


def test_a_cold_start_imports_no_module_that_only_some_paths_need() -> None:
    program = (
        "import sys, gateway, aigc.bootstrap\n"
        "api = ('aigc.api.built', 'aigc.api.console', 'aigc.api.mcp', 'aigc.api.openai.')\n"
        "loaded = [name for name in sys.modules if name.startswith((*api, 'mcp'))]\n"
        "assert not loaded, loaded\n"
        "import aigc.api.built, aigc.api.usage\n"
        "builder = [name for name in sys.modules if name.startswith('aigc.api.openapi')]\n"
        "assert not builder, builder"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FUNCTIONS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
