"""Strict stand-ins of the chat robots of WeCom, Feishu and DingTalk, on loopback.

Each checks format, signature, size and rate as its documentation describes. The answer to a refused
message is 200 with a code. Sources: `aigc.robots`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNATURE_S = 3600
"""Seconds by which a signature's time may differ, of Feishu and DingTalk."""

WECOM_BYTES = 2048
FEISHU_BYTES = DINGTALK_BYTES = 20_000

PATHS = {
    "/cgi-bin/webhook/send": "wecom",
    "/open-apis/bot/v2/hook/token": "feishu",
    "/robot/send": "dingtalk",
}

Answer = tuple[int, str]


@dataclass
class ChatRobots:
    """The three robots of one group, and the texts that they accepted."""

    secret: str = ""
    """The secret of Feishu's and DingTalk's signature; empty: none is demanded."""
    keyword: str = ""
    """A word that each text must contain."""
    per_minute: int = 20
    now: Callable[[], float] = time.time
    """The robots' clock, in Unix seconds."""
    texts: list[str] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    port: int = 0
    _times: list[float] = field(default_factory=list)

    def url(self, kind: str) -> str:
        """Return the address of a robot."""
        queries = {"wecom": "?key=token", "feishu": "", "dingtalk": "?access_token=token"}
        path = next(path for path, known in PATHS.items() if known == kind)
        return f"http://127.0.0.1:{self.port}{path}{queries[kind]}"

    def answer(self, target: str, content_type: str, body: bytes) -> dict[str, Any]:
        """Check a message; return the robot's answer."""
        kind = PATHS[urlsplit(target).path]
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        code, why = self._check(kind, query, content_type, body)
        if code:
            self.refused.append((code, why))
        return {"code": code, "msg": why} if kind == "feishu" else {"errcode": code, "errmsg": why}

    def _check(self, kind: str, query: dict[str, str], content_type: str, body: bytes) -> Answer:
        if not content_type.startswith("application/json"):
            return 9499, "Bad Request"
        message = json.loads(body)
        check = {"wecom": _wecom, "feishu": _feishu, "dingtalk": _dingtalk}[kind]
        refusal = check(query, message, body, self.secret, self.now())
        if refusal is not None:
            return refusal
        text = _text_of(message)
        if self.keyword not in text:
            return 310000, "keywords not in content"
        self._times = [at for at in self._times if at > self.now() - 60]
        if len(self._times) >= self.per_minute:
            return 130101, "send too fast, exceed 20 times per minute"
        self._times.append(self.now())
        self.texts.append(text)
        return 0, "ok"


def _text_of(message: dict[str, Any]) -> str:
    text = message["content"]["text"] if "msg_type" in message else message["text"]["content"]
    assert isinstance(text, str)
    return text


def _wecom(
    query: dict[str, str], message: dict[str, Any], _: bytes, __: str, ___: float
) -> Answer | None:
    if set(query) != {"key"}:
        return 93000, "invalid webhook url"
    if message.keys() != {"msgtype", "text"} or message["msgtype"] != "text":
        return 40008, "invalid message type"
    if len(message["text"]["content"].encode()) > WECOM_BYTES:
        return 40058, "text.content exceed max length 2048"
    return None


def _feishu(
    query: dict[str, str], message: dict[str, Any], body: bytes, secret: str, now: float
) -> Answer | None:
    signed = {"timestamp", "sign"} if secret else set()
    if query or message.keys() != {"msg_type", "content"} | signed or len(body) > FEISHU_BYTES:
        return 9499, "Bad Request"
    if secret:
        key = f"{message['timestamp']}\n{secret}".encode()
        expected = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        if message["sign"] != expected or not _is_fresh(int(message["timestamp"]), now):
            return 19021, "sign match fail or timestamp is not within one hour from current time"
    return None


def _dingtalk(
    query: dict[str, str], message: dict[str, Any], body: bytes, secret: str, now: float
) -> Answer | None:
    signed = {"timestamp", "sign"} if secret else set()
    if set(query) != {"access_token"} | signed:
        return 310000, "sign not match"
    if message.keys() != {"msgtype", "text"} or message["msgtype"] != "text":
        return 40035, "msgtype is not valid"
    if len(body) > DINGTALK_BYTES:
        return 460101, "message too long, exceed 20000 bytes"
    if secret:
        text = f"{query['timestamp']}\n{secret}".encode()
        expected = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest())
        if query["sign"] != expected.decode() or not _is_fresh(int(query["timestamp"]) / 1000, now):
            return 310000, "sign not match"
    return None


def _is_fresh(seconds: float, now: float) -> bool:
    return abs(now - seconds) < SIGNATURE_S


class _Server(ThreadingHTTPServer):
    block_on_close = False


@contextlib.contextmanager
def chat_robots(secret: str = "", **settings: Any) -> Iterator[ChatRobots]:
    """Run the robots."""
    robots = ChatRobots(secret, **settings)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = robots.answer(self.path, self.headers["Content-Type"] or "", body)
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = _Server(("127.0.0.1", 0), Handler)
    robots.port = server.server_port
    with serving(server):
        yield robots
