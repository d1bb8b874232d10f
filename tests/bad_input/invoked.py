"""Functions invoked like SCF invokes them, with their log lines."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gateway
import upload
from aigc.errors import BadEventError
from aigc.logs import invocation
from aigc.triggers.cos import CosEvent
from aigc.triggers.http import HttpRequest
from aigc.uploads.rules import Rules
from tests.captured import captured
from tests.fakes import build_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes import World

KEY = "example-key"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
SECRETS = (KEY, DIGEST, "callbackkey", "signature=secret")
LONGEST_LINE = 6000
"""The highest length of a log line; a longer line would contain the input."""

SUBMIT = "/tencent-vod/v1/aigc-image"
TASK: dict[str, Any] = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse"}
CONTEXT: dict[str, Any] = {"request_id": "invocation-1", "function_name": "tested"}
ANYTHING = Rules.parse({"rule": [{"name": "any", "kind": "vod.image", "task": TASK}]})


def new_world() -> World:
    return build_world(api_keys={"default": DIGEST})


@dataclass
class Invoked:
    """The answer or error of one invocation, and its log lines."""

    answer: Any = None
    error: Exception | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> int:
        status: int = self.answer["statusCode"]
        return status

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.answer["body"] or "{}")
        return body

    @property
    def crash(self) -> str:
        """Return the stack traces of unexpected exceptions."""
        return "".join(line["exception"] for line in self.logged("call_crashed"))

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines with this event."""
        return [line for line in self.lines if line["event"] == event]


def post(source: str, body: str | bytes, path: str = SUBMIT, **headers: str) -> dict[str, Any]:
    """Return the event of a call, in the form of one of the triggers."""
    event = copy.deepcopy(captured(f"{source}/status"))
    event |= {"httpMethod": "POST", "path": path, "queryString": {}}
    event["headers"] = {**event["headers"], "Authorization": f"Bearer {KEY}", **headers}
    event["headers"].pop("authorization", None)
    is_text = isinstance(body, str)
    event["isBase64Encoded"] = not is_text
    event["body"] = body if isinstance(body, str) else base64.b64encode(body).decode()
    return event


def call(event: Any, world: World) -> Invoked:
    """Pass an event to the gateway; an unreadable event needs no runtime."""
    with _logged() as invoked:
        try:
            request = HttpRequest.parse(event, request_id="invocation-1")
        except BadEventError:
            invoked.answer = gateway.main_handler(event, CONTEXT)
        else:
            invoked.answer = gateway.handle(request, world.runtime).to_event()
    return invoked


def call_upload(event: Any, world: World, rules: Rules = ANYTHING) -> Invoked:
    """Pass an event to the upload function."""
    with _logged() as invoked:
        invoked.answer = upload.handle(CosEvent.parse(event), rules=rules, runtime=world.runtime())
    return invoked


@contextlib.contextmanager
def _logged() -> Iterator[Invoked]:
    """Collect the log lines; check that each is short and contains no secret."""
    invoked = Invoked()
    with contextlib.redirect_stdout(io.StringIO()) as stdout, invocation(CONTEXT):
        yield invoked
    lines = stdout.getvalue().split("\n")[:-1]
    invoked.lines = [json.loads(line) for line in lines]
    assert not [line[:200] for line in lines if len(line) > LONGEST_LINE]
    assert not [secret for secret in SECRETS for line in lines if secret in line]


def assert_nothing_was_paid(world: World) -> None:
    assert world.vendor.tasks == []
    assert world.ledger_keys("jobs/") == []
