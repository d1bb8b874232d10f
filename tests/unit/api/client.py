"""A client of the API whose calls have the form of one of the two HTTP triggers."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import gateway
from aigc.triggers.http import HttpRequest
from tests.captured import captured
from tests.unit.api.contract import check

if TYPE_CHECKING:
    from tests.fakes import World

both_triggers = pytest.mark.parametrize("client", ["function_url", "api_gateway"], indirect=True)
KEY = "example-key"


@dataclass
class Answer:
    """The answer of a call."""

    status: int
    body: Any
    headers: dict[str, str]
    raw: bytes = b""
    """The body as it travels."""

    @property
    def status_and_type(self) -> tuple[int, str]:
        """The status, and the error type of a refusal."""
        return self.status, self.body.get("error_type", "")


@dataclass
class Client:
    """Calls `gateway.handle` as the trigger does, and holds each answer to the OpenAPI document."""

    world: World
    source: str
    """api_gateway or function_url."""
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    @property
    def base_url(self) -> str:
        """Where this trigger's captured requests were sent."""
        return HttpRequest.parse(captured(f"{self.source}/status")).base_url

    def get(self, path: str, **more: Any) -> Answer:
        return self.send("GET", path, **more)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.send("POST", path, body=text, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
    ) -> Answer:
        event = copy.deepcopy(captured(f"{self.source}/status"))
        event |= {"httpMethod": method, "path": path, "queryString": query or {}}
        event["headers"] = {
            **{name: text for name, text in event["headers"].items() if name != "authorization"},
            "Authorization": "",
            "Accept-Encoding": "identity",
            **self.headers,
            **{name.replace("_", "-"): text for name, text in (headers or {}).items()},
        }
        if body is not None:
            event["body"] = body
        request = HttpRequest.parse(event, request_id="invocation-1")
        answered = gateway.handle(request, self.world.runtime).to_event()
        raw = _raw(answered)
        sent = answered["headers"]
        answer = Answer(answered["statusCode"], _content(raw, sent), sent, raw)
        check(method, path, answer)
        return answer


def _raw(answered: dict[str, Any]) -> bytes:
    if answered["isBase64Encoded"]:
        return base64.b64decode(answered["body"])
    return str(answered["body"]).encode()


def _content(raw: bytes, headers: dict[str, str]) -> Any:
    if not raw:
        return None
    text = gzip.decompress(raw) if headers.get("Content-Encoding") == "gzip" else raw
    is_json = headers["Content-Type"].startswith("application/json")
    return json.loads(text) if is_json else text.decode()
